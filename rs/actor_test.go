package rs_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

// TestRequireActor: RFC 8693 §4.1. Only the current actor decides, and chains have a limit.
func TestRequireActor(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{PlainHTTP: true})
	api := &rs.Protection{
		Tokens: &rs.JWT{Issuer: issuer.URL, Audience: issuertest.Audience, Keys: (&discovery.Provider{Issuer: issuer.URL}).Keys()},
		Logger: slog.New(slog.DiscardHandler),
	}
	agent := func(_ *http.Request, a *rs.Actor) error {
		if a.Subject != "agent" && a.ClientID != "agent" {
			return errors.New("another actor")
		}
		return nil
	}
	act := func(names ...string) (out map[string]any) { // the current actor first
		for i := len(names) - 1; i >= 0; i-- {
			next := map[string]any{"sub": names[i]}
			if out != nil {
				next["act"] = out
			}
			out = next
		}
		return out
	}
	for _, test := range []struct {
		name  string
		act   any
		depth int
		check func(*http.Request, *rs.Actor) error
		want  int
	}{
		{"an actor", act("agent"), 1, agent, 200},
		{"named by client_id", map[string]any{"client_id": "agent"}, 1, agent, 200},
		{"a chain", act("agent", "gateway", "frontend"), 3, agent, 200},
		{"a chain that is too long", act("agent", "gateway", "frontend"), 2, agent, 403},
		{"a chain of two", act("agent", "gateway"), 1, agent, 403},
		{"another actor", act("mallory"), 3, agent, 403},
		{"a prior actor", act("mallory", "agent"), 3, agent, 403},
		{"no actor", nil, 3, agent, 403},
		{"text", "agent", 3, agent, 403},
		{"an array", []any{act("agent")}, 3, agent, 403},
		{"nobody", map[string]any{}, 3, agent, 403},
		{"a prior actor without a name", map[string]any{"sub": "agent", "act": map[string]any{}}, 3, agent, 403},
		{"a prior actor that is text", map[string]any{"sub": "agent", "act": "x"}, 3, agent, 403},
		{"sub is a number", map[string]any{"sub": 1}, 3, agent, 403},
		{"no check", act("agent"), 3, nil, 403},
		{"no depth", act("agent"), 0, agent, 403},
		{"too much depth", act("agent"), rs.MaxActors + 1, agent, 403},
		{"an error of its own", act("agent"), 1, func(*http.Request, *rs.Actor) error { return &rs.Error{Status: 429} }, 429},
	} {
		h := api.Handler(rs.RequireActor(test.depth, test.check)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+issuer.AccessToken(issuertest.AccessToken{Claims: map[string]any{"act": test.act}}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("%s: %d, want %d", test.name, w.Code, test.want)
		}
	}
}
