package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/countersign/countersign/client/loopback"
	"github.com/countersign/countersign/cmd/countersign/internal/playground"
	"github.com/countersign/countersign/cmd/countersign/internal/wire"
)

const playgroundUsage = `Usage: countersign playground [flags]

Serves a page on 127.0.0.1 that shows a login between a browser, an application, a server and
an API as a sequence diagram. Switches change the login, and buttons attack it. All four run
in this process, and no request leaves this machine. The address contains a key that works once.

With -issuer the page signs in at your own server. Attacks then change only the responses.
Register http://127.0.0.1:PORT/callback, with the port of -port, as a redirect URI there.

Exit status: 0 after an interrupt, 1 if it cannot listen, 2 for wrong arguments.

Example:
  countersign playground -no-browser
`

func runPlayground(ctx context.Context, args []string, std standard) int {
	set := flag.NewFlagSet("playground", flag.ContinueOnError)
	set.SetOutput(std.err)
	port := set.Int("port", 0, "the `PORT` of 127.0.0.1 to listen on; 0 means a free one")
	noBrowser := set.Bool("no-browser", false, "print the address instead of opening the browser")
	var own playgroundServer
	own.define(set)
	set.Usage = func() { fmt.Fprint(set.Output(), playgroundUsage, "\nFlags:\n"); set.PrintDefaults() }
	argument, status := parse(set, args, std)
	if status >= 0 {
		return status
	}
	if argument != "" {
		fmt.Fprintf(std.err, "countersign playground: received the argument %q, expected only flags\n", argument)
		return 2
	}
	server, err := own.server(*port)
	if err != nil {
		fmt.Fprintln(std.err, "countersign playground:", err)
		return 2
	}
	if err := servePlayground(ctx, *port, server, !*noBrowser, std); err != nil {
		fmt.Fprintln(std.err, "countersign playground:", err)
		return 1
	}
	return 0
}

func servePlayground(ctx context.Context, port int, server *playground.Own, open bool, std standard) error {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	return playground.Serve(ctx, l, server, func(address string) { announce(ctx, address, open, std) })
}

// playgroundServer are the flags of a server of the person's own.
type playgroundServer struct{ issuer, clientID, secretEnv, scope, algs, ca string }

func (p *playgroundServer) define(set *flag.FlagSet) {
	set.StringVar(&p.issuer, "issuer", "", "sign in at the server with this issuer `URL`, and not at the embedded one")
	set.StringVar(&p.clientID, "client-id", "", "the client `ID` at that server")
	set.StringVar(&p.secretEnv, "secret-env", "", "the `NAME` of the environment variable with the client secret")
	set.StringVar(&p.scope, "scope", "openid", "the `SCOPES`, separated by spaces")
	set.StringVar(&p.algs, "id-token-alg", "", "the signature `ALGORITHMS` of ID tokens, separated by spaces (default RS256)")
	set.StringVar(&p.ca, "ca", "", "a `FILE` of PEM certificates to trust instead of the system's")
}

// server is nil without -issuer.
func (p *playgroundServer) server(port int) (*playground.Own, error) {
	switch {
	case p.issuer == "" && p.clientID == "":
		return nil, nil
	case p.issuer == "" || p.clientID == "":
		return nil, errors.New("-issuer and -client-id require each other: pass both")
	case port == 0:
		return nil, errors.New("-issuer requires -port: the redirect URI contains the port")
	}
	own := &playground.Own{Issuer: p.issuer, ClientID: p.clientID, Scopes: strings.Fields(p.scope), IDTokenAlgs: strings.Fields(p.algs)}
	if p.secretEnv != "" {
		if own.Secret = os.Getenv(p.secretEnv); own.Secret == "" {
			return nil, fmt.Errorf("the environment variable %s is not set", p.secretEnv)
		}
	}
	pool, err := readCAs(p.ca)
	if pool != nil {
		own.Transport = wire.NewTransport(&tls.Config{RootCAs: pool})
	}
	return own, err
}

// announce prints the address too when the browser opens: it may be the wrong one.
func announce(ctx context.Context, address string, open bool, std standard) {
	fmt.Fprintf(std.out, "The playground is at\n\n%s\n\nStop it with Ctrl+C.\n", address)
	if open && loopback.Browser(ctx, address) != nil {
		fmt.Fprintln(std.err, "countersign playground: cannot open a browser: open the address in one")
	}
}
