package login

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// external returns a path of the application as the browser sees it. It adds Config.BasePath
// unless the path has it already.
func (c *Config) external(path string) string {
	if rest, ok := strings.CutPrefix(path, c.BasePath); path == "" || ok && (rest == "" || strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, "?")) {
		return path
	}
	return c.BasePath + path
}

// inApplication reports whether a path that the browser sees belongs to the application.
func (l *Login) inApplication(path string) bool {
	return strings.HasPrefix(path+"/", l.config.BasePath+"/") || strings.HasPrefix(path, l.config.BasePath+"?")
}

// address returns the path and query of the request as the browser sees them.
func (l *Login) address(r *http.Request) string {
	if l.config.BasePath == "" {
		return r.RequestURI
	}
	return l.config.BasePath + r.URL.RequestURI()
}

// returnTo returns the path to redirect a visitor to, as the browser sees it. It is s, or
// HomePath if s is not a path of this site.
func (l *Login) returnTo(r *http.Request, s string) string {
	if s == "" {
		return l.config.HomePath
	}
	if path, ok := cleanReturnTo(s); ok && len(s)+len(l.config.BasePath) <= maxReturnTo {
		return l.config.external(path)
	}
	if len(s)+len(l.config.BasePath) > maxReturnTo {
		l.config.Log.InfoContext(r.Context(), "login: return_to is too long, redirecting to HomePath", "bytes", len(s), "limit", maxReturnTo)
	} else {
		l.config.Log.InfoContext(r.Context(), "login: return_to is not a path of this site, redirecting to HomePath")
	}
	return l.config.HomePath
}

// checkBasePath expects a Config withDefaults.
func (c *Config) checkBasePath(w *complaints) {
	if c.BasePath == "" {
		return
	}
	clean, ok := cleanReturnTo(c.BasePath)
	w.add(!ok || clean != c.BasePath || strings.ContainsAny(clean, "?%"), "BasePath is %q, expected a path such as \"/app\"", c.BasePath)
	for name, one := range c.Clients {
		if one == nil {
			continue
		}
		at, err := url.Parse(one.Config().RedirectURL)
		w.add(err == nil && !strings.HasPrefix(at.Path, c.BasePath+"/"), "BasePath is %q, but the RedirectURL of Clients[%q] is not under it: correct one of them", c.BasePath, name)
	}
}

// arrival is the place where a response arrived, as far as this process can see it.
type arrival struct {
	host  string // "" if a proxy changes it
	path  string
	query url.Values
}

func (l *Login) arrivalOf(r *http.Request) arrival {
	a := arrival{host: hostOf(r.Host), path: l.config.external(r.URL.Path), query: r.URL.Query()}
	if l.config.ProxyRewritesHost {
		a.host = ""
	}
	return a
}

// hostOf returns a host in lower case, without a default port.
func hostOf(host string) string {
	host = strings.ToLower(host)
	return strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":80")
}

// likeness describes how well the place of an arrival matches a RedirectURL. A proxy may have
// changed host and path, but never the query.
type likeness struct {
	query    bool // the query of RedirectURL is present
	segments int  // how many segments at the end of the paths are equal; allSegments if the paths are equal
	own      int  // parameters of the RedirectURL's query
	host     bool
}

const allSegments = 1 << 20

func (a arrival) like(redirectURL string) (out likeness) {
	u, err := url.Parse(redirectURL)
	if err != nil {
		return out
	}
	out.query, out.host = true, a.host == hostOf(u.Host)
	for name, values := range u.Query() {
		out.own += len(values)
		out.query = out.query && slices.Equal(a.query[name], values)
	}
	out.segments = commonSegments(a.path, u.Path)
	return out
}

// commonSegments counts the segments that agree at the end of two paths.
func commonSegments(a, b string) (n int) {
	if strings.TrimSuffix(a, "/") == "" && strings.TrimSuffix(b, "/") == "" || a == b {
		return allSegments
	}
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	for n < min(len(as), len(bs))-1 && as[len(as)-1-n] == bs[len(bs)-1-n] {
		n++
	}
	return n
}

// compare returns a positive number if l matches better than m. The path counts most, because
// proxies change the host more often.
func (l likeness) compare(m likeness) int {
	for _, d := range []int{toInt(l.query) - toInt(m.query), l.segments - m.segments, l.own - m.own, toInt(l.host) - toInt(m.host)} {
		if d != 0 {
			return d
		}
	}
	return 0
}

func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// arrivalError is a response at the wrong RedirectURL.
type arrivalError struct {
	text     string
	operator bool // the configuration is the reason
}

func (e *arrivalError) Error() string { return e.text }

// checkArrival accepts a response only at the RedirectURL of its login (RFC 9700 §4.4.2.2).
// Otherwise a server could have another server's code sent to itself. If a proxy changes host or
// path, a response that arrived at another client's RedirectURL is still rejected.
func (l *Login) checkArrival(r *http.Request, name string) error {
	at, c := l.arrivalOf(r), l.config.Clients[name]
	own := at.like(c.Config().RedirectURL)
	if !own.query {
		return &arrivalError{text: fmt.Sprintf("the response did not arrive at the RedirectURL of Clients[%q]: its query differs", name)}
	}
	for rival, other := range l.config.Clients {
		switch d := at.like(other.Config().RedirectURL).compare(own); {
		case rival == name:
		case d > 0:
			return &arrivalError{text: fmt.Sprintf("the response for Clients[%q] arrived at the RedirectURL of Clients[%q] (mix-up, RFC 9700 §4.4). "+
				"If a proxy changes the host or the path, set Config.ProxyRewritesHost or Config.BasePath", name, rival)}
		case d == 0 && other.Issuer() != c.Issuer() && !c.NamesIssuer():
			return &arrivalError{operator: true, text: fmt.Sprintf("a proxy hides whether the response arrived at the RedirectURL of Clients[%q] or Clients[%q]. "+
				"Let the proxy keep the Host header, set Config.BasePath, or set RequireIss of these clients", name, rival)}
		}
	}
	l.warnPrefix(r, c.Config().RedirectURL)
	return nil
}

// checkHidden requires RequireIss for clients whose RedirectURLs differ only in the host, if
// this process does not see the host.
func (c *Config) checkHidden(w *complaints) {
	if !c.ProxyRewritesHost {
		return
	}
	for name, one := range c.Clients {
		for rival, other := range c.Clients {
			if one == nil || other == nil || rival == name || one.Issuer() == other.Issuer() || one.NamesIssuer() {
				continue
			}
			w.add(withoutHost(one.Config().RedirectURL) == withoutHost(other.Config().RedirectURL),
				"ProxyRewritesHost is true, but the RedirectURLs of Clients[%q] and Clients[%q] differ only in the host: set RequireIss of both, or use different paths", name, rival)
		}
	}
}

func withoutHost(redirectURL string) string {
	u, err := url.Parse(redirectURL)
	if err != nil {
		return redirectURL
	}
	return u.RequestURI()
}
