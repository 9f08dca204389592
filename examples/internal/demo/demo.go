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
	"github.com/countersign/countersign/examples/internal/authserver"
	"github.com/countersign/countersign/rs"
)

// Alice is the one account.
var Alice = authserver.User{Subject: "248289761001", Username: "alice", Password: "wonderland", Name: "Alice Liddell", Email: "alice@example.com"}

// Listen takes a free port, and gives its address too.
func Listen() (net.Listener, string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	return l, "http://" + l.Addr().String(), nil
}

// Server starts an authorization server that knows Alice and the clients.
func Server(clients ...authserver.Client) (issuer string, err error) {
	l, issuer, err := Listen()
	if err != nil {
		return "", err
	}
	server, err := authserver.New(authserver.Config{Issuer: issuer, Clients: clients, Users: []authserver.User{Alice}})
	if err != nil {
		return "", err
	}
	Serve(l, server)
	return issuer, nil
}

// Serve answers on l until the process ends.
func Serve(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(l)
}

// Protect makes an API of h that takes the tokens of issuer which are for audience and have
// the scope.
func Protect(issuer, audience, scope string, h http.Handler) http.Handler {
	provider := &discovery.Provider{Issuer: issuer}
	tokens := &rs.JWT{Issuer: issuer, Audience: audience, Keys: provider.Keys()}
	return (&rs.Protection{Tokens: tokens}).Handler(rs.RequireScope(scope)(h))
}

// Say is an API that says who calls.
func Say(what string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := rs.FromContext(r.Context())
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "%s of %s, asked for by %s", what, caller.Subject, caller.ClientID)
	})
}

// Allow plays Alice, who types a device's code in and allows it.
func Allow(ctx context.Context, verificationURI, userCode string) error {
	form := url.Values{"user_code": {userCode}, "username": {Alice.Username}, "password": {Alice.Password}, "action": {"allow"}}
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
		return fmt.Errorf("alice is told %s", resp.Status)
	}
	return nil
}
