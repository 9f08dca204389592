package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/countersign/countersign/cmd/countersign/internal/tokenview"
	"github.com/countersign/countersign/cmd/countersign/internal/wire"
	"github.com/countersign/countersign/idtoken"
)

const tokenUsage = `Usage: countersign token [flags] [JWT|-]

Shows the header and the claims of a JWT, and checks it: the 14 steps for an ID token, the
checks of RFC 9068 for an access token. Without an argument, or with -, it reads standard
input, so that the token is not kept in the shell's history. It sends nothing without -fetch.

Without -issuer, -audience or -nonce, the check of that value is shown as not checked. -typ is
for access tokens of servers that do not follow RFC 9068: pass the typ of these tokens.

An encrypted token (JWE) requires the recipient's private key. -key names a file with a JWK, a
JWK set or PEM, and -key-env names an environment variable with one of these. With a key, a
token that is not encrypted fails.

Exit status: 0 if no check failed, 1 if a check failed, 2 for wrong arguments.

Example:
  echo "$TOKEN" | countersign token -
`

// tokenFlags are the flags of the command.
type tokenFlags struct {
	tokenview.Options
	fetch, insecureHTTP bool
	discoveryURL, ca    string
	accessTokenEnv      string
	keyFile, keyEnv     string
	json                bool

	keys []idtoken.DecryptionKey
}

func runToken(ctx context.Context, args []string, std standard) int {
	var f tokenFlags
	set := flag.NewFlagSet("token", flag.ContinueOnError)
	set.SetOutput(std.err)
	f.define(set)
	raw, status := parse(set, args, std)
	if status >= 0 {
		return status
	}
	if err := f.prepare(); err != nil {
		fmt.Fprintln(std.err, "countersign token:", err)
		return 2
	}
	return f.show(ctx, raw, std)
}

func (f *tokenFlags) define(set *flag.FlagSet) {
	set.StringVar(&f.Issuer, "issuer", "", "the expected `issuer`")
	set.StringVar(&f.Audience, "audience", "", "the expected audience: a client `ID`, or the identifier of an API")
	set.StringVar(&f.Nonce, "nonce", "", "the expected `nonce`")
	set.StringVar(&f.accessTokenEnv, "access-token-env", "", "the `NAME` of the environment variable with the access token that came with an ID token (at_hash)")
	set.StringVar(&f.Typ, "typ", "", "the expected `TYPE` in the header of an access token (default at+jwt)")
	set.StringVar(&f.keyFile, "key", "", "a `FILE` with the private key of the recipient, for an encrypted token: a JWK, a JWK set or PEM")
	set.StringVar(&f.keyEnv, "key-env", "", "the `NAME` of the environment variable with that key")
	set.BoolVar(&f.json, "json", false, "print JSON")
	set.BoolVar(&f.fetch, "fetch", false, "fetch the key set of -issuer to check the signature")
	set.StringVar(&f.discoveryURL, "discovery-url", "", "the `URL` of the metadata (default: the address that OpenID Connect Discovery defines)")
	set.StringVar(&f.ca, "ca", "", "a `FILE` of PEM certificates to trust instead of the system's")
	set.BoolVar(&f.insecureHTTP, "insecure-http", false, "fetch over http from any host, for development")
	set.Usage = func() { fmt.Fprint(set.Output(), tokenUsage, "\nFlags:\n"); set.PrintDefaults() }
}

// prepare: keys are fetched from the issuer that the person named, never from the one that
// the token names.
func (f *tokenFlags) prepare() (err error) {
	if f.AccessToken, err = fromEnv(f.accessTokenEnv); err != nil {
		return err
	}
	if err := f.readKeys(); err != nil || !f.fetch {
		return err
	}
	if f.Issuer == "" {
		return errors.New("-fetch requires -issuer: the issuer in the token is not trusted")
	}
	pool, err := readCAs(f.ca)
	if err != nil {
		return err
	}
	var hc *http.Client
	if pool != nil {
		hc = &http.Client{Transport: wire.NewTransport(&tls.Config{RootCAs: pool})}
	}
	f.Keys = tokenview.FetchKeys(f.Issuer, f.discoveryURL, f.insecureHTTP, hc)
	return nil
}

// readKeys reads the keys that open an encrypted token. They are never arguments.
func (f *tokenFlags) readKeys() error {
	text, err := fromEnv(f.keyEnv)
	switch {
	case err != nil:
		return err
	case f.keyFile != "" && f.keyEnv != "":
		return errors.New("-key and -key-env cannot be used together: remove one")
	case f.keyFile == "" && f.keyEnv == "":
		return nil
	}
	data, name := []byte(text), f.keyEnv
	if f.keyFile != "" {
		if data, err = os.ReadFile(f.keyFile); err != nil {
			return err
		}
		name = f.keyFile
	}
	if f.keys, err = tokenview.ParseKeys(data); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (f *tokenFlags) show(ctx context.Context, raw string, std standard) int {
	raw, err := tokenText(raw, std)
	if err != nil {
		fmt.Fprintln(std.err, "countersign token:", err)
		return 2
	}
	t, err := tokenview.Read(raw, f.keys...)
	if err != nil {
		f.showError(err, std)
		return 1
	}
	passed := false
	if f.json {
		passed = t.ShowJSON(ctx, std.out, f.Options)
	} else {
		f.Color = colored(std.out)
		passed = t.Show(ctx, std.out, f.Options)
	}
	if !passed {
		return 1
	}
	return 0
}

// tokenText returns the argument, or the text of standard input.
func tokenText(argument string, std standard) (string, error) {
	if argument != "" && argument != "-" {
		return argument, nil
	}
	if isTerminal(std.in) {
		fmt.Fprintln(std.err, "Paste the token, then press Enter and Ctrl+D:")
	}
	data, err := io.ReadAll(io.LimitReader(std.in, 128<<10))
	if err == nil && strings.TrimSpace(string(data)) == "" {
		err = errors.New("standard input has no token: pipe one to this command")
	}
	return string(data), err
}

// showError also shows the readable part of an encrypted token.
func (f *tokenFlags) showError(err error, std standard) {
	var encrypted *tokenview.EncryptedError
	known := errors.As(err, &encrypted)
	switch {
	case known && f.json:
		encrypted.ShowJSON(std.out)
	case known:
		encrypted.Show(std.out, tokenview.Options{Color: colored(std.out)})
	case f.json:
		tokenview.ErrorJSON(std.out, err)
	}
	fmt.Fprintln(std.err, "countersign token:", err)
}

func colored(out io.Writer) bool { return isTerminal(out) && os.Getenv("NO_COLOR") == "" }

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
