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

	"github.com/countersign/countersign/cmd/countersign/internal/tokenview"
)

const tokenUsage = `Usage: countersign token [flags] [JWT|-]

Shows the header and the claims of a JWT, and the checks that it passes: the 14 steps for an
ID token, those of RFC 9068 for an access token. Without an argument, or with -, it reads
standard input, so that the token does not stay in the shell's history. Nothing is sent
without -fetch.

What -issuer, -audience and -nonce do not name is taken from the token itself, and is then
not checked.

Exit status: 0 when the checks passed that could be made, 1 when one failed, 2 for wrong
arguments.

Example:
  echo "$TOKEN" | countersign token -
`

func runToken(ctx context.Context, args []string, std standard) int {
	var o tokenview.Options
	var fetch bool
	var ca string
	set := flag.NewFlagSet("token", flag.ContinueOnError)
	set.SetOutput(std.err)
	set.StringVar(&o.Issuer, "issuer", "", "the expected `issuer`")
	set.StringVar(&o.Audience, "audience", "", "the expected audience: a client `ID`, or the identifier of an API")
	set.StringVar(&o.Nonce, "nonce", "", "the expected `nonce`")
	set.BoolVar(&fetch, "fetch", false, "fetch the key set of -issuer to check the signature")
	set.StringVar(&ca, "ca", "", "a `FILE` of PEM certificates to trust instead of the system's")
	set.Usage = func() { fmt.Fprint(set.Output(), tokenUsage, "\nFlags:\n"); set.PrintDefaults() }
	raw, status := parse(set, args, std)
	if status >= 0 {
		return status
	}
	if err := prepare(&o, fetch, ca); err != nil {
		fmt.Fprintln(std.err, "countersign token:", err)
		return 2
	}
	return show(ctx, raw, o, std)
}

// prepare: keys are fetched from the issuer that the person named, never from the one that
// the token names.
func prepare(o *tokenview.Options, fetch bool, ca string) error {
	if !fetch {
		return nil
	}
	if o.Issuer == "" {
		return errors.New("-fetch needs -issuer: a token must not choose whose keys check it")
	}
	pool, err := readCAs(ca)
	if err != nil {
		return err
	}
	var hc *http.Client
	if pool != nil {
		hc = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	}
	o.Keys = tokenview.FetchKeys(o.Issuer, hc)
	return nil
}

func show(ctx context.Context, raw string, o tokenview.Options, std standard) int {
	if raw == "" || raw == "-" {
		data, err := io.ReadAll(io.LimitReader(std.in, 128<<10))
		if err != nil {
			fmt.Fprintln(std.err, "countersign token:", err)
			return 2
		}
		raw = string(data)
	}
	t, err := tokenview.Read(raw)
	if err != nil {
		fmt.Fprintln(std.err, "countersign token:", err)
		return 1
	}
	o.Color = isTerminal(std.out)
	if !t.Show(ctx, std.out, o) {
		return 1
	}
	return 0
}

// isTerminal follows NO_COLOR.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
