package login

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
)

// Login provides the handlers of one application. It is safe for concurrent use.
type Login struct {
	config   Config
	cookies  cookies
	sealer   sealer
	shared   Store // Config.Store, or the memory of this process
	sessions sessions

	refreshers map[string]*tokens.Refresher
	carried    *carriedTokens

	begins, finishes gate              // separate, so that a flood of new logins does not block those that finish
	refreshes        *budgets          // of device bound sessions
	registrations    map[string]string // hash of each client's id and issuer, by the client's name
	process          string            // a random text from New that identifies this process
	responsesAt      map[place]bool    // where Callback must be mounted
	*noted
}

// noted has the observations since New.
type noted struct {
	silent   atomic.Bool // Silent is in use
	accepted accepted
	doubtful alarms
	outages  alarms   // errors of the server that a visitor can cause too
	nonces   sync.Map // names of the clients whose ID tokens had a nonce
	once     struct{ foreignCookie, foreignSession, missingClaim, severalProcesses, otherClock, prefix sync.Once }
}

// New returns a Login. The error lists every fault of the configuration. New sends no request;
// [Login.Ready] does.
func New(config Config) (*Login, error) {
	made := config.Keys == nil
	config = config.withDefaults()
	if err := config.check(); err != nil {
		return nil, err
	}
	sealer, err := newSealer(config.Keys)
	if err != nil {
		return nil, fmt.Errorf("login: Config.Keys: %w", err)
	}
	if made {
		config.Log.Warn("login: Config.Keys is nil, so sessions end when this process ends")
	}
	l := &Login{
		config: config, sealer: sealer, cookies: cookies{config.CookieName, config.InsecureHTTP},
		begins: newGate(config.MaxCalls), finishes: newGate(config.MaxCalls), process: rand.Text(), noted: &noted{}, refreshes: &budgets{}, registrations: map[string]string{},
	}
	for name, c := range config.Clients {
		l.registrations[name] = hashed(fmt.Sprintf("[client %s at %s]", c.Config().ClientID, c.Issuer()))
	}
	l.responsesAt = l.places()
	l.share()
	l.newRefreshers()
	return l, nil
}

// share chooses where sessions are kept.
func (l *Login) share() {
	l.carried = &carriedTokens{memory: Memory{Now: l.config.Now}, now: l.config.Now}
	if l.config.Store == nil {
		l.shared = &Memory{Now: l.config.Now}
		l.sessions = &sealedSessions{l}
		return
	}
	l.shared = patient{l.config.Store}
	l.sessions = &storedSessions{l}
}

// Format implements fmt.Formatter. It prints what Config prints, which contains no secret.
func (l Login) Format(f fmt.State, _ rune) { io.WriteString(f, fmt.Sprint(l.config)) }

// choose returns the client that a request names, by the wildcard {client} of its pattern or by the
// parameter client. It returns nil if there is no such client.
func (l *Login) choose(r *http.Request) (name string, c *client.Client) {
	if name = r.PathValue("client"); name == "" {
		name = r.URL.Query().Get("client")
	}
	return l.named(name)
}

// named returns the client with that name; "" means the only one.
func (l *Login) named(name string) (string, *client.Client) {
	if name == "" && len(l.config.Clients) == 1 {
		for only, c := range l.config.Clients {
			return only, c
		}
	}
	return name, l.config.Clients[name]
}

// only answers requests by other methods with status 405.
func (l *Login) only(handle http.HandlerFunc, methods ...string) http.Handler {
	return l.onlyAs("use "+strings.Join(methods, " or "), handle, methods...)
}

// onlyAs is only with advice in the error.
func (l *Login) onlyAs(remedy string, handle http.HandlerFunc, methods ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		private(w.Header())
		if slices.Contains(methods, r.Method) {
			handle(w, r)
			return
		}
		w.Header()["Allow"] = methods
		l.fail(w, r, CodeMethod, fmt.Errorf("%s is not accepted here: %s", r.Method, remedy))
	})
}

// private keeps a response out of caches, and its URL out of the Referer of later requests.
func private(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
}

// redirect sends the browser to a URL that was checked before.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
