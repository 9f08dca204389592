package rs_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestIntrospectionNoAudience: without an audience, responses with aud are the API's problem until
// one without aud was accepted. Later the token is for another API. Neither is accepted.
func TestIntrospectionNoAudience(t *testing.T) {
	s := optest.New(t)
	i := introspection(s)
	i.Audience = ""
	p := &rs.Protection{Tokens: i}
	for n, test := range []struct {
		aud    any
		status int
	}{{"another", 503}, {[]string{"a", "b"}, 503}, {nil, 200}, {"another", 401}, {nil, 200}, {"another", 401}} {
		s.Active = m{"active": true, "sub": "alice", "client_id": "rp", "token_type": "Bearer"}
		if test.aud != nil {
			s.Active["aud"] = test.aud
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer canary-opaque")
		w := httptest.NewRecorder()
		p.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		if w.Code != test.status {
			t.Errorf("response %d: status %d, expected %d", n+1, w.Code, test.status)
		}
	}
}
