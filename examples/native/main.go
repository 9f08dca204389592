// Native is a program on a desktop, or in a terminal, that signs its user in.
//
//	go -C examples run ./native            in the browser
//	go -C examples run ./native -device    with a code that the user enters on another device
//
// It starts its own server. To use another one, register a public client there, with the redirect
// URI http://127.0.0.1/callback:
//
//	go -C examples run ./native -issuer https://as.example -client-id photoctl
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/loopback"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/examples/internal/visitor"
)

// patience is how long the user has.
const patience = 5 * time.Minute

const demoID = "photoctl"

var demoUser = issuertest.User{Subject: "248289761001", Claims: map[string]any{"name": "Alice Liddell"}}

// program is one run. visitor plays the user; nil leaves that to a person.
type program struct {
	client  client.Config
	device  bool
	visitor *visitor.Visitor
	out     io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "native:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet("native", flag.ContinueOnError)
	f.SetOutput(out)
	issuer := f.String("issuer", "", "`URL` of another server to use")
	id := f.String("client-id", demoID, "`id` of the public client registered there")
	scopes := f.String("scopes", "openid profile", "`scopes` to ask for, space-separated")
	device := f.Bool("device", false, "sign in by a code, on any device with a browser")
	headless := f.Bool("headless", false, "play the user, at the included server")
	if err := f.Parse(args); err != nil {
		return err
	}
	p := &program{device: *device, out: out}
	if *issuer == "" {
		address, closeServer, err := startServer()
		if err != nil {
			return err
		}
		defer closeServer()
		*issuer, *id = address, demoID
	} else if *headless {
		return errors.New("-headless works only with the embedded server: remove it")
	}
	if *headless {
		p.visitor = &visitor.Visitor{Username: demoUser.Subject}
	}
	p.client = client.Config{Issuer: *issuer, ClientID: *id, Auth: auth.Public(), Scopes: strings.Fields(*scopes)}
	return p.run(ctx)
}

// run signs the user in, and says who it is. A program would now keep the tokens where
// the system keeps secrets of the user: in a keychain, not in a file.
func (p *program) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	signIn := p.inBrowser
	if p.device {
		signIn = p.onDevice
	}
	tokens, err := signIn(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "Signed in: %s at %s, until %s.\n", tokens.Login.Subject, tokens.Login.Issuer, tokens.Expiry.Format(time.TimeOnly))
	return nil
}

// inBrowser opens the browser, and receives the answer on loopback.
func (p *program) inBrowser(ctx context.Context) (*client.Tokens, error) {
	return loopback.Login(ctx, loopback.Config{
		Client: p.client,
		Open: func(ctx context.Context, address string) error {
			fmt.Fprintf(p.out, "Sign in in the browser. If none opens, go to\n%s\n", address)
			if p.visitor != nil {
				return p.play(ctx, address)
			}
			if err := loopback.Browser(ctx, address); err != nil {
				slog.Debug("no browser", "reason", err) // the address is shown
			}
			return nil
		},
	})
}

// onDevice shows a code, and waits until the user has typed it in elsewhere.
func (p *program) onDevice(ctx context.Context) (*client.Tokens, error) {
	c, err := client.New(p.client)
	if err != nil {
		return nil, err
	}
	d, err := grant.BeginDevice(ctx, c, client.TokenRequest{})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(p.out, "Go to %s and type in the code %s\n", d.VerificationURI, d.UserCode)
	if p.visitor != nil {
		if err := p.play(ctx, d.VerificationURIComplete); err != nil {
			return nil, err
		}
	}
	return grant.FinishDevice(ctx, c, d)
}

// play is the user. It fills in the forms at an address, and opens the page after them.
func (p *program) play(ctx context.Context, address string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	page, err := p.visitor.Open(r)
	if err == nil {
		page, err = p.visitor.Through(ctx, page)
	}
	if err != nil || page.Redirect == nil {
		return err
	}
	if r, err = http.NewRequestWithContext(ctx, http.MethodGet, page.Redirect.String(), nil); err != nil {
		return err
	}
	_, err = p.visitor.Open(r)
	return err
}

// startServer starts the embedded server. It lets the port of a loopback redirect URI vary.
func startServer() (issuer string, stop func(), err error) {
	server, err := issuertest.Start(issuertest.Config{
		PlainHTTP: true, Page: true,
		Clients: []issuertest.Client{{
			ID: demoID, Name: "photoctl", RedirectURLs: []string{"http://127.0.0.1/callback"}, Scopes: []string{"openid", "profile"},
		}},
		Users: []issuertest.User{demoUser},
	})
	if err != nil {
		return "", nil, err
	}
	return server.URL, server.Close, nil
}
