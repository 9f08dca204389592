// Package demo starts what the examples without a browser need where nothing else was
// named: the embedded authorization server, and APIs. All of it is on loopback, and ends
// with the process.
package demo

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

// Alice is the one account.
var Alice = issuertest.User{Subject: "248289761001", Claims: map[string]any{"name": "Alice Liddell", "email": "alice@example.com"}}

// Listen opens a free port, and returns its address too.
func Listen() (net.Listener, string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	return l, "http://" + l.Addr().String(), nil
}

// Server starts an authorization server that knows Alice and the clients.
func Server(clients ...issuertest.Client) (issuer string, err error) {
	server, err := issuertest.Start(issuertest.Config{PlainHTTP: true, Page: true, Clients: clients, Users: []issuertest.User{Alice}})
	if err != nil {
		return "", err
	}
	return server.URL, nil
}

// Serve answers on l until the process ends.
func Serve(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(l)
}

// Protect makes an API of h. It accepts tokens of issuer that are for audience and have the scope.
func Protect(issuer, audience, scope string, h http.Handler) http.Handler {
	provider := &discovery.Provider{Issuer: issuer}
	tokens := &rs.JWT{Issuer: issuer, Audience: audience, Keys: provider.Keys()}
	return (&rs.Protection{Tokens: tokens}).Handler(rs.RequireScope(scope)(h))
}

// Say is an API that says who calls.
func Say(what string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, ok := rs.FromContext(r.Context())
		if !ok {
			http.Error(w, "no token", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "%s of %s, requested by %s", what, caller.Subject, caller.ClientID)
	})
}

// Allow plays Alice, who types a device's code in and allows it.
func Allow(ctx context.Context, verificationURI, userCode string) error {
	form := url.Values{"user_code": {userCode}, "user": {Alice.Subject}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, verificationURI, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("alice sees %s", resp.Status)
	}
	return nil
}
