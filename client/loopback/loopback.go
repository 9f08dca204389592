// Package loopback signs in the user of a desktop or command-line program. It opens the user's
// browser and receives the authorization response at a port of this machine (RFC 8252 §7.3). It
// needs no secret.
//
// The program must run on the machine of the browser. A program on another machine, or without
// a screen, uses the device grant.
package loopback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
)

// longest is the time limit of a login: the lifetime of a client.Pending.
const longest = 10 * time.Minute

// defaultRedirectURL is the RedirectURL of a Config that has none.
const defaultRedirectURL = "http://127.0.0.1/callback"

// Config describes one login. Client must be set.
type Config struct {
	// Client is the registration. Its RedirectURL must be http with the host 127.0.0.1 or [::1].
	// Without a port Login chooses a free port, which servers must allow (RFC 8252 §7.3). With a
	// port Login listens on that port. "" means http://127.0.0.1/callback. Its Auth is Public()
	// unless each copy of the program has a different secret.
	Client client.Config

	// Request has additional parameters of the login. The zero value adds none.
	Request client.Request

	// Open shows the address to the user. Login calls it in a goroutine. It may return before the
	// user has done anything; an error ends the login. It may still run after Login has returned.
	// nil means Browser. While the browser starts, other users of the machine can see the address
	// in the list of processes. With a pushed request (RFC 9126) the address contains only a
	// reference.
	Open func(ctx context.Context, address string) error
}

// Login signs the user in. It returns when the response has arrived, or with an error when ctx ends
// or after 10 minutes. A request at the port without this login's state is rejected and changes
// nothing. The 100th such request ends the login.
//
// An error of the configuration names the fields, as for client.New. Every other error is a
// [*client.Error]. It has the codes of [client.Client.Begin] and [client.Client.Finish]. The code
// is "login_failed" if the port is taken, the browser cannot be opened, or no response arrived
// (StepCallback).
func Login(ctx context.Context, config Config) (*client.Tokens, error) {
	tokens, err := signIn(ctx, config)
	config.advise(err)
	return tokens, err
}

// advise names the redirect URI to register. The redirect URI in a request has a new port each
// time.
func (c *Config) advise(err error) {
	var rejected interface{ AdviseRedirect(string) }
	u, malformed := url.Parse(cmp.Or(c.Client.RedirectURL, defaultRedirectURL))
	if malformed == nil && u.Port() == "" && errors.As(err, &rejected) {
		rejected.AdviseRedirect("register " + u.String() + " (the server must accept any port), or set a RedirectURL with a registered port")
	}
}

func signIn(ctx context.Context, config Config) (*client.Tokens, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	limit := limitOf(ctx)
	redirect, err := config.redirect()
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", redirect.Host)
	if err != nil {
		return nil, failed(client.StepRequest, fmt.Errorf("cannot listen for the response at Config.Client.RedirectURL: %w", err))
	}
	defer listener.Close()
	redirect.Host = listener.Addr().String()
	config.Client.RedirectURL = redirect.String()
	c, err := client.New(config.Client)
	if err != nil {
		return nil, err
	}
	address, pending, err := c.Begin(ctx, config.Request)
	if err != nil {
		return nil, err
	}
	w := newWait(c, pending, redirect, limit)
	server := w.server(ctx)
	go server.Serve(listener)
	defer server.Close()
	go w.open(ctx, config.Open, address)
	return w.result(ctx)
}

// limitOf returns the time until the deadline of ctx, as text.
func limitOf(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline() // Login sets one
	limit := time.Until(deadline)
	if limit < time.Second {
		return limit.Round(time.Millisecond)
	}
	return limit.Round(time.Second)
}

// redirect is the URL to listen at, with port 0 for a free one.
func (c *Config) redirect() (*url.URL, error) {
	raw := c.Client.RedirectURL
	if raw == "" {
		raw = defaultRedirectURL
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("loopback: Config.Client.RedirectURL is malformed")
	}
	host, port := u.Hostname(), u.Port()
	switch {
	case u.Scheme != "http" || host != "127.0.0.1" && host != "::1": // RFC 8252 §8.3: not localhost
		return nil, errors.New("loopback: Config.Client.RedirectURL must be http://127.0.0.1 or http://[::1] with a path")
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil || !strings.HasPrefix(u.Path, "/"):
		return nil, errors.New("loopback: Config.Client.RedirectURL must have a path and must not have a query, fragment or user")
	case !queryModes[c.Client.ResponseMode]:
		return nil, fmt.Errorf("loopback: Config.Client.ResponseMode is %q, expected query, jwt or query.jwt: the response must arrive in the query", c.Client.ResponseMode)
	case port == "":
		port = "0"
	}
	u.Host = net.JoinHostPort(host, port)
	return u, nil
}

// queryModes are the response modes with all parameters in the query of a GET.
var queryModes = map[string]bool{"": true, "query": true, "jwt": true, "query.jwt": true}

func failed(step client.Step, err error) error {
	return &client.Error{Step: step, Code: "login_failed", Err: err}
}
