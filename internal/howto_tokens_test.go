package internal_test

import (
	"context"
	"errors"
	"net/http"

	"github.com/countersign/countersign/client"
)

// The code of docs/use-tokens.md, compiled. internal/stepup_test.go goes this way.
var _ = []any{keepFresh, afterLogin, callAPI, askForMore}

// sharedStore is what redisstore.Store is.
type sharedStore interface {
	client.TokenStore
	client.Leases
}

func keepFresh(c *client.Client, redis sharedStore) *client.Refresher {
	refresher := &client.Refresher{Client: c, Store: redis, Leases: redis}
	return refresher
}

func afterLogin(ctx context.Context, refresher *client.Refresher, sessionID string, tokens *client.Tokens) error {
	return refresher.Keep(ctx, sessionID, tokens)
}

func callAPI(ctx context.Context, c *client.Client, refresher *client.Refresher, sessionID string) (*http.Response, error) {
	api := &http.Client{Transport: &client.Transport{
		Client:  c,
		Tokens:  refresher.Source(sessionID),
		Origins: []string{"https://photos.example"},
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://photos.example/albums", nil)
	if err != nil {
		return nil, err
	}
	return api.Do(r)
}

func askForMore(ctx context.Context, c *client.Client, err error) (string, *client.Pending, error) {
	var wants *client.ChallengeError
	switch {
	case errors.Is(err, client.ErrLoginRequired):
		return c.Begin(ctx, client.Request{})
	case errors.As(err, &wants) && wants.Code != client.InvalidToken:
		return c.Begin(ctx, wants.Request())
	}
	return "", nil, err
}
