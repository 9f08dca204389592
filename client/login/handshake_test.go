package login_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/countersign/countersign/client/login"
)

// TestHandshake is WEB-07: a WebSocket handshake from another origin is rejected, even with the
// visitor's cookies, unless Config.CrossOrigin trusts the origin.
func TestHandshake(t *testing.T) {
	const sibling, trusted = "https://users.example.com", "https://trusted.example.com"
	websocket := map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
	for _, test := range []struct {
		name   string
		header map[string]string
		drop   string
		origin string // "" is the application's own
		site   string
		ok     bool
	}{
		{"own", nil, "", "", "same-origin", true},
		{"own, of a browser without fetch metadata", nil, "", "", "", true},
		{"a program without Origin", nil, "", "none", "", true},
		{"trusted", nil, "", trusted, "same-site", true},
		{"sibling", nil, "", sibling, "same-site", false},
		{"sibling, without fetch metadata", nil, "", sibling, "", false},
		{"another site", nil, "", "https://evil.example", "cross-site", false},
		{"null", nil, "", "null", "", false},
		{"Upgrade in capitals", map[string]string{"Upgrade": "WebSocket"}, "", sibling, "same-site", false},
		{"another protocol", map[string]string{"Upgrade": "h2c, WEBSOCKET"}, "", sibling, "same-site", false},
		{"Upgrade dropped by a proxy", nil, "Upgrade", sibling, "same-site", false},
		{"the mode alone", map[string]string{"Sec-Fetch-Mode": "websocket", "Sec-WebSocket-Key": "", "Sec-WebSocket-Version": ""}, "Upgrade", sibling, "same-site", false},
	} {
		for _, path := range []string{"/private/live", "/live", "/silent"} {
			t.Run(test.name+path, func(t *testing.T) {
				a := start(t, setting{config: func(c *login.Config) {
					c.CrossOrigin = http.NewCrossOriginProtection()
					c.CrossOrigin.AddTrustedOrigin(trusted)
				}})
				a.Config.Handler.(*http.ServeMux).Handle("/silent", a.login.Silent("", http.HandlerFunc(whoAmI)))
				b := a.browser(t)
				b.signIn(a)
				r := b.request("GET", a.URL+path, nil)
				for _, header := range []map[string]string{websocket, test.header} {
					for name, value := range header {
						r.Header.Set(name, value)
					}
				}
				if r.Header.Del(test.drop); r.Header.Get("Sec-WebSocket-Key") == "" {
					r.Header.Del("Sec-WebSocket-Key")
					r.Header.Del("Sec-WebSocket-Version")
				}
				switch test.origin {
				case "":
					r.Header.Set("Origin", a.URL)
				case "none":
				default:
					r.Header.Set("Origin", test.origin)
				}
				if test.site != "" {
					r.Header.Set("Sec-Fetch-Site", test.site)
				}
				got := b.do(r)
				if reached := strings.HasPrefix(got.body, "alice"); reached != test.ok || !test.ok && got.status != 403 {
					t.Errorf("%d %s", got.status, got.body)
				}
			})
		}
	}
}

// TestPlainGetFromSibling: a link from another site is not a handshake.
func TestPlainGetFromSibling(t *testing.T) {
	a := start(t, setting{})
	b := a.browser(t)
	b.signIn(a)
	r := b.request("GET", a.URL+"/private/", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	b.want(b.do(r), 200, "alice")
}
