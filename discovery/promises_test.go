package discovery_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/countersign/countersign/discovery"
)

// TestCallerGivesUp: a call ends with the error of its context, and does not wait for the server.
func TestCallerGivesUp(t *testing.T) {
	release := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-release }))
	defer web.Close()
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := (&discovery.Provider{Issuer: web.URL}).Metadata(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}
