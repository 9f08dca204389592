// Package loopback signs the user of a program on a desktop in: it opens the browser that
// the user has, and takes the answer at a port of this machine (RFC 8252 §7.3). No secret is
// needed, and no server but the issuer's.
//
// It is for programs that run where the browser runs. A program on another machine, or
// without a screen, uses the device grant.
package loopback

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
)

// longest is how long a login may take: as long as a client.Pending lasts.
const longest = 10 * time.Minute

// defaultRedirectURL is what to register where nothing else was.
const defaultRedirectURL = "http://127.0.0.1/callback"

// Config is one login. Client must be set.
type Config struct {
	// Client is the registration, as that of package client. Its RedirectURL must be http
	// with the host 127.0.0.1 or [::1]: without a port a free one is used, which servers must
	// allow (RFC 8252 §7.3); with a port, that one. "" means http://127.0.0.1/callback. Its
	// Auth is Public() unless each copy of the program has a secret of its own.
	Client client.Config

	// Request is what the login asks for beyond that.
	Request client.Request

	// Open shows the address to the user. It is called from a goroutine of its own, and
	// may return before the user has done anything; an error ends the login. nil means
	// Browser, the system's. While that one starts, others on the machine see the address in
	// the list of processes: a pushed request (RFC 9126) keeps all but a reference out of it.
	Open func(ctx context.Context, address string) error
}

// Login signs the user in, and returns when the browser has brought an answer, or with
// an error when ctx ends or ten minutes are over. What arrives at the port without this
// login's state is refused and changes nothing, up to a hundred times.
//
// What is wrong with the configuration is named as client.New does. Every other error is
// a [*client.Error]; its Step is StepCallback when no answer came.
func Login(ctx context.Context, config Config) (*client.Tokens, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	redirect, err := config.redirect()
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", redirect.Host)
	if err != nil {
		return nil, failed(client.StepRequest, fmt.Errorf("no port to take the answer at: %w", err))
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
	w := newWait(c, pending, redirect)
	server := w.server(ctx)
	go server.Serve(listener)
	defer server.Close()
	go w.open(ctx, config.Open, address)
	return w.result(ctx)
}

// redirect is the address to listen at, port 0 for a free one.
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
		return nil, errors.New("loopback: Config.Client.RedirectURL is not http://127.0.0.1 or http://[::1] with a path")
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil || !strings.HasPrefix(u.Path, "/"):
		return nil, errors.New("loopback: Config.Client.RedirectURL is more than host and path")
	case !queryModes[c.Client.ResponseMode]:
		return nil, fmt.Errorf("loopback: Config.Client.ResponseMode is %q; the answer is taken in the query", c.Client.ResponseMode)
	case port == "":
		port = "0"
	}
	u.Host = net.JoinHostPort(host, port)
	return u, nil
}

// queryModes are the response modes that end in a GET with everything in the query.
var queryModes = map[string]bool{"": true, "query": true, "jwt": true, "query.jwt": true}

func failed(step client.Step, err error) error {
	return &client.Error{Step: step, Code: "login_failed", Err: err}
}
