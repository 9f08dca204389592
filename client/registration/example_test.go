package registration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// Serve the document of a client ID that needs no registration.
func ExampleDocument() {
	document := &registration.Document{
		ClientID: "https://app.example/oauth-client",
		Metadata: registration.Metadata{
			ClientName:              "An app",
			RedirectURIs:            []string{"http://127.0.0.1/callback"},
			TokenEndpointAuthMethod: "none",
		},
	}
	http.Handle("GET /oauth-client", document)

	raw, err := document.JSON()
	var members map[string]any
	if err := errors.Join(err, json.Unmarshal(raw, &members)); err != nil {
		panic(err)
	}
	fmt.Println(members["client_id"])
	// Output: https://app.example/oauth-client
}

// trusted are the servers at which users of this application may sign in.
func trusted(issuer string) bool { return issuer != "" }

// reach signs a user in for an API without any configuration. It reads the API's challenge, finds
// the authorization server, identifies the client there, and begins the login.
func reach(ctx context.Context, api string, document *registration.Document) (*client.Client, string, *client.Pending, error) {
	challenge, err := ask(ctx, api)
	if err != nil {
		return nil, "", nil, err
	}
	resource, err := discovery.FetchChallenged(ctx, nil, challenge.ResourceMetadata, api)
	if err != nil {
		return nil, "", nil, err
	}
	server, err := resource.Server(ctx, nil, trusted)
	if err != nil {
		return nil, "", nil, err
	}
	config, err := introduce(ctx, server, document)
	if err != nil {
		return nil, "", nil, err
	}
	config.Scopes = []string{} // only the scopes that the API requires
	c, err := client.New(config)
	if err != nil {
		return nil, "", nil, err
	}
	login := challenge.Request()
	login.Resources = []string{resource.Resource}
	redirect, pending, err := c.Begin(ctx, login)
	return c, redirect, pending, err
}

// ask calls the API without a token to get its challenge.
func ask(ctx context.Context, api string) (*tokens.ChallengeError, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, api, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	challenge := tokens.ReadChallenge(resp)
	if challenge == nil {
		return nil, errors.New("the API asks for no token")
	}
	return challenge, nil
}

// introduce identifies the application at a server: by its document if the server supports that,
// otherwise by a registration.
func introduce(ctx context.Context, server *discovery.Provider, document *registration.Document) (client.Config, error) {
	metadata, err := server.Metadata(ctx)
	if err != nil {
		return client.Config{}, err
	}
	if metadata.ClientIDMetadataDocumentSupported {
		return document.Config(server, nil), nil
	}
	registrar := &registration.Registrar{Server: server}
	registered, err := registrar.Register(ctx, document.Metadata)
	if err != nil {
		return client.Config{}, err
	}
	return registered.Config(server, nil), nil
}

// Get from an API's challenge to the login, as an MCP client does.
func Example_unknownAPI() {
	document := &registration.Document{ClientID: "https://app.example/oauth-client", Metadata: registration.Metadata{
		RedirectURIs: []string{"http://127.0.0.1:8080/callback"}, TokenEndpointAuthMethod: "none",
	}}
	_, redirect, _, err := reach(context.Background(), "https://mcp.example/mcp", document)
	fmt.Println(redirect, err) // redirect the user's browser there
}

// newAPI is an API whose metadata contains its authorization server.
func newAPI(t *testing.T, s *optest.Server) (address string) {
	t.Helper()
	mux := http.NewServeMux()
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	address = web.URL + "/mcp"
	meta := &rs.Metadata{Resource: address, AuthorizationServers: []string{s.URL}}
	keys := (&discovery.Provider{Issuer: s.URL}).Keys()
	api := &rs.Protection{Tokens: &rs.JWT{Issuer: s.URL, Audience: address, Keys: keys}, Scopes: []string{"photos.read"}, ResourceMetadata: meta.URL()}
	mux.Handle(meta.Path(), meta)
	mux.Handle("/mcp", api.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })))
	return address
}

// TestUnknownAPI runs the example, and calls the API. RS-16.
func TestUnknownAPI(t *testing.T) {
	for _, documents := range []bool{false, true} {
		s := optest.New(t)
		api := newAPI(t, s)
		s.Edit = func(m map[string]any) { m["client_id_metadata_document_supported"] = documents }
		s.Token = func(m map[string]any) { m["access_token"] = s.AccessToken(map[string]any{"aud": api}, nil) }
		metadata := registration.Metadata{RedirectURIs: []string{optest.RedirectURL}, TokenEndpointAuthMethod: "none"}
		document := &registration.Document{ClientID: "https://app.example/oauth-client", Metadata: metadata}
		want := optest.PublicID
		if documents {
			s.DocumentID, want = document.ClientID, document.ClientID
		}
		c, redirect, pending, err := reach(t.Context(), api, document)
		if err != nil {
			t.Fatal(err)
		}
		form := s.Form("/par")
		if form.Get("client_id") != want || form.Get("resource") != api || form.Get("scope") != "photos.read" {
			t.Errorf("asked for %v", form)
		}
		tokens, err := c.Finish(t.Context(), pending, s.Visit(t, redirect))
		if err != nil {
			t.Fatal(err)
		}
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, api, nil)
		if err := c.Authorize(r, tokens); err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("the API answers %s", resp.Status)
		}
	}
}
