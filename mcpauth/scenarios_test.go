package mcpauth_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

// The conformance runner of MCP tests the same. These tests name the sentence that failed, and need
// no other program.

const documentURL = "https://agent.example/client.json"

// authorizations are the parameters of the authorization requests, which may be pushed.
func (w *world) authorizations() (all []url.Values) {
	for _, x := range w.issuer.Exchanges("") {
		switch form, _ := url.ParseQuery(string(x.RequestBody)); x.Endpoint {
		case issuertest.PAREndpoint:
			all = append(all, form)
		case issuertest.AuthorizationEndpoint:
			if q := x.Request.URL.Query(); !q.Has("request_uri") {
				all = append(all, q)
			}
		}
	}
	return all
}

func document() *registration.Document {
	return &registration.Document{ClientID: documentURL, Metadata: registration.Metadata{
		ClientName: "agent", TokenEndpointAuthMethod: "none",
		RedirectURIs: []string{"http://127.0.0.1/callback"}, GrantTypes: []string{"authorization_code", "refresh_token"},
	}}
}

var agentKey = issuertest.NewKey("agent", "ES256")

// keyDocument is document for a client that signs.
func keyDocument() *registration.Document {
	d := document()
	d.Metadata.TokenEndpointAuthMethod, d.Metadata.JWKSURI = "private_key_jwt", "https://agent.example/jwks"
	return d
}

// TestClientOrder: the operator's client is used first, then the client ID metadata document, then
// a registration (MCP 2026-07-28, "Client Registration").
func TestClientOrder(t *testing.T) {
	const operators = "the-operators-client"
	for _, test := range []struct {
		name                              string
		preregistered, documents, dynamic bool
		want                              string // client_id; "" means a registered one
		fails                             bool
	}{
		{"all three", true, true, true, operators, false},
		{"operator and registration", true, false, true, operators, false},
		{"operator alone", true, false, false, operators, false},
		{"document and registration", false, true, true, documentURL, false},
		{"document alone", false, true, false, documentURL, false},
		{"registration alone", false, false, true, "", false},
		{"nothing", false, false, false, "", true},
	} {
		metadata := map[string]any{"client_id_metadata_document_supported": test.documents}
		if !test.dynamic {
			metadata["registration_endpoint"] = nil
		}
		w := newWorld(t, issuertest.Config{Metadata: metadata, Clients: []issuertest.Client{{ID: operators}, {ID: documentURL}}})
		config := w.config()
		config.Client = document()
		config.Registered = func(issuer string) (client.Config, bool) {
			return client.Config{ClientID: operators, Auth: auth.Public()}, test.preregistered && issuer == w.issuer.URL
		}
		h := newHandler(t, config)
		_, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient(), DisableStandaloneSSE: true})
		if test.fails {
			if err == nil || !strings.Contains(err.Error(), "Config.Registered") || len(w.authorizations()) != 0 {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		registrations := len(w.issuer.Exchanges(issuertest.RegistrationEndpoint))
		if err != nil || len(w.authorizations()) != 1 || (registrations == 1) != (test.want == "") {
			t.Errorf("%s: %v, %d registrations", test.name, err, registrations)
			continue
		}
		if got := w.authorizations()[0].Get("client_id"); test.want != "" && got != test.want || test.want == "" && (got == operators || got == documentURL) {
			t.Errorf("%s: client_id %q", test.name, got)
		}
	}
}

// TestForeignClient: the operator's client belongs to another issuer. It is not used.
func TestForeignClient(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	config := w.config()
	config.Client = nil
	config.Registered = func(issuer string) (client.Config, bool) {
		return client.Config{ClientID: "canary-client", Auth: auth.Secret("canary-secret")}, issuer == "https://other.example"
	}
	h := newHandler(t, config)
	_, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient()})
	if err == nil || !strings.Contains(err.Error(), "Config.Registered") {
		t.Error(err)
	}
	for _, x := range w.issuer.Exchanges("") {
		if strings.Contains(x.Request.URL.RawQuery+string(x.RequestBody)+x.Request.Header.Get("Authorization"), "canary") {
			t.Errorf("%s has the credentials of another server", x.Endpoint)
		}
	}
}

// TestRegistrationRequest: the registration of a client on the user's machine.
func TestRegistrationRequest(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	connect(t, w, newHandler(t, w.config()))
	var sent struct {
		ApplicationType string   `json:"application_type"`
		RedirectURIs    []string `json:"redirect_uris"`
		GrantTypes      []string `json:"grant_types"`
	}
	if err := json.Unmarshal(w.issuer.Exchanges(issuertest.RegistrationEndpoint)[0].RequestBody, &sent); err != nil {
		t.Fatal(err)
	}
	if sent.ApplicationType != "native" || len(sent.RedirectURIs) != 1 || !strings.HasPrefix(sent.RedirectURIs[0], "http://127.0.0.1") || !slices.Contains(sent.GrantTypes, "refresh_token") {
		t.Errorf("%+v", sent)
	}
}

// TestScopeOrder: the client requests the scopes of the challenge, otherwise the scopes of the
// metadata, otherwise none (MCP 2026-07-28, "Scope Selection Strategy"). offline_access is for
// servers that list it.
func TestScopeOrder(t *testing.T) {
	for _, test := range []struct {
		name                 string
		challenge, supported []string
		offline              bool
		want                 string // "-" means no parameter
	}{
		{"both", []string{"photos.read"}, []string{"other"}, false, "photos.read"},
		{"the challenge alone", []string{"photos.read"}, nil, false, "photos.read"},
		{"the metadata alone", nil, []string{"photos.read", "photos.list"}, false, "photos.read photos.list"},
		{"neither", nil, nil, false, "-"},
		{"offline_access", []string{"photos.read"}, nil, true, "photos.read offline_access"},
		{"offline_access of the API", nil, []string{"photos.read", "offline_access"}, false, "photos.read"},
	} {
		scopes := []string{"photos.read", "photos.list"}
		if test.offline {
			scopes = append(scopes, "offline_access")
		}
		w := newWorld(t, issuertest.Config{Metadata: map[string]any{"scopes_supported": scopes}})
		w.api.Scopes, w.meta.ScopesSupported = test.challenge, test.supported
		connect(t, w, newHandler(t, w.config()))
		sent := w.authorizations()[0]
		if got := sent.Get("scope"); got != strings.TrimPrefix(test.want, "-") || sent.Has("scope") == (test.want == "-") {
			t.Errorf("%s: scope %q, want %q", test.name, got, test.want)
		}
	}
}

// TestStepUpScopes: the second login requests the granted scopes and the missing ones, although the
// challenge names the missing ones only.
func TestStepUpScopes(t *testing.T) {
	w := newWorld(t, issuertest.Config{Metadata: map[string]any{"scopes_supported": []string{"photos.read", "photos.write"}}})
	session := connect(t, w, newHandler(t, w.config()))
	mustCall(t, session, "delete", "delete for alice with photos.read photos.write")
	sent := w.authorizations()
	if len(sent) != 2 || sent[0].Get("scope") != "photos.read" || sent[1].Get("scope") != "photos.read photos.write" {
		t.Errorf("%q", sent)
	}
	w.wantLogins(t, 2)
}

// TestResourceEverywhere: the authorization request, the pushed one, and each token request.
func TestResourceEverywhere(t *testing.T) {
	for _, pushed := range []bool{false, true} {
		metadata := map[string]any{}
		if !pushed {
			metadata["pushed_authorization_request_endpoint"] = nil
		}
		w := newWorld(t, issuertest.Config{Metadata: metadata})
		session := connect(t, w, newHandler(t, w.config()))
		mustCall(t, session, "delete", "delete for alice with photos.read photos.write offline_access")
		w.issuer.Advance(6 * time.Minute)
		mustCall(t, session, "list", "list for alice with photos.read photos.write offline_access")
		requests := append(w.authorizations(), w.forms(issuertest.TokenEndpoint)...)
		for _, form := range requests {
			if got := form["resource"]; len(got) != 1 || got[0] != w.url {
				t.Errorf("pushed %t, %s%s: resource %q", pushed, form.Get("response_type"), form.Get("grant_type"), got)
			}
		}
		if len(requests) != 5 { // two logins and a refresh
			t.Errorf("pushed %t: %d requests", pushed, len(requests))
		}
	}
}

// TestIssOfResponse: iss of a response with a code (RFC 9207 §2.4).
func TestIssOfResponse(t *testing.T) {
	for _, fault := range []issuertest.Fault{issuertest.CallbackIssuerForeign, issuertest.CallbackIssuerMissing, issuertest.CallbackStateWrong} {
		w := newWorld(t, issuertest.Config{})
		w.issuer.Inject(fault)
		h := newHandler(t, w.config())
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // loopback waits for a response of this login
		defer cancel()
		r, _ := http.NewRequestWithContext(t.Context(), "POST", w.url, strings.NewReader("{}"))
		resp, err := h.HTTPClient().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Authorize(ctx, r, resp); err == nil || len(w.forms(issuertest.TokenEndpoint)) != 0 {
			t.Errorf("%s: %v, %d token requests", fault, err, len(w.forms(issuertest.TokenEndpoint)))
		}
	}
	w := newWorld(t, issuertest.Config{Metadata: map[string]any{"authorization_response_iss_parameter_supported": nil}})
	w.issuer.Inject(issuertest.CallbackIssuerMissing) // not announced, and not there
	mustCall(t, connect(t, w, newHandler(t, w.config())), "list", "list for alice with photos.read offline_access")
}

// TestDPoPNonces: each server requires its own nonces, at the login, the call and the refresh.
func TestDPoPNonces(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	w.issuer.Inject(issuertest.DPoPNonceRequired)
	w.api.DPoP = &rs.DPoP{BaseURL: w.origin(), Required: true, NonceKey: []byte("canary-nonce-key-of-32-bytes-or-more"), Now: w.issuer.Now}
	w.meta.DPoPBoundAccessTokensRequired = true
	session := connect(t, w, newHandler(t, w.config()))
	mustCall(t, session, "list", "list for alice with photos.read offline_access")
	w.issuer.Advance(6 * time.Minute) // the token is too old, and the nonce of the API
	mustCall(t, session, "list", "list for alice with photos.read offline_access")
	w.wantLogins(t, 1)
	var asked, refreshed int
	for _, x := range w.issuer.Exchanges("") {
		form, _ := url.ParseQuery(string(x.RequestBody))
		if x.Endpoint == issuertest.TokenEndpoint && x.Request.Header.Get("DPoP") == "" {
			t.Errorf("%s without a proof", form.Get("grant_type"))
		}
		if strings.Contains(string(x.ResponseBody), "use_dpop_nonce") {
			asked++
		}
		if form.Get("grant_type") == "refresh_token" {
			refreshed++
		}
	}
	if asked == 0 || refreshed == 0 {
		t.Errorf("%d requests for a nonce, %d refreshes", asked, refreshed)
	}
}

// TestMigrationAfterRestart: the MCP server changed its authorization server between two runs of
// the program. The new one gets no credential of the old one.
func TestMigrationAfterRestart(t *testing.T) {
	for _, endpoint := range []bool{false, true} {
		w, other := newWorld(t, issuertest.Config{SecretPrefix: "canary-old-"}), newWorld(t, issuertest.Config{})
		config := w.config()
		config.Store, config.Trusted = &store{}, func(context.Context, string) bool { return true }
		if endpoint {
			config.Endpoint = w.url
		}
		connect(t, w, newHandler(t, config))
		old := w.issuer.Clients()
		w.meta.AuthorizationServers = []string{other.issuer.URL}
		w.api.Tokens = &rs.JWT{Issuer: other.issuer.URL, Audience: w.url, Keys: other.api.Tokens.(*rs.JWT).Keys, Now: other.issuer.Now}
		mustCall(t, connect(t, w, newHandler(t, config)), "list", "list for alice with photos.read offline_access")
		w.wantLogins(t, 2)
		if n := len(other.issuer.Exchanges(issuertest.RegistrationEndpoint)); n != 1 {
			t.Errorf("%d registrations at the new server", n)
		}
		for _, x := range other.issuer.Exchanges("") {
			text := x.Request.URL.RawQuery + string(x.RequestBody) + x.Request.Header.Get("Authorization")
			for _, c := range old {
				if c.ID != issuertest.ClientID && strings.Contains(text, c.ID) || strings.Contains(text, "canary-old-") {
					t.Errorf("%s has a credential of the old server", x.Endpoint)
				}
			}
		}
	}
}

// TestMetadataPlaces: the address of the challenge comes first, then the well-known path with the
// path of the MCP server, then without it.
func TestMetadataPlaces(t *testing.T) {
	const wellKnown = "/.well-known/oauth-protected-resource"
	for _, test := range []struct {
		name  string
		there []string // where the metadata is
		named bool     // by the challenge: /metadata
		want  []string // the requested addresses, at the first login
	}{
		{"challenge", []string{"/metadata", wellKnown + "/mcp", wellKnown}, true, []string{"/metadata"}},
		{"path", []string{wellKnown + "/mcp", wellKnown}, false, []string{wellKnown + "/mcp"}},
		{"root", []string{wellKnown}, false, []string{wellKnown + "/mcp", wellKnown}},
	} {
		w := newWorld(t, issuertest.Config{})
		inner := w.serve()
		w.api.ResourceMetadata = ""
		if test.named {
			w.api.ResourceMetadata = w.origin() + "/metadata"
		}
		document := &rs.Metadata{Resource: w.url, AuthorizationServers: []string{w.issuer.URL}}
		var asked []string
		w.replace(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/mcp":
				inner.ServeHTTP(rw, r)
			case slices.Contains(test.there, r.URL.Path):
				asked = append(asked, r.URL.Path)
				document.ServeHTTP(rw, r)
			default:
				asked = append(asked, r.URL.Path)
				http.NotFound(rw, r)
			}
		}))
		mustCall(t, connect(t, w, newHandler(t, w.config())), "list", "list for alice with photos.read offline_access")
		if !slices.Equal(asked, test.want) {
			t.Errorf("%s: asked %q, want %q", test.name, asked, test.want)
		}
	}
}
