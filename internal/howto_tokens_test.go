package internal_test

import (
	"context"
	"errors"
	"net/http"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
)

// The code of docs/use-tokens.md, compiled. internal/stepup_test.go runs it.
var _ = []any{keepFresh, afterLogin, callAPI, askForMore}

// sharedStore has the methods of redisstore.Store.
type sharedStore interface {
	tokens.Store
	tokens.Leases
}

func keepFresh(c *client.Client, redis sharedStore) *tokens.Refresher {
	refresher := &tokens.Refresher{Client: c, Store: redis, Leases: redis}
	return refresher
}

func afterLogin(ctx context.Context, refresher *tokens.Refresher, sessionID string, tokens *client.Tokens) error {
	return refresher.Add(ctx, sessionID, tokens)
}

func callAPI(ctx context.Context, c *client.Client, refresher *tokens.Refresher, sessionID string) (*http.Response, error) {
	api := &http.Client{Transport: &tokens.Transport{
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
	var wants *tokens.ChallengeError
	switch {
	case errors.Is(err, tokens.ErrLoginRequired):
		return c.Begin(ctx, client.Request{})
	case errors.As(err, &wants) && wants.Code != tokens.InvalidToken:
		return c.Begin(ctx, wants.Request())
	}
	return "", nil, err
}
