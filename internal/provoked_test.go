package internal_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/idtoken"
)

// provokedElsewhere are calls whose codes a test in their package provokes, or that return what another
// call returns. The value is that test, or that call.
var provokedElsewhere = map[string]string{
	"client.NewError":           "it makes the error of a cause",
	"grant.FinishDevice":        "TestPollingCodes, TestPollingOwnCodes",
	"grant.FinishBackchannel":   "TestPollingCodes, TestPollingOwnCodes",
	"crossapp.CrossApp.Fetch":   "grant.TokenExchange, grant.JWTBearer",
	"crossapp.CrossApp.Source":  "crossapp.CrossApp.Fetch",
	"loopback.Login":            "client.Client.Begin, client.Client.Finish",
	"mcpauth.Handler.Authorize": "client.Client.Begin, client.Client.Finish",
	"mcpauth.Handler.Logout":    "client.Client.RevokeTokens",
	"tokens.NewSource":          "its Source: tokens.Refresher.Tokens",
}

// TestCodesProvoked: each call returns each code that its doc comment lists. The server sends its codes,
// does not answer ("temporarily_unavailable"), or answers with nonsense ("login_failed").
func TestCodesProvoked(t *testing.T) {
	g := loadGraph(t)
	server := &mood{}
	ts := httptest.NewServer(server)
	defer ts.Close()
	calls := provoking(t, ts.URL)
	provoked := 0
	for name, f := range g.exported {
		want, _ := g.required(f)
		if len(want) == 0 || !f.canFail() || strings.HasPrefix(name, "login.") || provokedElsewhere[name] != "" {
			continue
		}
		call := calls[name]
		if call == nil {
			call = calls[name[strings.LastIndex(name, ".")+1:]]
		}
		if call == nil {
			t.Errorf("no call provokes the codes of %s: add it to refusedCalls or provoking", name)
			continue
		}
		for code := range g.named(name, composed.MatchString(name)) {
			linked := composed.MatchString(name) && !slices.Contains(want, code)
			if linked || slices.Contains(polling, code) || code == "invalid_error_code" || unsent[name+" "+code] != "" {
				continue
			}
			provoked++
			if got := server.provoke(t.Context(), call, code); got != code {
				t.Errorf("%s lists %q, which nothing provoked: the code is %q", name, code, got)
			}
		}
	}
	if provoked < 180 {
		t.Errorf("only %d codes were provoked", provoked)
	}
}

// mood is a server that sends an error, does not answer or answers nonsense. A request of an earlier
// call may still be answered when the next call begins.
type mood struct{ code atomic.Value }

func (m *mood) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	code, _ := m.code.Load().(string)
	switch code {
	case "no answer":
		panic(http.ErrAbortHandler)
	case "nonsense":
		w.Write([]byte("[]"))
	case "not found":
		http.NotFound(w, nil)
	default:
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{"error": code})
	}
}

// provoke returns the code of the error that it could provoke: the wanted one, or the last other.
func (m *mood) provoke(ctx context.Context, call func(context.Context, string) error, code string) (got string) {
	ways := [][2]string{{code, code}}
	switch code {
	case "temporarily_unavailable":
		ways = append(ways, [2]string{"no answer", ""})
	case "login_failed":
		ways = [][2]string{{"nonsense", ""}, {"not found", ""}, {"nonsense", wrongArgument}}
	}
	for _, way := range ways {
		m.code.Store(way[0])
		if got = codeOfError(call(ctx, way[1])); got == code {
			return got
		}
	}
	return got
}

// wrongArgument is the callback of another login.
const wrongArgument = "wrong argument"

// provoking are the refusedCalls, and the calls that fail without a code of the server.
func provoking(t *testing.T, issuer string) map[string]func(ctx context.Context, code string) error {
	calls := refusedCalls(t, issuer, metadataAt(issuer))
	check := calls["CheckCallback"]
	calls["CheckCallback"] = func(ctx context.Context, code string) error {
		if code != wrongArgument {
			return check(ctx, code)
		}
		return newDiscovering(t, issuer).CheckCallback(ctx, &client.Pending{State: "of another login"}, url.Values{"code": {"canary-code"}})
	}
	calls["CheckLogout"] = func(context.Context, string) error { return client.CheckLogout("state", url.Values{}) }
	calls["Initiated"] = func(context.Context, string) error {
		_, err := newDiscovering(t, issuer).Initiated(url.Values{"iss": {"https://other.example"}})
		return err
	}
	calls["Ready"] = func(ctx context.Context, _ string) error { return newDiscovering(t, issuer).Ready(ctx) }
	calls["Metadata"] = func(ctx context.Context, _ string) error {
		_, err := newDiscovering(t, issuer).Metadata(ctx)
		return err
	}
	calls["LogoutURL"] = func(ctx context.Context, _ string) error {
		_, _, err := newDiscovering(t, issuer).LogoutURL(ctx, client.Logout{})
		return err
	}
	calls["CallbackState"] = func(ctx context.Context, code string) error {
		response := "not a JWT"
		if code != wrongArgument {
			response = fmt.Sprintf("%s.%s.c2ln", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"k"}`)),
				base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"iss":%q,"aud":"web","exp":%d}`, issuer, time.Now().Add(time.Minute).Unix())))
		}
		_, err := newSigned(t, issuer).CallbackState(ctx, url.Values{"response": {response}})
		return err
	}
	addRefresher(t, calls, issuer)
	return calls
}

// addRefresher adds the calls of package tokens, with a store that does not answer.
func addRefresher(t *testing.T, calls map[string]func(ctx context.Context, code string) error, issuer string) {
	down := &tokens.Refresher{Client: newSigned(t, issuer), Store: noStore{}, Leases: &tokens.LocalLeases{}}
	calls["tokens.Refresher.Add"] = func(ctx context.Context, _ string) error { return down.Add(ctx, "key", issuedBy(issuer, time.Hour)) }
	calls["tokens.Refresher.Forget"] = func(ctx context.Context, _ string) error { return down.Forget(ctx, "key") }
	renew := func(do func(context.Context, *tokens.Refresher) error) func(context.Context, string) error {
		return func(ctx context.Context, _ string) error {
			r := &tokens.Refresher{Client: newSigned(t, issuer)}
			if err := r.Add(ctx, "key", issuedBy(issuer, -time.Hour)); err != nil {
				return err
			}
			return do(ctx, r)
		}
	}
	calls["tokens.Refresher.Tokens"] = renew(func(ctx context.Context, r *tokens.Refresher) error { _, err := r.Tokens(ctx, "key"); return err })
	calls["tokens.Refresher.Renew"] = renew(func(ctx context.Context, r *tokens.Refresher) error {
		_, err := r.Renew(ctx, "key", issuedBy(issuer, -time.Hour))
		return err
	})
}

// issuedBy are tokens that expire after a time.
func issuedBy(issuer string, after time.Duration) *client.Tokens {
	return &client.Tokens{
		Token: &oauth2.Token{AccessToken: "canary-access", RefreshToken: "canary-refresh", TokenType: "Bearer", Expiry: time.Now().Add(after)},
		Login: &idtoken.Original{Issuer: issuer, Subject: "alice", Audience: []string{"web"}},
	}
}

// noStore is a store that does not answer.
type noStore struct{}

var errNoStore = errors.New("the store did not answer")

func (noStore) Load(context.Context, string) ([]byte, error)          { return nil, errNoStore }
func (noStore) Save(context.Context, string, []byte, time.Time) error { return errNoStore }
func (noStore) Delete(context.Context, string) error                  { return errNoStore }

func newDiscovering(t *testing.T, issuer string) *client.Client {
	c, err := client.New(client.Config{Issuer: issuer, ClientID: "web", Auth: auth.Public(), RedirectURL: "https://app.example/callback"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newSigned(t *testing.T, issuer string) *client.Client {
	c, err := client.New(client.Config{
		Issuer: issuer, Metadata: metadataAt(issuer), ClientID: "web", Auth: auth.Public(), RedirectURL: "https://app.example/callback", ResponseMode: "query.jwt",
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
