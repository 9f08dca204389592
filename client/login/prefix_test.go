package login_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/discovery/issuertest"
)

// TestForgottenBasePath: the log names BasePath once if a prefix is removed and BasePath is not set.
func TestForgottenBasePath(t *testing.T) {
	for name, test := range map[string]struct {
		prefix, base, redirect string
		want                   int
	}{
		"forgotten":                {"/app", "", "/app/callback", 1},
		"set":                      {"/app", "/app", "/app/callback", 0},
		"no prefix":                {"", "", "/callback", 0},
		"several segments":         {"/a/b", "", "/a/b/callback", 1},
		"a path that ends like it": {"", "", "/my/callback", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			issuer := issuertest.New(t, issuertest.Config{})
			mux := http.NewServeMux()
			app := httptest.NewTLSServer(http.StripPrefix(test.prefix, mux))
			defer app.Close()
			c, err := client.New(client.Config{
				Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret),
				RedirectURL: app.URL + test.redirect, HTTP: issuer.Client(),
			})
			if err != nil {
				t.Fatal(err)
			}
			l, err := login.New(login.Config{Clients: map[string]*client.Client{"main": c}, BasePath: test.base, Log: slog.New(slog.NewTextHandler(&out, nil))})
			if err != nil {
				t.Fatal(err)
			}
			mux.Handle(strings.TrimPrefix(test.redirect, test.prefix), l.Callback())
			mux.Handle("/", l.Require(http.NotFoundHandler()))
			for range 2 {
				resp, err := issuer.Browser(app.Certificate()).Get(app.URL + test.prefix + "/page")
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
			}
			warned := strings.Count(out.String(), "level=WARN msg=\"login: the path of RedirectURL arrives without its prefix\" prefix="+test.prefix+" remedy=\"set Config.BasePath")
			if warned != test.want {
				t.Errorf("%d warnings, expected %d: %s", warned, test.want, &out)
			}
		})
	}
}
