package redisstore_test

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/redisstore"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/ssf"
)

// The code of docs/end-access-immediately.md, compiled.
var _ = []any{listed, ended, received, created, otherChecks}

func listed(ctx context.Context, store *redisstore.Store, sharedKey []byte, tokens rs.Verifier, clients map[string]*client.Client, keys [][]byte) (*rs.Protection, *login.Login, error) {
	revocations := &rs.Revocations{Shared: store, SharedKey: sharedKey}
	go revocations.Run(ctx)
	api := &rs.Protection{Tokens: &rs.Cache{Tokens: tokens}, Revocation: []rs.RevocationCheck{revocations}}
	visitors, err := login.New(login.Config{Clients: clients, Keys: keys, Store: store, Effects: []login.Effect{revocations}})
	return api, visitors, err
}

func ended(ctx context.Context, revocations *rs.Revocations, visitors *login.Login, issuer, subject string) error {
	now := time.Now()
	if err := revocations.EndAccess(ctx, issuer, subject, "", now); err != nil {
		return err
	}
	return visitors.EndAccess(ctx, issuer, subject, "", now)
}

func received(mux *http.ServeMux, store *redisstore.Store, revocations *rs.Revocations, visitors *login.Login, service *client.Client, secret string) *ssf.Receiver {
	events := &ssf.Receiver{
		Issuer:        "https://as.example",
		Audience:      "https://app.example",
		Effects:       []ssf.Effect{visitors, revocations},
		Store:         store,
		Authorization: "Bearer " + secret,
		Token: func(ctx context.Context) (string, error) {
			issued, err := grant.ClientCredentials(ctx, service, client.TokenRequest{Scopes: []string{"ssf.read", "ssf.manage"}})
			if err != nil {
				return "", err
			}
			return issued.AccessToken, nil
		},
	}
	mux.Handle("POST /events", events.Handler())
	return events
}

func created(ctx context.Context, events *ssf.Receiver) error {
	stream, err := events.Create(ctx, "https://app.example/events")
	if err != nil {
		return err
	}
	slog.Info("stream of security events", "id", stream.ID, "audience", stream.Audience)
	return events.VerifyStream(ctx, stream.ID)
}

func otherChecks(server *discovery.Provider, auth rs.Authenticator) []rs.RevocationCheck {
	lists := &rs.StatusLists{Issuer: server.Issuer, Keys: server.Keys()}
	sessions := &rs.PingSessions{Issuer: server.Issuer, Server: server, Auth: auth}
	return []rs.RevocationCheck{lists, sessions}
}
