package crossapp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/jose"
)

// thumbprint verifies the DPoP proof of a request, and returns the thumbprint of its key.
func thumbprint(t *testing.T, r *http.Request) string {
	t.Helper()
	raw := r.Header.Get("DPoP")
	if raw == "" {
		return ""
	}
	proof, err := jose.Parse(raw, 0)
	if err != nil {
		t.Error(err)
		return ""
	}
	key, err := jose.VerifyEmbedded(proof)
	if err != nil {
		t.Error(err)
	}
	return key
}

func fixedKey(t *testing.T) (auth.SigningKey, string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, sum, err := jose.PublicJWK(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return auth.SigningKey{Key: private}, sum
}

// bind makes both servers bind by DPoP.
func (w *world) bind(t *testing.T, idp, at *client.DPoP) {
	t.Helper()
	w.app.IdP, w.app.At = w.idp.boundClient(t, "app-at-idp", idp), w.at.boundClient(t, "app-at-chat", at)
	inner, claims := w.idp.answer, w.claims
	w.idp.answer = func(form url.Values) (int, map[string]any) {
		if w.claims = claims; claims == nil {
			w.claims = map[string]any{"cnf": map[string]any{"jkt": w.idp.proofs[len(w.idp.proofs)-1]}}
		}
		return inner(form)
	}
	w.at.answer = func(url.Values) (int, map[string]any) {
		return 200, map[string]any{"access_token": "canary-access", "token_type": "DPoP", "expires_in": 60}
	}
}

// TestBoundGrant: the grant, the request that redeems it and the access token have one key
// ("DPoP Key Binding").
func TestBoundGrant(t *testing.T) {
	fixed, _ := fixedKey(t)
	other, _ := fixedKey(t)
	for name, test := range map[string]struct {
		idp, at   *client.DPoP
		supported []string
		grantType string
	}{
		"a new key":               {&client.DPoP{}, &client.DPoP{}, nil, "jwt-bearer"},
		"jwt-dpop":                {&client.DPoP{}, &client.DPoP{}, []string{"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:jwt-dpop"}, "jwt-dpop"},
		"jwt-bearer only":         {&client.DPoP{}, &client.DPoP{}, []string{"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "jwt-bearer"},
		"a key of the IdP":        {&client.DPoP{Keys: fixed}, &client.DPoP{}, nil, "jwt-bearer"},
		"another key of the app":  {&client.DPoP{}, &client.DPoP{Keys: other}, nil, "jwt-bearer"},
		"two keys of the clients": {&client.DPoP{Keys: fixed}, &client.DPoP{Keys: other}, nil, "jwt-bearer"},
	} {
		metadata := map[string]any{}
		if test.supported != nil {
			metadata["grant_types_supported"] = test.supported
		}
		w := newWorld(t, metadata)
		w.bind(t, test.idp, test.at)
		for range 2 {
			issued, err := w.app.Fetch(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			last := len(w.at.forms) - 1
			_, key, err := jose.PublicJWK(issued.DPoPKey.Key.Public())
			if err != nil || key != w.idp.proofs[last] || key != w.at.proofs[last] || issued.TokenType != "DPoP" {
				t.Errorf("%s: %v, the keys are %q, %q and %q", name, err, key, w.idp.proofs, w.at.proofs)
			}
			if got := w.at.forms[last].Get("grant_type"); got != "urn:ietf:params:oauth:grant-type:"+test.grantType {
				t.Errorf("%s: grant_type is %q", name, got)
			}
		}
	}
}

// TestGrantOfAnotherKey: a grant that is bound to another key, or in a way that the client cannot
// check, is not sent. A grant that is not bound is not sent either if the client requested a bound
// grant.
func TestGrantOfAnotherKey(t *testing.T) {
	_, other := fixedKey(t)
	for name, test := range map[string]struct {
		idp, at *client.DPoP
		cnf     any
		want    string
	}{
		"another key":            {&client.DPoP{}, &client.DPoP{}, map[string]any{"jkt": other}, "another key"},
		"IdP has no key":         {nil, &client.DPoP{}, map[string]any{"jkt": other}, "cnf"},
		"not bound":              {&client.DPoP{}, &client.DPoP{}, nil, "InsecureAllowBearer"},
		"null":                   {&client.DPoP{}, &client.DPoP{}, []byte(nil), "InsecureAllowBearer"},
		"empty":                  {&client.DPoP{}, &client.DPoP{}, map[string]any{}, "jkt"},
		"empty jkt":              {&client.DPoP{}, &client.DPoP{}, map[string]any{"jkt": ""}, "jkt"},
		"jkt is a list":          {&client.DPoP{}, &client.DPoP{}, map[string]any{"jkt": []string{other}}, "cnf"},
		"a certificate":          {&client.DPoP{}, &client.DPoP{}, map[string]any{"x5t#S256": other}, "jkt"},
		"a certificate, no DPoP": {nil, nil, map[string]any{"x5t#S256": other}, "cnf"},
		"text":                   {&client.DPoP{}, &client.DPoP{}, other, "cnf"},
	} {
		w := newWorld(t, nil)
		w.claims = map[string]any{"cnf": test.cnf}
		w.bind(t, test.idp, test.at)
		_, err := w.app.Fetch(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) || len(w.at.forms) != 0 {
			t.Errorf("%s: %v, %d requests to the server", name, err, len(w.at.forms))
		}
	}
	w := newWorld(t, nil)
	w.bind(t, &client.DPoP{}, nil)
	if _, err := w.app.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "CrossApp.At") || len(w.at.forms) != 0 {
		t.Errorf("the application cannot prove the key to the other server: %v", err)
	}
}

// TestUnboundGrant: InsecureAllowBearer accepts a grant that is not bound. A server that binds
// its access tokens needs no bound grant.
func TestUnboundGrant(t *testing.T) {
	for name, idp := range map[string]*client.DPoP{"allowed": {InsecureAllowBearer: true}, "not asked for": nil} {
		w := newWorld(t, nil)
		w.claims = map[string]any{}
		w.bind(t, idp, &client.DPoP{})
		issued, err := w.app.Fetch(t.Context())
		if err != nil || issued.TokenType != "DPoP" || w.at.proofs[0] == "" || w.at.proofs[0] == w.idp.proofs[0] {
			t.Errorf("%s: %v, %q", name, err, w.at.proofs)
		}
	}
}
