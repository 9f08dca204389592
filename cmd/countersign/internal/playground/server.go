// Package playground shows a login as a sequence diagram, and attacks it. The server, the
// application and the API run in this process, on loopback.
package playground

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
)

//go:embed page.html style.css page.js
var files embed.FS

var pageTemplate = template.Must(template.New("page.html").ParseFS(files, "page.html"))

// Server serves the page to one browser: the one that opens the address with the key first.
type Server struct {
	address string
	key     string // works once
	cookie  string

	own      *Own // nil for the embedded server
	redirect string

	mu     sync.Mutex
	used   bool
	logins []*ownLogin   // the latest, oldest first
	run    chan struct{} // one run at a time
	queue  chan struct{} // the runs that wait, and the current one
}

// maxQueue is how many runs may wait. Each run is short, and one browser makes them.
const maxQueue = 8

// Serve serves at l, which is on loopback, until ctx ends. ready gets the address to open. own
// is the server to sign in at, nil for the embedded one.
func Serve(ctx context.Context, l net.Listener, own *Own, ready func(address string)) error {
	s := &Server{address: l.Addr().String(), own: own, redirect: RedirectURI(l.Addr().String()), key: rand.Text() + rand.Text(), cookie: rand.Text() + rand.Text(), run: make(chan struct{}, 1), queue: make(chan struct{}, maxQueue+1)}
	h := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo),
	}
	stop := context.AfterFunc(ctx, func() { h.Close() })
	defer stop()
	ready("http://" + s.address + "/?key=" + s.key)
	if err := h.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("POST /run", s.runs)
	mux.HandleFunc("GET /own", s.finishOwn)
	mux.HandleFunc("POST /own", s.finishOwn)
	for name, kind := range map[string]string{"style.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, _ *http.Request) {
			data, _ := files.ReadFile(name)
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write(data)
		})
	}
	return s.guard(http.NewCrossOriginProtection().Handler(mux))
}

const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// cookieName has the port in it: cookies do not depend on the port.
func (s *Server) cookieName() string {
	_, port, _ := net.SplitHostPort(s.address)
	return "countersign_playground_" + port
}

// guard lets the one browser through. The Host must be the address, against DNS rebinding.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-store")
		if r.Host != s.address {
			http.Error(w, "open http://"+s.address, http.StatusMisdirectedRequest)
			return
		}
		if r.URL.Path == "/callback" && s.own != nil {
			s.callback(w, r)
			return
		}
		if key := r.URL.Query().Get("key"); r.Method == http.MethodGet && r.URL.Path == "/" && key != "" && s.redeem(key) {
			http.SetCookie(w, &http.Cookie{Name: s.cookieName(), Value: s.cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		c, err := r.Cookie(s.cookieName())
		if err != nil || subtle.ConstantTimeCompare([]byte(c.Value), []byte(s.cookie)) != 1 {
			http.Error(w, "Open the address that countersign playground has printed. Its key works once. For another browser, start the command again.", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) redeem(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used || subtle.ConstantTimeCompare([]byte(key), []byte(s.key)) != 1 {
		return false
	}
	s.used = true
	return true
}

type view struct {
	Switches []Switch
	Attacks  []Attack
	On       map[string]bool
	Lines    string // of Go, that the switches change
	Result   *Result
	Lanes    []string
	Own      *Own
	Redirect string
	Continue string  // the authorization request at the person's own server
	Pressed  *Attack // the attack that follows, or nil
	Foreign  *string // the state of a response that may be from any page, or nil
	Login    string  // the login that the response is for
}

func (s *Server) home(w http.ResponseWriter, r *http.Request) {
	if s.own != nil {
		s.write(w, view{On: map[string]bool{}})
		return
	}
	s.show(w, r, map[string]bool{"par": true}, "")
}

// runs runs what the form says. One run at a time: each starts three servers.
func (s *Server) runs(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "malformed form", http.StatusBadRequest)
		return
	}
	on := map[string]bool{}
	for _, one := range Switches {
		on[one.ID] = r.PostForm.Get(one.ID) != ""
	}
	attack := r.PostForm.Get("attack")
	if s.own != nil {
		s.turn(w, r, func() { s.beginOwn(w, r, on, attackByID(attack)) })
		return
	}
	s.show(w, r, on, attack)
}

func (s *Server) show(w http.ResponseWriter, r *http.Request, on map[string]bool, attack string) {
	s.turn(w, r, func() {
		result := Run(r.Context(), on, attack)
		s.write(w, view{On: on, Result: result})
	})
}

// turn calls f when no other run is under way.
func (s *Server) turn(w http.ResponseWriter, r *http.Request, f func()) {
	select {
	case s.queue <- struct{}{}:
		defer func() { <-s.queue }()
	default:
		http.Error(w, "Too many runs are waiting. Try again in a few seconds.", http.StatusServiceUnavailable)
		return
	}
	select {
	case s.run <- struct{}{}:
		defer func() { <-s.run }()
		f()
	case <-r.Context().Done():
	}
}

// write adds to v what every page has.
func (s *Server) write(w http.ResponseWriter, v view) {
	v.Switches, v.Attacks, v.Lanes, v.Own, v.Redirect = Switches, Attacks, laneNames[:], s.own, s.redirect
	if s.own != nil {
		v.Switches = slices.DeleteFunc(slices.Clone(Switches), func(one Switch) bool { return !slices.Contains(ownSwitches, one.ID) })
		v.Attacks = slices.DeleteFunc(slices.Clone(Attacks), func(a Attack) bool { return !slices.Contains(ownAttacks, a.ID) })
	}
	v.Lines = GoLines(v.On)
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		http.Error(w, strings.TrimSpace(err.Error()), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(bytes.Map(printable, b.Bytes()))
}

// printable replaces characters that hide or reorder text, because the page shows texts of servers.
func printable(r rune) rune {
	if r == '\n' || r == '\t' || unicode.IsGraphic(r) {
		return r
	}
	return unicode.ReplacementChar
}
