package rs_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/rs"
)

type noAuthentication struct{}

func (noAuthentication) Authenticate(*http.Request, url.Values) error { return nil }

// TestPingSessionsOtherPath: an endpoint with another path in the metadata is not used, because
// its 404 would mean "not revoked".
func TestPingSessionsOtherPath(t *testing.T) {
	for _, suffix := range []string{"/other", "/other?x=/revokedSris"} {
		const issuer = "https://ping.example"
		s := &rs.PingSessions{Issuer: issuer, Auth: noAuthentication{}, Server: &discovery.Provider{Issuer: issuer, Static: &discovery.Metadata{
			Issuer: issuer, PingRevokedSRIsEndpoint: issuer + suffix,
		}}}
		if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "/revokedSris") {
			t.Errorf("%s: %v", suffix, err)
		}
	}
}

// TestPingSessionsRevokedMeanwhile: a response "not revoked" is not cached if this process revoked
// the session during the call.
func TestPingSessionsRevokedMeanwhile(t *testing.T) {
	var s *rs.PingSessions
	first := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusCreated)
		case first:
			first = false
			if err := s.Revoke(r.Context(), "sri-1"); err != nil {
				t.Error(err)
			}
			http.NotFound(w, r)
		default:
			w.Write([]byte("{}"))
		}
	}))
	defer server.Close()
	s = &rs.PingSessions{Issuer: "https://ping.example", URL: server.URL + "/revokedSris", Auth: noAuthentication{}}
	for i, want := range []bool{false, true} {
		if revoked, err := s.Revoked(t.Context(), "sri-1"); err != nil || revoked != want {
			t.Errorf("question %d: %v, %v", i, revoked, err)
		}
	}
}
