package login

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	fastjson "github.com/go-json-experiment/json"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/jose"
)

// Logins in progress are sealed into cookies of the browser, with any Store. A login that is
// begun leaves nothing in the Store. A callback leaves one small key for 12 minutes.
const (
	maxAttempts      = 10
	attemptsLifetime = 10 * time.Minute
)

// attempt is a login in progress.
type attempt struct {
	Client   string          `json:"client"` // its name
	ReturnTo string          `json:"return_to"`
	Pending  *client.Pending `json:"pending"`

	Request   *client.Request `json:"request,omitempty"`   // of Ask, for another try
	Silent    bool            `json:"silent,omitempty"`    // the visitor must notice nothing
	Restarted bool            `json:"restarted,omitempty"` // it is another try
	Issuer    string          `json:"iss,omitempty"`       // with Subject: who must sign in
	Subject   string          `json:"sub,omitempty"`
	Process   string          `json:"process"` // that it began at

	cookie string // its name
	size   int
}

// attemptName returns the name of the cookie of a login with that state. The state is not secret
// from the browser: it is in its address.
func (l *Login) attemptName(state string) string {
	return l.attemptPrefix() + hashed(state)[:16]
}

func (l *Login) attemptPrefix() string { return l.cookies.name("-p-") }

// keep seals a login into a cookie. If there are too many, it replaces the oldest.
func (l *Login) keep(w http.ResponseWriter, r *http.Request, a *attempt) error {
	name := l.attemptName(a.Pending.State)
	a.Process = l.process
	sealed, err := l.sealAttempt(r, name, a)
	if err != nil {
		return err
	}
	if l.wantsPost(a.Client) {
		l.cookies.setForPost(w, name, sealed, attemptsLifetime)
	} else {
		l.cookies.set(w, name, sealed, attemptsLifetime)
	}
	l.makeRoom(w, r)
	return nil
}

// sealAttempt omits what is not essential if the cookie is too large: first the request, which
// another attempt needs, then the path to return to.
func (l *Login) sealAttempt(r *http.Request, name string, a *attempt) (string, error) {
	sealed, err := l.sealJSON(forAttempt, name, a)
	if err == nil && len(sealed) > maxValue && a.Request != nil {
		a.Request, a.Restarted = nil, true
		sealed, err = l.sealJSON(forAttempt, name, a)
	}
	if err == nil && len(sealed) > maxValue {
		l.config.Log.InfoContext(r.Context(), "login: return_to does not fit into a cookie, redirecting to HomePath", "bytes", len(a.ReturnTo))
		a.ReturnTo = l.config.HomePath
		sealed, err = l.sealJSON(forAttempt, name, a)
	}
	if err == nil && len(sealed) > maxValue {
		err = errTooLarge
	}
	return sealed, err
}

// wantsPost reports whether the responses for a client arrive as POST.
func (l *Login) wantsPost(name string) bool {
	return strings.HasPrefix(l.config.Clients[name].ResponseMode(), "form_post")
}

// makeRoom removes the cookies of logins that have ended or do not open, and of the oldest if
// there are too many.
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

// attempts are this browser's logins under way. Cookies that do not open are removed. They may be
// of another application, so a warning is logged once. It reads no more cookies than this package
// ever sets.
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
		if a == nil {
			l.warnForeignCookie(r, c.Name)
		}
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

// find returns this browser's login that a callback belongs to, or nil if it has none. The error
// says that a signed response could not be read.
func (l *Login) find(w http.ResponseWriter, r *http.Request, parameters map[string][]string) (*attempt, error) {
	if len(parameters["response"]) == 0 {
		return l.withState(r, first(parameters["state"])), nil
	}
	var errs []error
	asked := map[string]bool{}
	for _, a := range l.attempts(w, r) { // only the client can read the state of a signed response
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

// consume ends a login in progress, and returns true for the first caller. It is called before
// the code is sent, so that the code is sent once. All processes that share Config.Store count
// as one. The login is remembered for as long as any clock may accept it.
func (l *Login) consume(r *http.Request, a *attempt) (bool, error) {
	return l.shared.Once(r.Context(), "state:"+hashed(a.Pending.State), a.Pending.CreatedAt.Add(attemptsLifetime+clockMargin))
}

// warnSeveralProcesses tells the operator once that Config.Store is needed.
func (l *Login) warnSeveralProcesses(r *http.Request, a *attempt) {
	if _, local := l.config.Store.(*Memory); a.Process == l.process || l.config.Store != nil && !local {
		return
	}
	l.once.severalProcesses.Do(func() {
		l.config.Log.WarnContext(r.Context(), "login: a login began at another process, and Config.Store is not shared",
			"remedy", "set Config.Store to a shared store if several processes serve this application. A restart of the process also causes this once")
	})
}

// clockMargin is for processes whose clocks differ.
const clockMargin = 2 * time.Minute

func (l *Login) sealJSON(purpose, name string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", errors.New("login: cannot encode a value as JSON")
	}
	return l.sealer.seal(purpose, name, plain)
}

func (l *Login) openJSON(purpose, name, sealed string, v any) bool {
	plain, ok := l.sealer.open(purpose, name, sealed)
	return ok && json.Unmarshal(plain, v) == nil
}

// openFast is openJSON for values that every request opens. Its decoder is more than twice as fast.
// It decodes only what seal has written.
func (l *Login) openFast(purpose, name, sealed string, v any) bool {
	plain, ok := l.sealer.open(purpose, name, sealed)
	return ok && fastjson.Unmarshal(plain, v) == nil
}

// openCookie opens a cookie of the request. It warns the operator once about a cookie that the keys
// do not open.
func (l *Login) openCookie(r *http.Request, purpose, name string, v any) bool {
	sealed := value(r, name)
	if sealed == "" || l.openFast(purpose, name, sealed, v) {
		return sealed != ""
	}
	l.warnForeignCookie(r, name)
	return false
}

func (l *Login) warnForeignCookie(r *http.Request, name string) {
	l.once.foreignCookie.Do(func() {
		l.config.Log.WarnContext(r.Context(), "login: Config.Keys do not open a cookie", "cookie", name,
			"remedy", "set another Config.CookieName for each application on this host, and the same Config.Keys for all processes of this application. "+
				"Removing a key, and setting or removing Config.Store, also cause this once")
	})
}

// warnForeignSession tells the operator once about a session of another registration, or of a
// process with another clock. Two applications with the same keys and cookie name replace each
// other's cookie, and so sign their visitors out.
func (l *Login) warnForeignSession(r *http.Request, s *session) {
	if s.At != l.registrations[s.Client] {
		l.warnForeignRegistration(r)
		return
	}
	if ahead := s.Seen.Sub(l.config.Now()); ahead > maxAhead {
		l.once.otherClock.Do(func() {
			l.config.Log.WarnContext(r.Context(), "login: a session was last used in the future", "ahead", jose.Duration(ahead.Round(time.Second)),
				"remedy", "synchronize the clocks of all processes of this application. The visitor has to sign in again")
		})
	}
}

// warnForeignTicket is warnForeignSession for a session that Config.Store does not have. It does
// not warn about a session that has ended, because this is usual.
func (l *Login) warnForeignTicket(r *http.Request, t ticket) {
	for _, at := range l.registrations {
		if at == t.At || t.At == "" {
			return
		}
	}
	l.warnForeignRegistration(r)
}

func (l *Login) warnForeignRegistration(r *http.Request) {
	l.once.foreignSession.Do(func() {
		l.config.Log.WarnContext(r.Context(), "login: a session cookie belongs to another registration", "cookie", l.cookies.name(""),
			"remedy", "set another Config.CookieName and other Config.Keys for each application on this host. "+
				"A changed Issuer or ClientID also causes this once")
	})
}

// warnForeignAttempt is for a callback whose login under way does not open.
func (l *Login) warnForeignAttempt(r *http.Request, q map[string][]string) {
	name := l.attemptName(first(q["state"]))
	if value(r, name) != "" {
		l.warnForeignCookie(r, name)
	}
}
