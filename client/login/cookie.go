package login

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	maxValue   = 3800 // bytes of a cookie's value; with name and attributes it stays under 4,000
	maxChunks  = 2    // cookies for one value
	maxCookies = 7500 // bytes of all cookies in a request: many servers accept at most 8 kB of headers
)

var errTooLarge = errors.New("the session does not fit into cookies: set Config.Store, or reduce Config.Claims")

// cookies writes and reads the cookies of one application.
type cookies struct {
	base     string
	insecure bool // Config.InsecureHTTP
}

// name returns a cookie's name. With the prefix __Host-, only this host can set the cookie, and
// only over TLS.
func (c cookies) name(suffix string) string {
	if c.insecure {
		return c.base + suffix
	}
	return "__Host-" + c.base + suffix
}

// set sets a cookie. With age 0 it ends with the browser session. SameSite is Lax and not
// Strict, because a login ends with a navigation from the server's site.
func (c cookies) set(w http.ResponseWriter, name, value string, age time.Duration) {
	http.SetCookie(w, c.cookie(name, value, age, http.SameSiteLaxMode))
}

// setForPost sets a cookie that the browser also sends when the server's page posts to this
// site.
func (c cookies) setForPost(w http.ResponseWriter, name, value string, age time.Duration) {
	mode := http.SameSiteNoneMode
	if c.insecure {
		mode = http.SameSiteDefaultMode // None requires Secure; without SameSite, browsers send the cookie for two minutes
	}
	http.SetCookie(w, c.cookie(name, value, age, mode))
}

func (c cookies) expire(w http.ResponseWriter, name string) {
	http.SetCookie(w, c.cookie(name, "", -time.Second, http.SameSiteLaxMode))
}

func (c cookies) cookie(name, value string, age time.Duration, mode http.SameSite) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(age / time.Second),
		HttpOnly: true, Secure: !c.insecure, SameSite: mode,
	}
}

// value returns a cookie's value, or "" if there is no such cookie.
func value(r *http.Request, name string) string {
	v, _ := lookUp(r, name)
	return v
}

// lookUp finds the first cookie with that name (RFC 6265 §4.2.1) without parsing the others, as
// net/http does for each call. The values here are base64url or digits. The code that reads the
// value checks it.
func lookUp(r *http.Request, name string) (value string, ok bool) {
	for _, line := range r.Header["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			if value, ok := strings.CutPrefix(strings.TrimLeft(pair, " \t"), name); ok && strings.HasPrefix(value, "=") {
				return strings.Trim(strings.TrimSpace(value[1:]), `"`), true
			}
		}
	}
	return "", false
}

func chunkName(name string, i int) string {
	if i == 0 {
		return name
	}
	return name + "-" + strconv.Itoa(i)
}

// setLong sets a value that may need several cookies. The first says how many. It removes the
// surplus cookies of an earlier, longer value.
func (c cookies) setLong(w http.ResponseWriter, r *http.Request, name, value string, age time.Duration) error {
	n := (len(value) + 2 + maxValue - 1) / maxValue
	if n > maxChunks {
		return errTooLarge
	}
	rest := strconv.Itoa(n) + "." + value
	for i := range maxChunks {
		size := min(len(rest), maxValue)
		if size > 0 {
			c.set(w, chunkName(name, i), rest[:size], age)
		} else {
			c.expireIfSent(w, r, chunkName(name, i))
		}
		rest = rest[size:]
	}
	return nil
}

// long returns the value that setLong set, or "" if a part is missing.
func (c cookies) long(r *http.Request, name string) string {
	count, first, ok := strings.Cut(value(r, name), ".")
	n, err := strconv.Atoi(count)
	if !ok || err != nil || n < 1 || n > maxChunks {
		return ""
	}
	all := first
	for i := 1; i < n; i++ {
		part := value(r, chunkName(name, i))
		if part == "" {
			return ""
		}
		all += part
	}
	return all
}

// expireLong removes all cookies of such a value that the browser has.
func (c cookies) expireLong(w http.ResponseWriter, r *http.Request, name string) {
	for i := range maxChunks {
		c.expireIfSent(w, r, chunkName(name, i))
	}
}

func (c cookies) expireIfSent(w http.ResponseWriter, r *http.Request, name string) {
	if _, ok := lookUp(r, name); ok {
		c.expire(w, name)
	}
}

// sizeOf returns the size of a cookie in a request, in bytes.
func sizeOf(c *http.Cookie) int { return len(c.Name) + len("=; ") + len(c.Value) }

// setIn returns the cookies that a response sets so far, with their size in a request. A removed
// cookie has size 0.
func setIn(h http.Header) map[string]int {
	sizes := map[string]int{}
	for _, line := range h["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		switch {
		case err != nil:
		case c.MaxAge < 0:
			sizes[c.Name] = 0
		default:
			sizes[c.Name] = sizeOf(c)
		}
	}
	return sizes
}

// sizeWith returns the size of the cookies in the next request, after a response that sets
// these. It omits the cookies of this request whose names have the prefix.
func sizeWith(r *http.Request, set map[string]int, prefix string) (size int) {
	for _, n := range set {
		size += n
	}
	for _, c := range r.Cookies() {
		if _, again := set[c.Name]; !again && !strings.HasPrefix(c.Name, prefix) {
			size += sizeOf(c)
		}
	}
	return size
}
