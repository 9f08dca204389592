package login

import (
	"cmp"
	"context"
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

// Config describes how one application signs its visitors in. Clients is required. Keys is
// required if the application has several processes, or if sessions must survive a restart.
type Config struct {
	// Clients are the registrations at the servers where visitors may sign in. Each has a short
	// name of letters, digits, "-" and "_" that appears in URLs. With one client the URLs may
	// omit the name. A session ends when its name is given to another registration.
	Clients map[string]*client.Client

	// Keys seal the cookies and the values in the Store. Each is a secret of 32 random bytes;
	// see ParseKeys. The first key seals, and all keys open. To rotate, put a new key in front,
	// and remove the last key after Lifetime. nil means a key that New creates: sessions end
	// with the process. All processes need the same Keys. Several processes also need a Store.
	Keys [][]byte

	// Store holds the sessions, and is shared by all processes. nil means that sessions are in
	// sealed cookies, with three limits. Back-channel logout is not available. Only the browser
	// and this process know about a logout. Claims and tokens are limited to about 5 kB.
	//
	// An application with several processes needs a Store. Without one, each process knows only
	// the codes that it sent itself. A callback that reaches two processes at once sends its
	// code twice. The server rejects the second request and may revoke the tokens (RFC 6749
	// §4.1.2). The log warns when a login begins at one process and ends at another.
	Store Store

	// Request holds the settings of every login in addition to its client's Config. The zero value
	// adds none.
	Request client.Request

	// Claims are the names of the claims that the session keeps for [User.Claims], such as "name"
	// and "email". The fields of User are always kept. Empty means only those.
	Claims []string

	// UserInfo calls the UserInfo endpoint in each login, for Claims that the ID token lacks.
	UserInfo bool

	// KeepTokens keeps the access token and the refresh token in the session, for [User.Tokens].
	KeepTokens bool

	// SignIn is called once per login, before a session exists. It receives the user, the tokens
	// and the parameters of the callback (Apple's "user", for example) without those of the
	// protocol. An error rejects the user: 403, CodeDenied, and no new session; an earlier
	// one stays. An error that is Temporary or a timeout, or a *url.Error of net/http, means
	// CodeUnavailable. nil accepts every user.
	//
	// For a client without ID tokens (GitHub, plain OAuth 2.0) SignIn must set user.Subject to an
	// identifier that the server never gives to another user. user.Issuer is then the client's
	// Issuer. SignIn cannot change the values of an ID token. Here user.Claims has all claims;
	// Claims and user.SetClaim select those that the session keeps. Several goroutines may call
	// SignIn at once.
	SignIn func(ctx context.Context, user *User, tokens *client.Tokens, callback url.Values) error

	// OnProblem is called with each problem and its reason. This package writes no secret into the
	// reason. The reason contains the text of an error that SignIn returned. nil means that the
	// reason is only logged.
	OnProblem func(ctx context.Context, p Problem, reason error)

	// Effects are called after a back-channel logout has ended sessions here, before the response
	// to the server. If an Effect fails, the response is 503, so that the server may send the same
	// token again. Empty means none.
	Effects []Effect

	// OnServerLogout is called after the server has ended sessions here, by a back-channel or
	// front-channel logout. nil means no call.
	OnServerLogout func(ctx context.Context, ended ServerLogout)

	// Limit is called before a login starts: by Start, Begin, Require, Silent and Initiated. A
	// positive duration rejects the login (429, CodeLimited) and is its Retry-After. nil means
	// no limit. There is no default, because behind a proxy all visitors share one address.
	// Several goroutines may call Limit at once.
	Limit func(r *http.Request) (retryAfter time.Duration)

	// MaxCalls is the maximum number of concurrent calls to servers for logins that start. The
	// same maximum applies separately to logins that end. Above it a login fails with 503. 0
	// means 100.
	MaxCalls int

	// Idle is the maximum time between two requests of a session. 0 means one hour, or Lifetime
	// if that is shorter.
	Idle time.Duration

	// Lifetime is the maximum duration of a session. 0 means 12 hours.
	Lifetime time.Duration

	// BasePath is a prefix of the path, such as "/app", that a proxy or http.StripPrefix removes
	// before the application sees a request. The other paths here, BeginOptions.ReturnTo and
	// return_to are paths as the application sees them. Redirects and Problem.Retry include the
	// prefix. A path that already begins with BasePath is left unchanged. RedirectURL must be
	// under BasePath. "" means no prefix.
	BasePath string

	// ProxyRewritesHost says that a proxy replaces the Host header. The host at which a response
	// arrived is then not compared with the RedirectURL of its client. Clients whose
	// RedirectURLs differ only in the host are then rejected unless they have RequireIss.
	ProxyRewritesHost bool

	// StartPath is where Start is mounted, for links on error pages. "" means "/login".
	StartPath string

	// SignInPath is a page of the application with links to Start, on which a visitor chooses
	// one of several Clients. Require sends visitors there with return_to, which the links must
	// pass on to Start. "" is for one client.
	SignInPath string

	// HomePath is the path for visitors who requested no particular page, and after a logout. ""
	// means "/".
	HomePath string

	// CookieName is the name of the cookies after the prefix "__Host-". "" means "login". Cookies
	// do not depend on the port: give each application on a host a different name. No name may
	// be another name followed by "-".
	CookieName string

	// InsecureHTTP is for development. Cookies are not Secure and have no prefix, because
	// browsers reject such cookies on http. Error pages show the reason. Every client must then
	// have an http RedirectURL. For http on other hosts than this machine, see the setting of
	// the same name in client.Config.
	InsecureHTTP bool

	// Device binds sessions to a key of the visitor's device. nil means that sessions are not
	// bound.
	Device *Device

	// Counter counts events, for metrics. nil means that nothing is counted.
	Counter Counter

	// CrossOrigin rejects requests that other origins make with a visitor's cookies. It applies
	// to Logout and to the handlers behind Require, Identify and Silent. nil means the rules of
	// net/http. A WebSocket handshake is checked like a POST.
	CrossOrigin *http.CrossOriginProtection

	// ErrorPage shows a Problem to the visitor. nil means a plain page in English.
	ErrorPage func(http.ResponseWriter, *http.Request, Problem)

	// Log receives the reason of each problem. The level is error if the operator must act, and
	// info otherwise. nil means slog.Default.
	Log *slog.Logger

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// withDefaults returns the configuration with its defaults filled in.
func (c Config) withDefaults() Config {
	c.Clients = maps.Clone(c.Clients)
	c.Lifetime = cmp.Or(c.Lifetime, 12*time.Hour)
	c.Idle = cmp.Or(c.Idle, min(time.Hour, c.Lifetime))
	c.BasePath = strings.TrimSuffix(c.BasePath, "/")
	c.StartPath, c.HomePath, c.SignInPath = c.external(cmp.Or(c.StartPath, "/login")), c.external(cmp.Or(c.HomePath, "/")), c.external(c.SignInPath)
	c.CookieName = cmp.Or(c.CookieName, "login")
	if c.Device != nil {
		device := *c.Device
		device.Path = c.external(cmp.Or(device.Path, "/device-session"))
		device.Refresh = cmp.Or(device.Refresh, min(10*time.Minute, c.Lifetime))
		c.Device = &device
	}
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

// complaints are all faults of a configuration, each with the name of its field.
type complaints []error

func (w *complaints) add(bad bool, format string, args ...any) {
	if bad {
		*w = append(*w, fmt.Errorf("login: Config."+format, args...))
	}
}

// check expects a Config withDefaults.
func (c *Config) check() error {
	var w complaints
	c.checkClients(&w)
	c.checkPaths(&w)
	c.checkBasePath(&w)
	c.checkHidden(&w)
	if err := checkKeys(c.Keys); err != nil {
		w = append(w, err)
	}
	w.add(c.Idle < 0 || c.Lifetime < 0, "Idle is %v and Lifetime is %v, expected 0 or more", c.Idle, c.Lifetime)
	w.add(c.Idle > c.Lifetime, "Idle is %v, expected at most Lifetime (%v)", c.Idle, c.Lifetime)
	w.add(c.MaxCalls < 0, "MaxCalls is %d, expected 0 or more", c.MaxCalls)
	w.add(!isName(c.CookieName), "CookieName is %q, expected 1 to 40 letters, digits, - and _", c.CookieName)
	c.checkDevice(&w)
	return errors.Join(w...)
}

func (c *Config) checkDevice(w *complaints) {
	if c.Device == nil {
		return
	}
	_, ok := cleanReturnTo(c.Device.Path)
	w.add(!ok || strings.ContainsAny(c.Device.Path, `"?`), "Device.Path is %q, expected a path of this site such as /device", c.Device.Path)
	w.add(c.Device.Refresh < minDeviceRefresh || c.Device.Refresh > c.Lifetime, "Device.Refresh is %v, expected %v to Lifetime (%v)", c.Device.Refresh, minDeviceRefresh, c.Lifetime)
}

func (c *Config) checkClients(w *complaints) {
	w.add(len(c.Clients) == 0, "Clients is empty: add at least one client")
	var all []*client.Client
	for _, name := range slices.Sorted(maps.Keys(c.Clients)) {
		one := c.Clients[name]
		w.add(!isName(name), "Clients: the name is %q, expected 1 to 40 letters, digits, - and _", name)
		if one == nil {
			w.add(true, "Clients[%q] is nil: create it with client.New", name)
			continue
		}
		all = append(all, one)
		c.checkClient(w, name, one)
	}
	if err := client.CheckMixUpDefense(all...); err != nil {
		w.add(true, "Clients: %w", err)
	}
}

func (c *Config) checkClient(w *complaints, name string, one *client.Client) {
	at, err := url.Parse(one.Config().RedirectURL)
	switch {
	case err != nil || at.Scheme != "https" && at.Scheme != "http":
		w.add(true, "Clients[%q] has the RedirectURL %q, expected an https URL", name, one.Config().RedirectURL)
	case at.Scheme == "http":
		w.add(!c.InsecureHTTP, "InsecureHTTP is false, but the RedirectURL of Clients[%q] is http: use https, or in development set InsecureHTTP", name)
	default:
		w.add(c.InsecureHTTP, "InsecureHTTP is true, but the RedirectURL of Clients[%q] is https: set InsecureHTTP to false", name)
	}
	w.add(!hasIDToken(one, c.Request.Scopes) && c.SignIn == nil, "SignIn is nil, and Clients[%q] does not request an ID token (its Scopes are %q): add the scope openid to the client, or set SignIn", name, one.Config().Scopes)
	w.add(c.UserInfo && one.Config().ResponseType == client.ResponseIDToken, "UserInfo is true, but Clients[%q] with ResponseType id_token receives no access token: set another ResponseType, or set UserInfo to false", name)
	w.add(c.KeepTokens && one.Config().ResponseType == client.ResponseIDToken, "KeepTokens is true, but Clients[%q] with ResponseType id_token receives no access token: set another ResponseType, or set KeepTokens to false", name)
	w.add(strings.HasPrefix(one.ResponseMode(), "fragment"), "Clients[%q] receives responses in the fragment, which browsers do not send to this site: set its ResponseMode to form_post", name)
}

// hasIDToken reports whether a login with these additional scopes returns an ID token.
func hasIDToken(c *client.Client, scopes []string) bool {
	own := c.Config()
	return slices.Contains(own.Scopes, "openid") || slices.Contains(scopes, "openid") || strings.Contains(own.ResponseType, client.ResponseIDToken)
}

func (c *Config) checkPaths(w *complaints) {
	w.add(len(c.Clients) > 1 && c.SignInPath == "", "SignInPath is empty, but there are several Clients: set it to the page where the visitor chooses one")
	for name, path := range map[string]string{"StartPath": c.StartPath, "SignInPath": c.SignInPath, "HomePath": c.HomePath} {
		_, ok := cleanReturnTo(path)
		w.add(path != "" && !ok, "%s is %q, expected a path of this site such as /login", name, path)
	}
}

// isName reports whether s can be part of URLs and cookie names.
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
