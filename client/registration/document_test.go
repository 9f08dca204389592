package registration_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/internal/optest"
)

// TestCheckClientID: the address rules of the draft.
func TestCheckClientID(t *testing.T) {
	for _, id := range []string{"https://app.example/client", "https://app.example:8443/a/b.json", "https://app.example/", "https://app.example/a..b/.c"} {
		if err := registration.CheckClientID(id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, id := range []string{
		"", "client", "https://app.example", "http://app.example/client", "http://127.0.0.1/client", "HTTPS://app.example/client", "https:///client",
		"https://:443/client", "https://u@app.example/client", "https://u:p@app.example/client", "https://app.example/client#", "https://app.example/client#x",
		"https://app.example/client?x=y", "https://app.example/client?", "https://app.example/./client", "https://app.example/a/../client",
		"https://app.example/a/%2e%2e/client", "https://app.example/%2E", "https://app.example/..", "https://app.example/a b", "https://app.example/a\\b", "https://app.example/\x00",
	} {
		if registration.CheckClientID(id) == nil {
			t.Errorf("%q was taken", id)
		}
	}
}

func document() *registration.Document {
	return &registration.Document{ClientID: "https://app.example/client", Metadata: registration.Metadata{
		ClientName: "An app", RedirectURIs: []string{optest.RedirectURL}, TokenEndpointAuthMethod: "private_key_jwt", JWKSURI: "https://app.example/jwks",
	}}
}

func TestDocument(t *testing.T) {
	s := httptest.NewServer(document())
	defer s.Close()
	for method, status := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "DELETE": 405} {
		r, _ := http.NewRequestWithContext(t.Context(), method, s.URL+"/client", nil)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != status || status == 200 && (resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Cache-Control") == "") {
			t.Errorf("%s: %d %v", method, resp.StatusCode, resp.Header)
		}
		if method != "GET" {
			continue
		}
		want := m{
			"client_id": "https://app.example/client", "client_name": "An app", "redirect_uris": []any{optest.RedirectURL},
			"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://app.example/jwks",
		}
		var got m
		if err := json.Unmarshal(body, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("served %s", body)
		}
	}
}

// TestDocumentRefused: a document that contains a secret, or that is not valid, is not served.
func TestDocumentRefused(t *testing.T) {
	for name, edit := range map[string]func(*registration.Document){
		"a client_id that is none": func(d *registration.Document) { d.ClientID = "client" },
		"no method":                func(d *registration.Document) { d.Metadata.TokenEndpointAuthMethod = "" },
		"a secret in the header":   func(d *registration.Document) { d.Metadata.TokenEndpointAuthMethod = "client_secret_basic" },
		"a secret in the form":     func(d *registration.Document) { d.Metadata.TokenEndpointAuthMethod = "client_secret_post" },
		"a secret that signs":      func(d *registration.Document) { d.Metadata.TokenEndpointAuthMethod = "client_secret_jwt" },
		"a key and none":           func(d *registration.Document) { d.Metadata.JWKSURI = "" },
		"a private key": func(d *registration.Document) {
			d.Metadata.JWKSURI, d.Metadata.JWKS = "", []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","d":"canary"}]}`)
		},
		"a private key in Extra": func(d *registration.Document) {
			d.Metadata.JWKSURI, d.Metadata.TokenEndpointAuthMethod = "", "none"
			d.Metadata.Extra = m{"jwks": m{"keys": []m{{"kty": "OKP", "crv": "Ed25519", "x": "x"}, {"kty": "OKP", "crv": "Ed25519", "d": "canary"}}}}
		},
		"a private key of the type AKP": func(d *registration.Document) {
			d.Metadata.JWKSURI, d.Metadata.TokenEndpointAuthMethod = "", "none"
			d.Metadata.Extra = m{"jwks": json.RawMessage(`{"keys":[{"kty":"AKP","pub":"x","priv":"canary"}]}`)}
		},
		"a symmetric key in Extra": func(d *registration.Document) {
			d.Metadata.JWKSURI, d.Metadata.TokenEndpointAuthMethod = "", "none"
			d.Metadata.Extra = m{"jwks": m{"keys": []m{{"kty": "oct", "k": "canary"}}}}
		},
		"a text as keys": func(d *registration.Document) {
			d.Metadata.JWKSURI, d.Metadata.TokenEndpointAuthMethod = "", "none"
			d.Metadata.Extra = m{"jwks": "canary"}
		},
		"keys in Extra beside their address": func(d *registration.Document) {
			d.Metadata.Extra = m{"jwks": m{"keys": []m{{"kty": "OKP", "crv": "Ed25519", "x": "x"}}}}
		},
		"keys beside their address in Extra": func(d *registration.Document) {
			d.Metadata.JWKSURI, d.Metadata.JWKS = "", []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"x"}]}`)
			d.Metadata.Extra = m{"jwks_uri": "https://app.example/jwks"}
		},
		"another client_id": func(d *registration.Document) { d.Metadata.Extra = m{"client_id": "x"} },
		"a secret":          func(d *registration.Document) { d.Metadata.Extra = m{"client_secret": "canary"} },
		"a secret's end":    func(d *registration.Document) { d.Metadata.Extra = m{"client_secret_expires_at": 0} },
	} {
		d := document()
		edit(d)
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/client", nil))
		if w.Code != 500 || w.Body.Len() > 0 {
			t.Errorf("%s: %d, %q", name, w.Code, w.Body)
		}
	}
	public := document()
	public.Metadata.JWKSURI, public.Metadata.TokenEndpointAuthMethod = "", "none"
	public.Metadata.Extra = m{"jwks": m{"keys": []m{{"kty": "OKP", "crv": "Ed25519", "x": "x"}}}}
	if _, err := public.JSON(); err != nil {
		t.Error(err)
	}
	none := document()
	none.Metadata.TokenEndpointAuthMethod, none.Metadata.JWKSURI = "none", ""
	if _, err := none.JSON(); err != nil {
		t.Error(err)
	}
}
