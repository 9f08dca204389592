package mcpauth_test

import (
	"context"
	"errors"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/crossapp"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/mcpauth"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/authzen"
)

// The code that the pages of docs show, compiled.
var _ = []any{callUnknown, withoutUser, protectTools, callOther, acceptActor, askPolicy}

func callUnknown(document *registration.Document, ask func(context.Context, string) bool, browser func(context.Context, string) error, tokens tokens.Store, url string) (mcp.Transport, error) {
	h, err := mcpauth.New(mcpauth.Config{Client: document, Trusted: ask, Open: browser, Store: tokens})
	if err != nil {
		return nil, err
	}
	transport := &mcp.StreamableClientTransport{Endpoint: url, OAuthHandler: h, HTTPClient: h.HTTPClient()}
	return transport, nil
}

func withoutUser(config mcpauth.Config, serviceAccountToken func(context.Context, string) (string, error), idp *client.Client, idToken func(context.Context) (crossapp.Subject, error)) mcpauth.Config {
	config.Grant = grant.ClientCredentials // with a secret or a key
	config.Grant = mcpauth.Workload(serviceAccountToken)
	config.Grant = mcpauth.EnterpriseManaged(idp, idToken)
	config.Registered = func(issuer string) (client.Config, bool) {
		return client.Config{ClientID: "workload", Auth: auth.Anonymous()}, issuer == "https://login.example"
	}
	return config
}

func protectTools(meta *rs.Metadata, api *rs.Protection, sdk http.Handler) {
	guard := mcpauth.Tools(map[string][]string{
		"list":   {"photos.read"},
		"delete": {"photos.read", "photos.write"},
	})
	http.Handle(meta.Path(), meta)
	http.Handle("/mcp", api.Handler(guard(mcpauth.Identify(sdk))))
}

func callOther(idp, chat *client.Client, idToken func(context.Context) (crossapp.Subject, error)) (tokens.Source, error) {
	app := crossapp.CrossApp{IdP: idp, At: chat, Resource: "https://api.chat.example/", Subject: idToken}
	source, err := app.Source()
	return source, err
}

func acceptActor(issuer string, agents map[string]bool) func(http.Handler) http.Handler {
	guard := rs.RequireActor(2, func(_ *http.Request, actor *rs.Actor) error {
		if actor.Issuer != "" && actor.Issuer != issuer || !agents[actor.Subject] {
			return errors.New("this agent may not act for users")
		}
		return nil
	})
	return guard
}

func askPolicy() func(http.Handler) http.Handler {
	pdp := &authzen.PDP{URL: "https://pdp.example"}
	guard := pdp.Require(func(r *http.Request, who *rs.Principal) ([]authzen.Evaluation, error) {
		return []authzen.Evaluation{{
			Subject:  authzen.User(who),
			Action:   authzen.Action{Name: "read"},
			Resource: authzen.Resource{Type: "photo", ID: r.PathValue("id")},
		}}, nil
	})
	return guard
}
