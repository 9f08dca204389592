// Devserver is an OpenID provider for development on this machine. On its login page you select
// a user. There is no password.
//
//	go -C examples run ./devserver -client 'web:secret:http://127.0.0.1:8080/callback' -user alice
//
// It prints each request and each error response. It is not for production.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/countersign/countersign/discovery/issuertest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "devserver:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	config, err := parse(args, out)
	if err != nil {
		return err
	}
	config.Observe = func(x issuertest.Exchange) { fmt.Fprintln(out, line(x)) }
	config.Ask = func(subject, address string) { fmt.Fprintf(out, "CIBA: %s decides at %s\n", subject, address) }
	issuer, err := issuertest.Start(config)
	if err != nil {
		return err
	}
	defer issuer.Close()
	fmt.Fprintf(out, "The issuer is %s\n", issuer.URL)
	fmt.Fprintf(out, "The audience (aud) of access tokens is %s\n", strings.Join(audience(config), " "))
	printRegistrations(out, config)
	<-ctx.Done()
	return nil
}

func printRegistrations(out io.Writer, config issuertest.Config) {
	for _, c := range config.Clients {
		kind, redirects := "confidential", "any redirect URI"
		if c.Secret == "" {
			kind = "public"
		}
		if len(c.RedirectURLs) > 0 {
			redirects = "redirect URI " + strings.Join(c.RedirectURLs, " ")
		}
		fmt.Fprintf(out, "client %s, %s, %s\n", c.ID, kind, redirects)
	}
	if len(config.Clients) == 0 {
		fmt.Fprintf(out, "client %s, confidential, any redirect URI. Its secret is %s\n", issuertest.ClientID, issuertest.ClientSecret)
	}
	for _, u := range config.Users {
		fmt.Fprintf(out, "user %s, name %v\n", u.Subject, u.Claims["name"])
	}
	if len(config.Users) == 0 {
		fmt.Fprintf(out, "user %s\n", issuertest.Subject)
	}
}

// audience is the one of tokens whose request names no resource.
func audience(c issuertest.Config) []string {
	if len(c.Audience) == 0 {
		return []string{issuertest.Audience}
	}
	return c.Audience
}

func parse(args []string, out io.Writer) (issuertest.Config, error) {
	config := issuertest.Config{PlainHTTP: true, Page: true}
	f := flag.NewFlagSet("devserver", flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&config.Listen, "listen", "127.0.0.1:9000", "`address` to listen on; the issuer is http:// and this address")
	f.StringVar(&config.Issuer, "issuer", "", "the issuer `URL`, if browsers and applications reach the server at another address")
	f.Func("client", "a client as `id:secret:redirect-uri`; an empty secret makes it public; the redirect URI can be empty; may be given again", func(s string) error {
		c, err := parseClient(s)
		config.Clients = append(config.Clients, c)
		return err
	})
	f.Func("user", "a user as `subject`, or subject:name:email; may be given again", func(s string) error {
		u, err := parseUser(s)
		config.Users = append(config.Users, u)
		return err
	})
	added := claims{}
	f.Func("claim", "a claim of access tokens as `name=value`, such as roles=admin; the value can be a JSON object or array; after -user it is for that user only; may be given again", func(s string) error {
		subject := ""
		if n := len(config.Users); n > 0 {
			subject = config.Users[n-1].Subject
		}
		return added.add(subject, s)
	})
	f.Func("audience", "`aud` of access tokens for requests without resource; may be given again", func(s string) error {
		config.Audience = append(config.Audience, s)
		return nil
	})
	f.Func("fault", "a `fault` to inject, such as id_token_nonce_wrong, or slow@/userinfo; may be given again", func(s string) error {
		config.Faults = append(config.Faults, issuertest.Fault(s))
		return nil
	})
	f.DurationVar(&config.Lifetime, "lifetime", 5*time.Minute, "lifetime of access and ID tokens, such as 1m")
	opaque := f.Bool("opaque", false, "issue opaque access tokens instead of JWTs")
	signedIn := f.Bool("signed-in", false, "sign the first user in without a page")
	if err := f.Parse(args); err != nil {
		return config, err
	}
	if *opaque {
		config.AccessTokens = issuertest.Opaque
	}
	if config.Lifetime < time.Second {
		return config, fmt.Errorf("-lifetime is %s, expected at least 1s", config.Lifetime)
	}
	config.Page = !*signedIn
	config.Edit.AccessToken, config.Edit.Introspection = added.edit, added.introspection
	return config, checkListen(config)
}

// checkListen rejects an address without a host: the issuer must be an address to connect to.
func checkListen(config issuertest.Config) error {
	host, port, err := net.SplitHostPort(config.Listen)
	if err != nil {
		return fmt.Errorf("-listen is %q, expected an address with a port, such as 127.0.0.1:9000", config.Listen)
	}
	ip, err := netip.ParseAddr(host)
	if config.Issuer == "" && (host == "" || err == nil && ip.IsUnspecified()) {
		return fmt.Errorf("-listen %s is every address of this machine: use one address, such as 127.0.0.1:%s, or set -issuer to the URL of the server", config.Listen, port)
	}
	return nil
}

// parseClient reads id:secret:redirect-uri.
func parseClient(s string) (issuertest.Client, error) {
	parts := strings.SplitN(s, ":", 3)
	if len(parts) != 3 || parts[0] == "" {
		return issuertest.Client{}, errors.New("expected id:secret:redirect-uri, for example web:secret:http://127.0.0.1:8080/callback")
	}
	c := issuertest.Client{ID: parts[0], Secret: parts[1]}
	if parts[2] == "" {
		return c, nil
	}
	if u, err := url.Parse(parts[2]); err != nil || u.Scheme == "" {
		return c, errors.New("the redirect URI must be an absolute URL, for example http://127.0.0.1:8080/callback")
	}
	c.RedirectURLs = []string{parts[2]}
	return c, nil
}

// parseUser reads subject, or subject:name:email.
func parseUser(s string) (issuertest.User, error) {
	parts := strings.Split(s, ":")
	if parts[0] == "" || len(parts) > 3 {
		return issuertest.User{}, errors.New("expected subject, or subject:name:email")
	}
	u := issuertest.User{Subject: parts[0], Claims: map[string]any{"name": parts[0]}}
	if len(parts) > 1 {
		u.Claims["name"] = parts[1]
	}
	if len(parts) > 2 {
		u.Claims["email"], u.Claims["email_verified"] = parts[2], true
	}
	return u, nil
}

// line describes a request without its secrets.
func line(x issuertest.Exchange) string {
	said := fmt.Sprintf("%s %s %d", x.Request.Method, x.Request.URL.Path, x.Status)
	if form, err := url.ParseQuery(string(x.RequestBody)); err == nil && form.Get("grant_type") != "" {
		said += " " + form.Get("grant_type")
	}
	if x.Status >= 400 && strings.HasPrefix(x.Header.Get("Content-Type"), "application/json") {
		said += " " + strings.TrimSpace(string(x.ResponseBody))
	}
	return said
}
