package login

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
)

// Config is how one application signs its visitors in. Clients must be set, and Keys
// where the application has more than one process, or is to be restarted without
// signing everybody out.
type Config struct {
	// Clients are the registrations at the servers where visitors may sign in, each
	// under a short name of letters, digits, "-" and "_" that appears in addresses. Where
	// there is one, its name may be left out there. Sessions end when their name is given
	// to another registration.
	Clients map[string]*client.Client

	// Keys seal the cookies and what is in the Store: secrets of 32 random bytes each; see
	// ParseKeys. The first seals, all of them open: to rotate, put a new one in
	// front, and take the last away when Lifetime is over. nil means one that is made
	// now and gone with the process.
	Keys [][]byte

	// Store is where sessions are kept, and what all processes need to know. nil means that
	// sessions are in sealed cookies: back-channel logout is then not to be had, the end
	// of a session is known to this browser and this process alone, and there is room for
	// some 7 kB of tokens.
	Store Store

	// Request is what every login asks for beyond its client's Config.
	Request client.Request

	// Claims are the names of the ID token's claims that are kept for [User.Claims], such as
	// "name" and "email". Those that every ID token has need not be named.
	Claims []string

	// UserInfo has the UserInfo endpoint asked too when a visitor signs in, for Claims
	// that the ID token does not have.
	UserInfo bool

	// KeepTokens keeps access and refresh token in the session, for [User.Tokens].
	KeepTokens bool

	// Idle is how long a session lasts without a request. 0 means an hour, or Lifetime if
	// that is shorter.
	Idle time.Duration

	// Lifetime is how long a session lasts at all. 0 means 12 hours.
	Lifetime time.Duration

	// StartPath is where Start is mounted, for links on error pages. "" means "/login".
	StartPath string

	// SignInPath is a page of the application with links to Start, on which a visitor
	// chooses among several Clients: where Require sends them, with return_to to be
	// handed on to Start. "" means that there is no choice, which is for one client.
	SignInPath string

	// HomePath is where visitors come who asked for no page in particular, and after a
	// logout. "" means "/".
	HomePath string

	// CookieName is what the names of the cookies have after the prefix "__Host-". ""
	// means "login". Cookies do not tell ports apart: where applications share a host they
	// need different names, of which none begins with another one and "-".
	CookieName string

	// InsecureHTTP is for development on http://127.0.0.1 and the like: cookies are neither
	// Secure nor have the prefix, which browsers would refuse on http. Clients with any
	// other RedirectURL are then refused.
	InsecureHTTP bool

	// CrossOrigin refuses requests that other sites make with a visitor's cookies: to
	// Logout, and to what is behind Require. nil means net/http's rules.
	CrossOrigin *http.CrossOriginProtection

	// ErrorPage shows a Problem to the visitor. nil means a plain page in English.
	ErrorPage func(http.ResponseWriter, *http.Request, Problem)

	// Log gets the reasons of problems. nil means slog.Default.
	Log *slog.Logger

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// withDefaults gives the configuration with everything filled in that was left empty.
func (c Config) withDefaults() Config {
	c.Clients = maps.Clone(c.Clients)
	c.Lifetime = cmp.Or(c.Lifetime, 12*time.Hour)
	c.Idle = cmp.Or(c.Idle, min(time.Hour, c.Lifetime))
	c.StartPath, c.HomePath = cmp.Or(c.StartPath, "/login"), cmp.Or(c.HomePath, "/")
	c.CookieName = cmp.Or(c.CookieName, "login")
	c.CrossOrigin = cmp.Or(c.CrossOrigin, http.NewCrossOriginProtection())
	c.Log = cmp.Or(c.Log, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Keys == nil {
		key := make([]byte, keySize)
		rand.Read(key)
		c.Keys = [][]byte{key}
	}
	return c
}

// Format implements fmt.Formatter: no verb prints the keys.
func (c Config) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "[login at %d servers, %d keys]", len(c.Clients), len(c.Keys))
}

// LogValue implements slog.LogValuer.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// complaints are what is wrong with a configuration: all of it, by the fields' names.
type complaints []error

func (w *complaints) add(bad bool, format string, args ...any) {
	if bad {
		*w = append(*w, fmt.Errorf("login: Config."+format, args...))
	}
}

// check is for a Config withDefaults.
func (c *Config) check() error {
	var w complaints
	c.checkClients(&w)
	c.checkPaths(&w)
	if err := checkKeys(c.Keys); err != nil {
		w = append(w, err)
	}
	w.add(c.Idle < 0 || c.Lifetime < 0, "Idle or Lifetime is negative")
	w.add(c.Idle > c.Lifetime, "Idle is longer than Lifetime")
	w.add(!isName(c.CookieName), "CookieName %q is not letters, digits, - and _", c.CookieName)
	return errors.Join(w...)
}

func (c *Config) checkClients(w *complaints) {
	w.add(len(c.Clients) == 0, "Clients is empty")
	var all []*client.Client
	for _, name := range slices.Sorted(maps.Keys(c.Clients)) {
		one := c.Clients[name]
		w.add(!isName(name), "Clients: the name %q is not letters, digits, - and _", name)
		if one == nil {
			w.add(true, "Clients[%q] is nil", name)
			continue
		}
		all = append(all, one)
		c.checkClient(w, name, one)
	}
	if err := client.CheckMixUp(all...); err != nil {
		w.add(true, "Clients: %w", err)
	}
}

func (c *Config) checkClient(w *complaints, name string, one *client.Client) {
	at, err := url.Parse(one.RedirectURL())
	switch {
	case err != nil || at.Scheme != "https" && at.Scheme != "http":
		w.add(true, "Clients[%q] has a RedirectURL that is not of a web site", name)
	case at.Scheme == "http":
		w.add(!c.InsecureHTTP, "InsecureHTTP is false, and the RedirectURL of Clients[%q] is http", name)
	default:
		w.add(c.InsecureHTTP, "InsecureHTTP is for loopback, and the RedirectURL of Clients[%q] is https", name)
	}
	w.add(strings.HasPrefix(one.ResponseMode(), "fragment"), "Clients[%q] has responses come in the fragment, which browsers do not send: set its ResponseMode", name)
}

func (c *Config) checkPaths(w *complaints) {
	w.add(len(c.Clients) > 1 && c.SignInPath == "", "SignInPath is empty, and there are several Clients to choose from")
	for name, path := range map[string]string{"StartPath": c.StartPath, "SignInPath": c.SignInPath, "HomePath": c.HomePath} {
		_, ok := cleanReturnTo(path)
		w.add(path != "" && !ok, "%s %q is not a path of this site", name, path)
	}
}

// isName is for what stands in addresses and cookie names.
func isName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return s != "" && len(s) <= 40
}
