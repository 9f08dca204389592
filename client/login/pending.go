package login

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
)

// Logins under way are sealed into cookies of this browser, whatever the Store is:
// strangers who begin logins cannot fill anything of ours.
const (
	maxAttempts      = 10
	attemptsLifetime = 10 * time.Minute
)

// attempt is a login between its two legs.
type attempt struct {
	Client   string          `json:"client"` // its name
	ReturnTo string          `json:"return_to"`
	Pending  *client.Pending `json:"pending"`

	cookie string // its name
	size   int
}

// attemptName is the name of the cookie of a login with that state. The state is in the
// browser's address anyway.
func (l *Login) attemptName(state string) string {
	return l.attemptPrefix() + hashed(state)[:16]
}

func (l *Login) attemptPrefix() string { return l.cookies.name("-p-") }

// keep seals a login into a cookie, in place of the oldest of too many.
func (l *Login) keep(w http.ResponseWriter, r *http.Request, a *attempt) error {
	name := l.attemptName(a.Pending.State)
	sealed, err := l.sealJSON(forAttempt, name, a)
	if err == nil && len(sealed) > maxValue {
		a.ReturnTo = l.config.HomePath
		sealed, err = l.sealJSON(forAttempt, name, a)
	}
	if err != nil {
		return err
	}
	if len(sealed) > maxValue {
		return errTooLarge
	}
	if l.wantsPost(a.Client) {
		l.cookies.setForPost(w, name, sealed, attemptsLifetime)
	} else {
		l.cookies.set(w, name, sealed, attemptsLifetime)
	}
	l.makeRoom(w, r)
	return nil
}

// wantsPost tells whether the responses for a client come by POST.
func (l *Login) wantsPost(name string) bool {
	return strings.HasPrefix(l.config.Clients[name].ResponseMode(), "form_post")
}

// makeRoom drops logins that are over or not ours, and the oldest of too many beside what
// the answer sets so far.
func (l *Login) makeRoom(w http.ResponseWriter, r *http.Request) {
	set := setIn(w.Header())
	size := sizeWith(r, set, l.attemptPrefix())
	all := slices.DeleteFunc(l.attempts(w, r), func(a *attempt) bool { _, again := set[a.cookie]; return again })
	slices.SortFunc(all, func(a, b *attempt) int { return b.Pending.CreatedAt.Compare(a.Pending.CreatedAt) })
	for i, a := range all {
		if size += a.size; i+1 >= maxAttempts || size > maxCookies {
			l.cookies.expire(w, a.cookie)
		}
	}
}

// attempts are this browser's logins under way; cookies with others are dropped. More
// than we have ever set are not looked at.
func (l *Login) attempts(w http.ResponseWriter, r *http.Request) (all []*attempt) {
	seen := 0
	for _, c := range r.Cookies() {
		if !strings.HasPrefix(c.Name, l.attemptPrefix()) {
			continue
		}
		if seen++; seen > 2*maxAttempts {
			break
		}
		a := l.openAttempt(c)
		if a == nil || a.Pending.Expired(l.config.Now()) {
			l.cookies.expire(w, c.Name)
			continue
		}
		all = append(all, a)
	}
	return all
}

func (l *Login) openAttempt(c *http.Cookie) *attempt {
	a := &attempt{cookie: c.Name, size: sizeOf(c)}
	if !l.openJSON(forAttempt, c.Name, c.Value, a) || a.Pending == nil || l.config.Clients[a.Client] == nil {
		return nil
	}
	return a
}

// find gives this browser's login that a callback is for, nil if there is none. An error
// is of a signed response that could not be read.
func (l *Login) find(w http.ResponseWriter, r *http.Request, parameters map[string][]string) (*attempt, error) {
	if len(parameters["response"]) == 0 {
		return l.withState(r, first(parameters["state"])), nil
	}
	var errs []error
	asked := map[string]bool{}
	for _, a := range l.attempts(w, r) { // the state of a signed response is the client's to read
		if asked[a.Client] {
			continue
		}
		asked[a.Client] = true
		state, err := l.config.Clients[a.Client].CallbackState(r.Context(), parameters)
		if found := l.withState(r, state); err == nil && found != nil {
			return found, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func (l *Login) withState(r *http.Request, state string) *attempt {
	c, err := r.Cookie(l.attemptName(state))
	if err != nil || state == "" {
		return nil
	}
	a := l.openAttempt(c)
	if a == nil || a.Pending.State != state {
		return nil
	}
	return a
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// consume ends a login under way, and tells whether this is the first time: before the
// code is sent, so that it is sent once, by whatever process.
func (l *Login) consume(r *http.Request, a *attempt) (bool, error) {
	return l.shared.Once(r.Context(), "state:"+hashed(a.Pending.State), a.Pending.CreatedAt.Add(3*attemptsLifetime))
}

func (l *Login) sealJSON(purpose, name string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", errors.New("login: what is to be sealed is not JSON")
	}
	return l.sealer.seal(purpose, name, plain)
}

func (l *Login) openJSON(purpose, name, sealed string, v any) bool {
	plain, ok := l.sealer.open(purpose, name, sealed)
	return ok && json.Unmarshal(plain, v) == nil
}
