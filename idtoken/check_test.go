package idtoken_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
)

const (
	issuer   = "https://as.example"
	clientID = "rp"
)

var (
	key   = optest.NewKey("k1", "RS256")
	clock = time.Unix(1_900_000_000, 0)
)

func keySet(t testing.TB, keys ...optest.Key) discovery.KeySet {
	t.Helper()
	set, err := discovery.StaticKeys(optest.JWKS(keys...))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func verifier(t testing.TB) *idtoken.Verifier {
	return &idtoken.Verifier{Issuer: issuer, ClientID: clientID, Keys: keySet(t, key), Now: func() time.Time { return clock }}
}

// goodClaims are the claims of a token that a minimal Verifier accepts.
func goodClaims() map[string]any {
	return map[string]any{"iss": issuer, "sub": "alice", "aud": clientID, "exp": clock.Unix() + 300, "iat": clock.Unix()}
}

// case_ is a token with one difference from a valid token, and the expected result.
type case_ struct {
	name   string
	claims map[string]any // they replace the valid claims; nil removes a claim
	header map[string]any
	edit   func(*idtoken.Verifier)
	want   idtoken.Expected
	step   int // the step that fails; 0 for a valid token
}

func (c case_) token() string {
	claims := goodClaims()
	for name, value := range c.claims {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	return key.Sign(claims, c.header)
}

func (c case_) run(t *testing.T) {
	v := verifier(t)
	if c.edit != nil {
		c.edit(v)
	}
	raw := c.token()
	token, report := v.Check(t.Context(), raw, c.want)
	err := report.Err()
	if c.step == 0 {
		if err != nil || token == nil {
			t.Fatalf("refused: %v", err)
		}
		return
	}
	var e *idtoken.Error
	if token != nil || !errors.As(err, &e) || e.Step.Number != c.step || e.Step.Result != idtoken.Failed {
		t.Fatalf("token %v, error %v; want step %d to fail\n%v", token, err, c.step, report)
	}
	if len(err.Error()) > 1024 || strings.Contains(err.Error(), "eyJ") {
		t.Errorf("the error is %q", err)
	}
	if _, verr := v.Verify(t.Context(), raw, c.want); verr == nil || verr.Error() != err.Error() {
		t.Errorf("Verify says %v, Check %v", verr, err)
	}
}

type m = map[string]any

func seconds(n int) *time.Duration {
	d := time.Duration(n) * time.Second
	return &d
}

// TestSteps has one accepted row and rejected rows for every requirement.
func TestSteps(t *testing.T) {
	now := clock.Unix()
	skew := func(d time.Duration) func(*idtoken.Verifier) { return func(v *idtoken.Verifier) { v.Skew = d } }
	for _, c := range []case_{
		{name: "good"},

		{name: "TOK-09 no typ", header: m{"typ": nil}},
		{name: "TOK-09 application/jwt", header: m{"typ": "application/jwt"}},
		{name: "TOK-09 access token", header: m{"typ": "at+jwt"}, step: 1},
		{name: "TOK-09 logout token", header: m{"typ": "logout+jwt"}, step: 1},
		{name: "TOK-09 prefix alone", header: m{"typ": "application/"}, step: 1},
		{name: "TOK-09 typ null", header: m{"typ": json.RawMessage("null")}, step: 1},
		{name: "TOK-06 crit", header: m{"crit": []string{"exp"}}, step: 1},
		{name: "TOK-06 crit empty", header: m{"crit": []string{}}, step: 1},
		{name: "TOK-06 crit null", header: m{"crit": json.RawMessage("null")}, step: 1},
		{name: "TOK-06 b64", header: m{"b64": true}, step: 1},
		{name: "TOK-08 kid of 257 bytes", header: m{"kid": strings.Repeat("k", 257)}, step: 1},
		{name: "TOK-08 numeric kid", header: m{"kid": 1}, step: 1},
		{name: "TOK-08 kid null", header: m{"kid": json.RawMessage("null")}, step: 1},
		{name: "TOK-08 no kid, one key", header: m{"kid": nil}},
		{name: "TOK-08 unknown kid", header: m{"kid": "k2"}, step: 8},
		{name: "TOK-07 jku", header: m{"jku": "https://evil.example/jwks"}},

		{name: "TOK-04 alg missing", header: m{"alg": nil}, step: 1},
		{name: "TOK-04 alg none", header: m{"alg": "none"}, step: 7},
		{name: "TOK-04 alg in another case", header: m{"alg": "rs256"}, step: 7},
		{name: "TOK-04 alg not configured", header: m{"alg": "RS512"}, step: 7},
		{name: "TOK-04 HS256 is not for public keys", header: m{"alg": "HS256"}, edit: func(v *idtoken.Verifier) { v.Algs = []string{"HS256", "RS256"} }, step: 8},
		{name: "TOK-05 alg is not that of the key", header: m{"alg": "PS256"}, edit: func(v *idtoken.Verifier) { v.Algs = []string{"PS256"} }, step: 8},

		{name: "TOK-10 iss of another", claims: m{"iss": "https://evil.example"}, step: 2},
		{name: "TOK-10 iss with a slash", claims: m{"iss": issuer + "/"}, step: 2},
		{name: "TOK-10 iss in capitals", claims: m{"iss": "https://AS.example"}, step: 2},
		{name: "TOK-10 iss with a port", claims: m{"iss": issuer + ":443"}, step: 2},
		{name: "TOK-10 iss missing", claims: m{"iss": nil}, step: 2},
		{name: "TOK-17 sub missing", claims: m{"sub": nil}, step: 2},
		{name: "TOK-17 sub empty", claims: m{"sub": ""}, step: 2},
		{name: "TOK-17 sub of 255", claims: m{"sub": strings.Repeat("s", 255)}},
		{name: "TOK-17 sub of 256", claims: m{"sub": strings.Repeat("s", 256)}, step: 2},
		{name: "TOK-17 sub beyond ASCII", claims: m{"sub": "älice"}, step: 2},
		{name: "TOK-17 sub a number", claims: m{"sub": 7}, step: 1},

		{name: "TOK-11 aud an array of one", claims: m{"aud": []string{clientID}}},
		{name: "TOK-11 aud of another", claims: m{"aud": "other"}, step: 3},
		{name: "TOK-11 aud missing", claims: m{"aud": nil}, step: 3},
		{name: "TOK-11 aud empty", claims: m{"aud": []string{}}, step: 3},
		{name: "TOK-11 aud null", claims: m{"aud": json.RawMessage("null")}, step: 1},
		{name: "TOK-11 aud mixed", claims: m{"aud": []any{clientID, 1}}, step: 1},
		{name: "TOK-11 aud nested", claims: m{"aud": []any{[]string{clientID}}}, step: 1},
		{name: "TOK-11 aud an object", claims: m{"aud": m{"0": clientID}}, step: 1},
		{name: "TOK-11 untrusted extra", claims: m{"aud": []string{clientID, "project"}, "azp": clientID}, step: 3},
		{name: "TOK-11 trusted extra", claims: m{"aud": []string{clientID, "project"}, "azp": clientID},
			edit: func(v *idtoken.Verifier) { v.TrustedAudiences = []string{"project"} }},
		{name: "TOK-12 several without azp", claims: m{"aud": []string{clientID, "project"}},
			edit: func(v *idtoken.Verifier) { v.TrustedAudiences = []string{"project"} }, step: 4},
		{name: "TOK-12 azp", claims: m{"azp": clientID}},
		{name: "TOK-12 azp of another", claims: m{"azp": "other"}, step: 5},
		{name: "TOK-12 azp empty", claims: m{"azp": ""}, step: 5},
		{name: "TOK-12 azp allowed", claims: m{"azp": "android"}, edit: func(v *idtoken.Verifier) { v.AuthorizedParties = []string{"android"} }},

		{name: "TOK-13 exp missing", claims: m{"exp": nil}, step: 9},
		{name: "TOK-13 exp a string", claims: m{"exp": "2000000000"}, step: 1},
		{name: "TOK-13 exp null", claims: m{"exp": json.RawMessage("null")}, step: 1},
		{name: "TOK-13 exp true", claims: m{"exp": true}, step: 1},
		{name: "TOK-13 exp 0", claims: m{"exp": 0}, step: 1},
		{name: "TOK-13 exp below 0", claims: m{"exp": -1}, step: 1},
		{name: "TOK-13 exp beyond 2^53", claims: m{"exp": json.RawMessage("9007199254740993")}, step: 1},
		{name: "TOK-13 exp 1e400", claims: m{"exp": json.RawMessage("1e400")}, step: 1},
		{name: "TOK-13 exp in eleven years", claims: m{"exp": now + 11*365*86400}, step: 9},
		{name: "TOK-13 exp with a fraction", claims: m{"exp": float64(now) + 0.5}},
		{name: "TOK-13 expired within the skew", claims: m{"exp": now - 29, "iat": now - 60}},
		{name: "TOK-13 expired with a fraction within the skew", claims: m{"exp": float64(now) - 28.5, "iat": now - 60}},
		{name: "TOK-13 expired beyond the skew", claims: m{"exp": now - 30, "iat": now - 60}, step: 9},
		{name: "TOK-13 expired within a configured skew", claims: m{"exp": now - 250, "iat": now - 260}, edit: skew(5 * time.Minute)},
		{name: "TOK-13 iat missing", claims: m{"iat": nil}, step: 10},
		{name: "TOK-13 iat a string", claims: m{"iat": "1"}, step: 1},
		{name: "TOK-13 iat ahead within the skew", claims: m{"iat": now + 30}},
		{name: "TOK-13 iat ahead beyond the skew", claims: m{"iat": now + 31}, step: 10},
		{name: "TOK-13 iat two days ago", claims: m{"iat": now - 2*86400}, step: 10},
		{name: "TOK-13 iat within what is configured", claims: m{"iat": now - 2*86400}, edit: func(v *idtoken.Verifier) { v.IssuedWithin = 72 * time.Hour }},
		{name: "TOK-13 nbf ahead within the skew", claims: m{"nbf": now + 30}},
		{name: "TOK-13 nbf ahead beyond the skew", claims: m{"nbf": now + 31}, step: 10},
		{name: "TOK-13 nbf ahead within a configured skew", claims: m{"nbf": now + 299}, edit: skew(5 * time.Minute)},
		{name: "TOK-13 nbf 0", claims: m{"nbf": 0}, step: 1},
		{name: "TOK-13 nbf negative", claims: m{"nbf": -1}, step: 1},
		{name: "TOK-13 nbf a string", claims: m{"nbf": "1"}, step: 1},
		{name: "TOK-13 negative skew", edit: skew(-time.Second), step: 1},
		{name: "TOK-13 skew of an hour", edit: skew(time.Hour), step: 1},

		{name: "TOK-14 nonce", claims: m{"nonce": "n"}, want: idtoken.Expected{Nonce: "n"}},
		{name: "TOK-14 nonce missing", want: idtoken.Expected{Nonce: "n"}, step: 11},
		{name: "TOK-14 nonce of another", claims: m{"nonce": "o"}, want: idtoken.Expected{Nonce: "n"}, step: 11},
		{name: "TOK-14 nonce that nobody sent", claims: m{"nonce": "n"}, step: 11},
		{name: "TOK-14 empty nonce that nobody sent", claims: m{"nonce": ""}, step: 11},

		{name: "TOK-15 acr", claims: m{"acr": "gold"}, want: idtoken.Expected{ACRValues: []string{"silver", "gold"}}},
		{name: "TOK-15 acr not asked for", claims: m{"acr": "gold"}},
		{name: "TOK-15 acr missing", want: idtoken.Expected{ACRValues: []string{"gold"}}, step: 12},
		{name: "TOK-15 acr too low", claims: m{"acr": "tin"}, want: idtoken.Expected{ACRValues: []string{"gold"}}, step: 12},
		{name: "TOK-15 auth_time", claims: m{"auth_time": now - 60}, want: idtoken.Expected{MaxAge: seconds(60)}},
		{name: "TOK-15 auth_time within the skew", claims: m{"auth_time": now - 89}, want: idtoken.Expected{MaxAge: seconds(60)}},
		{name: "TOK-15 max_age 0", claims: m{"auth_time": now}, want: idtoken.Expected{MaxAge: seconds(0)}},
		{name: "TOK-15 max_age 0, an hour ago", claims: m{"auth_time": now - 3600}, want: idtoken.Expected{MaxAge: seconds(0)}, step: 13},
		{name: "TOK-15 auth_time missing", want: idtoken.Expected{MaxAge: seconds(60)}, step: 13},
		{name: "TOK-15 too long ago", claims: m{"auth_time": now - 91}, want: idtoken.Expected{MaxAge: seconds(60)}, step: 13},
		{name: "TOK-15 auth_time ahead", claims: m{"auth_time": now + 31}, step: 13},
		{name: "TOK-15 auth_time 0, and nobody asked", claims: m{"auth_time": 0}},
		{name: "TOK-15 auth_time 0", claims: m{"auth_time": 0}, want: idtoken.Expected{MaxAge: seconds(60)}, step: 13},
		{name: "TOK-15 auth_time a string, and nobody asked", claims: m{"auth_time": "2026-11-26T07:00:01.180Z"}},
		{name: "TOK-15 auth_time a string", claims: m{"auth_time": "1"}, want: idtoken.Expected{MaxAge: seconds(60)}, step: 13},
		{name: "TOK-15 auth_time null", claims: m{"auth_time": nil}, want: idtoken.Expected{MaxAge: seconds(60)}, step: 13},
		{name: "TOK-15 auth_time negative, and nobody asked", claims: m{"auth_time": -1}},
		{name: "TOK-15 acr a number, and nobody asked", claims: m{"acr": 2}},
		{name: "TOK-15 acr a number", claims: m{"acr": 2}, want: idtoken.Expected{ACRValues: []string{"2"}}, step: 12},
		{name: "TOK-15 acr a list", claims: m{"acr": []string{"gold"}}, want: idtoken.Expected{ACRValues: []string{"gold"}}, step: 12},
		{name: "TOK-15 acr null", claims: m{"acr": json.RawMessage("null")}, want: idtoken.Expected{ACRValues: []string{""}}, step: 12},

		{name: "TOK-16 at_hash", claims: m{"at_hash": optest.LeftHalf("RS256", "at")}, want: idtoken.Expected{AccessToken: "at"}},
		{name: "TOK-16 at_hash of another", claims: m{"at_hash": optest.LeftHalf("RS256", "other")}, want: idtoken.Expected{AccessToken: "at"}, step: 14},
		{name: "TOK-16 at_hash with nothing to hold it against", claims: m{"at_hash": optest.LeftHalf("RS256", "at")}, step: 14},
		{name: "TOK-16 empty at_hash", claims: m{"at_hash": ""}, want: idtoken.Expected{AccessToken: "at"}, step: 14},
		{name: "TOK-16 no at_hash in the code flow", want: idtoken.Expected{AccessToken: "at"}},
		{name: "TOK-16 c_hash", claims: m{"c_hash": optest.LeftHalf("RS256", "code")}, want: idtoken.Expected{Code: "code"}},
		{name: "TOK-16 c_hash of another", claims: m{"c_hash": optest.LeftHalf("RS256", "code")}, want: idtoken.Expected{Code: "other"}, step: 14},
		{name: "TOK-16 s_hash", claims: m{"s_hash": optest.LeftHalf("RS256", "state")}, want: idtoken.Expected{State: "state", RequireStateHash: true}},
		{name: "TOK-16 s_hash missing", want: idtoken.Expected{State: "state", RequireStateHash: true}, step: 14},
		{name: "TOK-16 s_hash of another", claims: m{"s_hash": optest.LeftHalf("RS256", "state")}, want: idtoken.Expected{State: "other"}, step: 14},
		{name: "TOK-16 hybrid", claims: m{"nonce": "n", "c_hash": optest.LeftHalf("RS256", "code"), "at_hash": optest.LeftHalf("RS256", "at")},
			want: idtoken.Expected{Nonce: "n", FrontChannel: true, Code: "code", AccessToken: "at"}},
		{name: "TOK-16 hybrid without nonce", claims: m{"c_hash": optest.LeftHalf("RS256", "code")}, want: idtoken.Expected{FrontChannel: true, Code: "code"}, step: 11},
		{name: "TOK-16 hybrid without c_hash", claims: m{"nonce": "n"}, want: idtoken.Expected{Nonce: "n", FrontChannel: true, Code: "code"}, step: 14},
		{name: "TOK-16 hybrid without at_hash", claims: m{"nonce": "n"}, want: idtoken.Expected{Nonce: "n", FrontChannel: true, AccessToken: "at"}, step: 14},

		{name: "LO-01 a logout token", claims: m{"events": m{"http://schemas.openid.net/event/backchannel-logout": m{}}}, step: 2},
		{name: "TOK-03 go-oidc reads ſub", claims: m{"ſub": "admin"}, step: 6},
		{name: "TOK-03 go-oidc reads NONCE", claims: m{"NONCE": "n"}, step: 6},

		{name: "TOK-22 no issuer configured", edit: func(v *idtoken.Verifier) { v.Issuer = "" }, claims: m{"iss": ""}, step: 1},
		{name: "TOK-22 no client ID configured", edit: func(v *idtoken.Verifier) { v.ClientID = "" }, claims: m{"aud": ""}, step: 1},
		{name: "TOK-22 no keys configured", edit: func(v *idtoken.Verifier) { v.Keys = nil }, step: 1},
		{name: "TOK-22 none configured", edit: func(v *idtoken.Verifier) { v.Algs = []string{"none"} }, header: m{"alg": "none"}, step: 1},
	} {
		t.Run(c.name, c.run)
	}
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// foreignKeys is a KeySet of another implementation.
type foreignKeys func(jwt string) ([]byte, error)

func (f foreignKeys) VerifySignature(_ context.Context, jwt string) ([]byte, error) { return f(jwt) }

func TestForeignKeySet(t *testing.T) {
	v := verifier(t)
	ours := v.Keys
	raw := key.Sign(goodClaims(), nil)
	v.Keys = foreignKeys(func(jwt string) ([]byte, error) { return ours.VerifySignature(t.Context(), jwt) })
	if _, err := v.Verify(t.Context(), raw, idtoken.Expected{}); err != nil {
		t.Error(err)
	}
	v.Keys = foreignKeys(func(string) ([]byte, error) { return []byte(`{"sub":"mallory"}`), nil })
	if _, err := v.Verify(t.Context(), raw, idtoken.Expected{}); err == nil {
		t.Error("a key set that verified something else")
	}
	v.Keys = foreignKeys(func(string) ([]byte, error) { return nil, errors.New("no") })
	if _, err := v.Verify(t.Context(), raw, idtoken.Expected{}); err == nil {
		t.Error("a key set that refuses")
	}
}

// TestToken: what the application gets, by exact names.
func TestToken(t *testing.T) {
	claims := goodClaims()
	for name, value := range (m{"acr": "gold", "amr": []string{"pwd", "otp"}, "sid": "s1", "azp": clientID, "auth_time": clock.Unix() - 10, "EMAIL": "evil@example.com"}) {
		claims[name] = value
	}
	token, err := verifier(t).Verify(t.Context(), key.Sign(claims, nil), idtoken.Expected{})
	if err != nil {
		t.Fatal(err)
	}
	if token.Subject != "alice" || token.ACR != "gold" || len(token.AMR) != 2 || token.SessionID != "s1" ||
		token.AuthorizedParty != clientID || token.AuthTime.Unix() != clock.Unix()-10 || token.Expiry.Unix() != clock.Unix()+300 {
		t.Errorf("got %+v", token)
	}
	var c struct {
		Email string `json:"email"`
	}
	if err := token.Claims(&c); err != nil || c.Email != "" {
		t.Errorf("EMAIL was taken for email: %v, %v", c, err)
	}
}

// TestNoKeyAsked: no key is fetched for a token with another audience or issuer, or with an
// algorithm that is not configured.
func TestNoKeyAsked(t *testing.T) {
	for name, c := range map[string]case_{
		"issuer":           {claims: m{"iss": "https://evil.example"}},
		"audience":         {claims: m{"aud": "other"}},
		"extra audience":   {claims: m{"aud": []string{clientID, "other"}, "azp": clientID}},
		"no azp":           {claims: m{"aud": []string{clientID, "project"}}},
		"authorized party": {claims: m{"azp": "other"}},
		"subject":          {claims: m{"sub": nil}},
		"algorithm":        {header: m{"alg": "ES256"}},
		"typ":              {header: m{"typ": "at+jwt"}},
	} {
		asked := 0
		v := verifier(t)
		v.TrustedAudiences = []string{"project"}
		v.Keys = foreignKeys(func(string) ([]byte, error) { asked++; return nil, errors.New("no") })
		if _, err := v.Verify(t.Context(), c.token(), idtoken.Expected{}); err == nil || asked != 0 {
			t.Errorf("%s: %v, the keys were asked %d times", name, err, asked)
		}
	}
	asked := 0
	v := verifier(t)
	v.Keys = foreignKeys(func(string) ([]byte, error) { asked++; return nil, errors.New("no") })
	v.Verify(t.Context(), case_{}.token(), idtoken.Expected{})
	if asked != 1 {
		t.Errorf("for a good token the keys were asked %d times", asked)
	}
}

// TestClaimSources: aggregated and distributed claims are not followed. TOK-21.
func TestClaimSources(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer s.Close()
	claims := goodClaims()
	claims["_claim_names"] = m{"address": "src1"}
	claims["_claim_sources"] = m{"src1": m{"endpoint": s.URL, "access_token": "x"}}
	token, err := verifier(t).Verify(t.Context(), key.Sign(claims, nil), idtoken.Expected{})
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Address any `json:"address"`
	}
	if err := token.Claims(&c); err != nil || c.Address != nil || asked != 0 {
		t.Errorf("%v, %v, asked %d times", c, err, asked)
	}
}

// TestForm has all rows for TOK-01, TOK-02 and H1, H2, H4, H8 to H11. They are about form,
// alphabet, algorithms, extensions, keys in the header, kinds and salts.
func TestForm(t *testing.T) {
	v := verifier(t)
	good := key.Sign(goodClaims(), nil)
	h, rest, _ := strings.Cut(good, ".")
	for name, raw := range map[string]string{
		"TOK-01 H1 two parts":             h + "." + strings.Split(rest, ".")[0],
		"TOK-01 H1 JSON serialization":    `{"protected":"` + h + `"}`,
		"TOK-01 H2 a line feed":           h[:4] + "\n" + h[4:] + "." + rest,
		"TOK-01 H2 padding":               h + "=." + rest,
		"TOK-02 H1 17 KiB":                good + strings.Repeat("A", 17<<10),
		"TOK-04 H4 no alg":                key.Sign(goodClaims(), m{"alg": nil}),
		"TOK-06 H8 crit":                  key.Sign(goodClaims(), m{"crit": []string{"exp"}}),
		"TOK-07 H9 jwk of a stranger":     optest.NewKey("x", "ES256").Sign(goodClaims(), m{"jwk": optest.NewKey("x", "ES256").JWK()}),
		"TOK-09 H10 an access token":      key.Sign(goodClaims(), m{"typ": "at+jwt"}),
		"TOK-05 H11 RS256 signed as PSS":  optest.Key{ID: "k1", Alg: "PS256", Private: key.Private}.Sign(goodClaims(), m{"alg": "RS256"}),
		"TOK-13 H17 H18 exp in a string":  case_{claims: m{"exp": "1"}}.token(),
		"TOK-11 H19 nobody we know":       case_{claims: m{"aud": []string{"x"}}}.token(),
		"TOK-17 H20 no subject":           case_{claims: m{"sub": ""}}.token(),
		"H22 a long name in the audience": case_{claims: m{"aud": strings.Repeat("x", 9000)}}.token(),
	} {
		_, err := v.Verify(t.Context(), raw, idtoken.Expected{})
		if err == nil || len(err.Error()) > 1024 || strings.Contains(err.Error(), "eyJ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := v.Verify(t.Context(), good, idtoken.Expected{}); err != nil {
		t.Error(err)
	}
}
