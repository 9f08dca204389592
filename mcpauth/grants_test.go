package mcpauth_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/crossapp"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/mcpauth"
)

// TestClientCredentialsByKey: a program without a user signs its requests.
func TestClientCredentialsByKey(t *testing.T) {
	key := issuertest.NewKey("program", "ES256")
	w := newWorld(t, issuertest.Config{Clients: []issuertest.Client{{ID: "program", Keys: issuertest.JWKS(key)}}})
	config := w.config()
	config.Client, config.Grant = nil, grant.ClientCredentials
	config.Registered = func(issuer string) (client.Config, bool) {
		method := auth.PrivateKeyJWT(auth.SigningKey{KeyID: "program", Alg: "ES256", Key: key.Private}, auth.Assertion{})
		return client.Config{ClientID: "program", Auth: method}, issuer == w.issuer.URL
	}
	if _, err := call(t, connect(t, w, newHandler(t, config)), "delete"); err != nil {
		t.Error(err)
	}
	forms := w.forms(issuertest.TokenEndpoint)
	if len(forms) != 2 { // photos.read, then photos.write too
		t.Errorf("%d token requests", len(forms))
	}
	for _, form := range forms {
		if form.Get("grant_type") != "client_credentials" || form.Get("client_assertion") == "" || form.Has("client_secret") || form.Get("resource") != w.url {
			t.Errorf("%s, assertion: %t", form.Get("grant_type"), form.Has("client_assertion"))
		}
	}
	w.wantLogins(t, 0)
}

// TestWorkload: the assertion of the workload is for the issuer, and fetched for each token.
func TestWorkload(t *testing.T) {
	const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	accept := func(form url.Values) (issuertest.Granted, error) {
		if !strings.HasPrefix(form.Get("assertion"), "canary.workload.") {
			return issuertest.Granted{}, errors.New("another assertion")
		}
		return issuertest.Granted{Subject: "alice", Scopes: strings.Fields(form.Get("scope"))}, nil
	}
	w := newWorld(t, issuertest.Config{Grants: map[string]issuertest.GrantType{jwtBearer: accept}})
	var audiences []string
	config := w.config()
	config.Client = nil
	config.Registered = func(issuer string) (client.Config, bool) {
		return client.Config{ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret)}, issuer == w.issuer.URL
	}
	config.Grant = mcpauth.Workload(func(_ context.Context, audience string) (string, error) {
		audiences = append(audiences, audience)
		return "canary.workload." + string(rune('a'+len(audiences))), nil
	})
	session := connect(t, w, newHandler(t, config))
	mustCall(t, session, "list", "list for alice with photos.read")
	w.issuer.Advance(6 * time.Minute)
	mustCall(t, session, "list", "list for alice with photos.read")
	if want := []string{w.issuer.URL, w.issuer.URL}; !slices.Equal(audiences, want) {
		t.Errorf("assertions for %q", audiences)
	}
	forms := w.forms(issuertest.TokenEndpoint)
	for i, form := range forms {
		if form.Get("grant_type") != jwtBearer || form.Get("resource") != w.url || i > 0 && form.Get("assertion") == forms[i-1].Get("assertion") {
			t.Errorf("%q %q", form.Get("grant_type"), form.Get("resource"))
		}
	}
	w.wantLogins(t, 0)

	config.Grant = mcpauth.Workload(func(context.Context, string) (string, error) { return "", errors.New("no such file") })
	h := newHandler(t, config)
	if _, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient()}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
}

// TestEnterpriseManaged: the MCP server accepts a token for a grant of the enterprise's identity
// provider. A grant for another client is not sent.
func TestEnterpriseManaged(t *testing.T) {
	grantClient := "agent-at-mcp"
	var idp *issuertest.Issuer
	exchange := func(form url.Values) (issuertest.Granted, error) {
		claims := map[string]any{"iss": idp.URL, "sub": "alice", "aud": form.Get("audience"), "client_id": grantClient, "resource": form.Get("resource"),
			"jti": "1", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "scope": form.Get("scope")}
		return issuertest.Granted{Response: map[string]any{"issued_token_type": crossapp.TokenType, "token_type": "N_A",
			"access_token": idp.SignJWT(claims, map[string]any{"typ": "oauth-id-jag+jwt"})}}, nil
	}
	idp = issuertest.New(t, issuertest.Config{PlainHTTP: true, Clients: []issuertest.Client{{ID: "agent-at-idp", Secret: "canary-idp-secret"}},
		Grants: map[string]issuertest.GrantType{"urn:ietf:params:oauth:grant-type:token-exchange": exchange}})
	var grants atomic.Int32
	accept := func(form url.Values) (issuertest.Granted, error) {
		grants.Add(1)
		return issuertest.Granted{Subject: "alice", Scopes: strings.Fields(form.Get("scope"))}, nil
	}
	w := newWorld(t, issuertest.Config{
		Clients:  []issuertest.Client{{ID: "agent-at-mcp", Secret: "canary-mcp-secret"}, {ID: documentURL, Keys: issuertest.JWKS(agentKey)}},
		Metadata: map[string]any{"client_id_metadata_document_supported": true},
		Grants:   map[string]issuertest.GrantType{"urn:ietf:params:oauth:grant-type:jwt-bearer": accept},
	})
	atIdP, err := client.New(client.Config{Issuer: idp.URL, ClientID: "agent-at-idp", Auth: auth.Secret("canary-idp-secret")})
	if err != nil {
		t.Fatal(err)
	}
	config := w.config()
	config.Now, config.Client = nil, nil
	config.Registered = func(issuer string) (client.Config, bool) {
		return client.Config{ClientID: "agent-at-mcp", Auth: auth.Secret("canary-mcp-secret")}, issuer == w.issuer.URL
	}
	config.Grant = mcpauth.EnterpriseManaged(atIdP, func(context.Context) (crossapp.Subject, error) {
		return crossapp.Subject{Token: idp.IDToken(issuertest.IDToken{})}, nil
	})
	session := connect(t, w, newHandler(t, config))
	mustCall(t, session, "delete", "delete for alice with photos.read photos.write")
	sent, _ := url.ParseQuery(string(idp.Exchanges(issuertest.TokenEndpoint)[0].RequestBody))
	if sent.Get("audience") != w.issuer.URL || sent.Get("resource") != w.url || sent.Get("requested_token_type") != crossapp.TokenType || sent.Get("scope") != "photos.read" {
		t.Errorf("audience %q, resource %q, scope %q", sent.Get("audience"), sent.Get("resource"), sent.Get("scope"))
	}
	w.wantLogins(t, 0)

	document := config // a client ID metadata document instead of a registration
	document.Client, document.Registered, grantClient = keyDocument(), nil, documentURL
	document.Keys = auth.SigningKey{KeyID: "agent", Alg: "ES256", Key: agentKey.Private}
	mustCall(t, connect(t, w, newHandler(t, document)), "list", "list for alice with photos.read")

	before := grants.Load()
	grantClient = "somebody-else"
	h := newHandler(t, config)
	if _, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient()}); err == nil || !strings.Contains(err.Error(), "client_id") {
		t.Error(err)
	}
	if grants.Load() != before {
		t.Error("the grant was sent")
	}
}
