// Package spa is a single-page application in plain JavaScript, and the handlers that it calls.
package spa

import (
	"embed"
	"io/fs"
	"net/http"

	"github.com/countersign/countersign/client/login"
)

//go:embed page
var files embed.FS

// policy allows the page only to run its own script, and only to call its own origin. form-action
// would block the redirect of a logout to the server.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"

// Handler serves the page at /, the session endpoint at /session, and the API under /api. The
// browser never has a token.
func Handler(l *login.Login, api string) (http.Handler, error) {
	proxy, err := l.Proxy(login.Proxy{Target: api, Prefix: "/api", Allow: []string{"GET /photos", "GET /originals", "POST /photos"}})
	if err != nil {
		return nil, err
	}
	page, err := fs.Sub(files, "page")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/login", l.Start())
	mux.Handle("/callback", l.Callback())
	mux.Handle("/logout", l.Logout())
	mux.Handle("/session", l.Session())
	mux.Handle("/api/", proxy)
	mux.Handle("/", withPolicy(http.FileServerFS(page)))
	return mux, nil
}

func withPolicy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}
