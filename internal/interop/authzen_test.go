package interop

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/internal/freeport"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/authzen"
)

// startCerbos starts Cerbos as policy decision point, with the policies in mcp/policies.
func startCerbos(t *testing.T) *authzen.PDP {
	t.Helper()
	program := filepath.Join(npmPackages(t), "@cerbos", "cerbos-linux-x64", "cerbos-linux-x64")
	policies, err := filepath.Abs("mcp/policies")
	if err != nil {
		t.Fatal(err)
	}
	address := freeport.Address(t)
	ctx, cancel := context.WithCancel(t.Context())
	c := exec.CommandContext(ctx, program, "server", "--log-level=error", "--set=server.httpListenAddr="+address,
		"--set=server.grpcListenAddr="+freeport.Address(t), "--set=storage.disk.directory="+policies, "--set=telemetry.disabled=true")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); c.Wait() })
	pdp := &authzen.PDP{URL: "http://" + address}
	deadline := time.Now().Add(2 * time.Minute)
	for {
		_, err := pdp.Evaluate(t.Context(), evaluation("delete"))
		if err == nil {
			return pdp
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// evaluation is a question about a user with scopes. In a batch, Cerbos knows a subject by its
// ID: users with different scopes have different IDs.
func evaluation(action string, scopes ...string) authzen.Evaluation {
	return authzen.Evaluation{
		Subject: authzen.User(&rs.Principal{Issuer: "https://login.example", Subject: fmt.Sprint("alice", len(scopes)), ClientID: "app", Scopes: scopes}),
		Action:  authzen.Action{Name: action}, Resource: authzen.Resource{Type: "photo", ID: "1"},
	}
}

// TestCerbos: Cerbos decides about one request, and about several.
func TestCerbos(t *testing.T) {
	pdp := startCerbos(t)
	all := []authzen.Evaluation{evaluation("read"), evaluation("delete"), evaluation("delete", "photos.write"), evaluation("drop", "photos.write")}
	want := []bool{true, false, true, false}
	decisions, err := pdp.EvaluateAll(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range all {
		one, err := pdp.Evaluate(t.Context(), e)
		if err != nil || one.Allowed != want[i] || decisions[i].Allowed != want[i] {
			t.Errorf("%s: alone %t, together %t, want %t, %v", e.Action.Name, one.Allowed, decisions[i].Allowed, want[i], err)
		}
	}
	works(t, "decisions, one by one and together")

	found := &authzen.PDP{URL: pdp.URL, Discover: true}
	if _, err := found.EvaluateAll(t.Context(), all); err != nil {
		t.Error(err)
	}
	if decision, err := found.Evaluate(t.Context(), all[0]); err != nil || !decision.Allowed {
		t.Errorf("%+v, %v", decision, err)
	}
	works(t, "the endpoints of its metadata")

	issuer := issuertest.New(t, issuertest.Config{PlainHTTP: true})
	api := &rs.Protection{Tokens: &rs.JWT{Issuer: issuer.URL, Audience: issuertest.Audience, Keys: (&discovery.Provider{Issuer: issuer.URL}).Keys()}}
	guard := pdp.Require(func(_ *http.Request, who *rs.Principal) ([]authzen.Evaluation, error) {
		return []authzen.Evaluation{{Subject: authzen.User(who), Action: authzen.Action{Name: "delete"}, Resource: authzen.Resource{Type: "photo", ID: "1"}}}, nil
	})
	for scope, want := range map[string]int{"photos.read": http.StatusForbidden, "photos.write": http.StatusOK} {
		r := httptest.NewRequest("DELETE", "/photos/1", nil)
		r.Header.Set("Authorization", "Bearer "+issuer.AccessToken(issuertest.AccessToken{Scopes: []string{scope}}))
		w := httptest.NewRecorder()
		api.Handler(guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "deleted") }))).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", scope, w.Code, want)
		}
	}
	works(t, "the guard lets through what the policy allows")
}
