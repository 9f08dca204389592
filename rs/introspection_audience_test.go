package rs_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestIntrospectionNoAudience: without an audience, no response with aud is accepted. It is an error of
// the operator until a response without aud was accepted. Later the token is for another API.
func TestIntrospectionNoAudience(t *testing.T) {
	s := optest.New(t)
	i := introspection(s)
	i.Audience = ""
	var log strings.Builder
	p := &rs.Protection{Tokens: i, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	for n, test := range []struct {
		aud    any
		status int
		level  string
	}{{"another", 401, "ERROR"}, {[]string{"a", "b"}, 401, "ERROR"}, {nil, 200, ""}, {"another", 401, "INFO"}, {nil, 200, ""}, {"another", 401, "INFO"}} {
		log.Reset()
		s.Active = m{"active": true, "sub": "alice", "client_id": "rp", "token_type": "Bearer"}
		if test.aud != nil {
			s.Active["aud"] = test.aud
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer canary-opaque")
		w := httptest.NewRecorder()
		p.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		if w.Code != test.status || test.level != "" && !strings.Contains(log.String(), "level="+test.level) {
			t.Errorf("response %d: status %d, expected %d at level %s: %s", n+1, w.Code, test.status, test.level, &log)
		}
	}
}
