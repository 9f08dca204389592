package internal

import (
	"net/http"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
)

// The code of the pages on device bound sessions and single-page applications.
func howToBind(c *client.Client, keys [][]byte, store login.Store, mux *http.ServeMux, transfer http.Handler) error {
	l, err := login.New(login.Config{
		Clients: map[string]*client.Client{"main": c}, Keys: keys, Store: store,
		Device: &login.Device{},
	})
	if err != nil {
		return err
	}
	mux.Handle("/device-session", l.DeviceSession())
	mux.Handle("POST /transfer", l.RequireDevice(transfer))
	return nil
}

func howToServeAPage(c *client.Client, keys [][]byte, mux *http.ServeMux) error {
	l, err := login.New(login.Config{
		Clients: map[string]*client.Client{"main": c}, Keys: keys,
		KeepTokens: true, Claims: []string{"name"},
	})
	if err != nil {
		return err
	}
	api, err := l.Proxy(login.Proxy{
		Target: "https://api.example/v1",
		Prefix: "/api",
		Allow:  []string{"GET /photos", "GET /photos/{id}", "POST /photos"},
	})
	if err != nil {
		return err
	}
	mux.Handle("/session", l.Session())
	mux.Handle("/api/", api)
	return nil
}

// TestDeviceAndPage: New accepts the configurations of the pages.
func TestDeviceAndPage(t *testing.T) {
	c, err := client.New(client.Config{Issuer: "https://as.example", ClientID: "web", Auth: auth.Public(), RedirectURL: "https://app.example/callback", Scopes: []string{"openid"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := howToBind(c, nil, &login.Memory{}, http.NewServeMux(), http.NotFoundHandler()); err != nil {
		t.Error(err)
	}
	if err := howToServeAPage(c, nil, http.NewServeMux()); err != nil {
		t.Error(err)
	}
}
