// Quickstart is a complete login on one machine. It starts an authorization server, a web
// application that signs visitors in, and an API that the application calls for them.
//
//	go -C examples run ./quickstart             then open the address that it prints
//	go -C examples run ./quickstart -headless   acts as the visitor too
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
)

const usage = `Quickstart is a login from end to end: an authorization server, a web application, an API.

  go -C examples run ./quickstart              open the address that it prints
  go -C examples run ./quickstart -headless    simulate the visitor too; exit with 0 if all went well

With -issuer it uses that server instead of its own. Register a client there with the
redirect URI http://127.0.0.1:8080/callback (-listen chooses host and port). The API
accepts access tokens that are JWTs as in RFC 9068. Set -audience to what your server
writes into their aud. The API rejects a token for another audience, and the page says so.
A sign-out ends at your server, on its own page.

`

// options are the flags.
type options struct {
	listen                         string
	issuer, clientID, clientSecret string
	scopes, audience               string
	token                          string
	headless, cancel               bool
	username, password             string
}

func parse(args []string, output io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	f.SetOutput(output)
	f.Usage = func() { io.WriteString(output, usage); f.PrintDefaults() }
	f.StringVar(&o.listen, "listen", "", "`address` of the web application on loopback (default a free port; with -issuer 127.0.0.1:8080)")
	f.StringVar(&o.token, "token", "jwt", "`kind` of access tokens that the embedded server makes: jwt or opaque")
	f.StringVar(&o.issuer, "issuer", "", "`URL` of another server to use")
	f.StringVar(&o.clientID, "client-id", "", "`id` of the client registered there")
	f.StringVar(&o.clientSecret, "client-secret", "", "its `secret` for client_secret_basic, empty for a public client; prefer the environment variable CLIENT_SECRET")
	f.StringVar(&o.scopes, "scopes", "", "`scopes` to ask for, space-separated (default all of the embedded server; with -issuer openid)")
	f.StringVar(&o.audience, "audience", "", "the API's `identifier`, sent as resource and looked for in aud (default the API's address)")
	f.BoolVar(&o.headless, "headless", false, "simulate the visitor, print the steps, and end")
	f.BoolVar(&o.cancel, "cancel", false, "with -headless: press Cancel in the login form; the sign-in then fails")
	f.StringVar(&o.username, "username", demoUser.Subject, "with -headless: the visitor's user `name`, at the embedded server the subject")
	f.StringVar(&o.password, "password", "", "with -headless and -issuer: the visitor's password")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	return o, o.complete()
}

// complete checks the flags and fills in what depends on others.
func (o *options) complete() error {
	foreign := o.issuer != ""
	switch {
	case o.token != "jwt" && o.token != "opaque":
		return fmt.Errorf("-token is %q, expected jwt or opaque", o.token)
	case o.cancel && !o.headless:
		return errors.New("-cancel requires -headless")
	case foreign && o.clientID == "":
		return errors.New("-issuer requires -client-id")
	case !foreign && (o.clientID != "" || o.clientSecret != ""):
		return errors.New("-client-id and -client-secret require -issuer")
	}
	byDefault := func(value *string, own, elsewhere string) {
		if *value == "" && foreign {
			*value = elsewhere
		} else if *value == "" {
			*value = own
		}
	}
	byDefault(&o.listen, "127.0.0.1:0", "127.0.0.1:8080")
	byDefault(&o.scopes, "openid profile email "+apiScope, "openid")
	byDefault(&o.clientSecret, "", os.Getenv("CLIENT_SECRET"))
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(2)
	}
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options, out io.Writer) error {
	s, err := start(setup{options: o, log: slog.Default(), say: printer(out)})
	if err != nil {
		return err
	}
	defer s.close()
	if o.headless {
		return visit(ctx, s, out)
	}
	fmt.Fprintf(out, "Open %s in a browser. The authorization server is %s, the API %s. Ctrl-C ends them.\n\n", s.app, s.issuer, s.api)
	<-ctx.Done()
	return nil
}

// printer prints the steps as they happen.
func printer(out io.Writer) func(step string) {
	return func(step string) { fmt.Fprintln(out, step) }
}
