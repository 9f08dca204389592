package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/countersign/countersign/cmd/countersign/internal/flow"
)

// aFlow describes a command that runs a flow.
type aFlow struct {
	name, summary, about, example string
	stdin                         bool // a token can come from standard input
}

var flows = []aFlow{
	{"login", "sign in with the browser, and store the tokens", "Signs in with the authorization code flow and a loopback redirect (RFC 8252), checks the ID\ntoken in 14 steps, and stores the tokens.",
		`countersign login -issuer https://as.example -client-id cli -scope "openid offline_access"`, false},
	{"device", "sign in on another device", "Shows a code to enter on another device (RFC 8628), waits, and stores the tokens.",
		`countersign device -issuer https://as.example -client-id tv`, false},
	{"ciba", "sign in a user who confirms on another device (CIBA)", "Starts a login that the user confirms on another device (OpenID Connect CIBA, poll mode), waits,\nand stores the tokens. -login-hint names the user. With the argument -, it reads a login_hint_token\nfrom standard input instead.",
		`CLIENT_SECRET=… countersign ciba -issuer https://as.example -client-id desk -secret-env CLIENT_SECRET -login-hint alice -binding-message W4SCT`, true},
	{"credentials", "get a token for the client itself", "Gets an access token with the client credentials grant (RFC 6749 section 4.4), and stores it.",
		`CLIENT_SECRET=… countersign credentials -issuer https://as.example -client-id daemon -secret-env CLIENT_SECRET -scope read`, false},
	{"jwt-bearer", "get tokens with a JWT that names the user", "Gets tokens with a JWT as the grant (RFC 7523 section 2.1). -key signs the JWT for\n-subject. With the argument -, it reads a JWT of another issuer from standard input.",
		`CLIENT_SECRET=… countersign jwt-bearer -issuer https://as.example -client-id batch -secret-env CLIENT_SECRET -key batch.pem -subject alice`, true},
	{"exchange", "exchange a token for another one", "Exchanges a token (RFC 8693): the stored access token or, with the argument -, the token on\nstandard input. The new token is stored under the same name with \" exchanged\" added.",
		`CLIENT_SECRET=… countersign exchange -issuer https://as.example -client-id api -secret-env CLIENT_SECRET -audience https://billing.example`, true},
	{"refresh", "refresh the stored tokens", "Refreshes the stored tokens (RFC 6749 section 6), and stores the new ones. -scope narrows the\nnew access token down.",
		`countersign refresh -issuer https://as.example -client-id cli`, false},
	{"introspect", "ask the server about a token", "Asks the server about a token (RFC 7662): the stored access token or, with the argument -, the\ntoken on standard input.",
		`CLIENT_SECRET=… countersign introspect -issuer https://as.example -client-id api -secret-env CLIENT_SECRET -`, true},
	{"revoke", "revoke the stored tokens", "Revokes the stored tokens (RFC 7009), and deletes them here. With the argument -, it revokes the\ntoken on standard input.",
		`countersign revoke -issuer https://as.example -client-id cli`, true},
	{"userinfo", "ask the UserInfo endpoint", "Asks the UserInfo endpoint with the stored access token (OpenID Connect Core section 5.3).",
		`countersign userinfo -issuer https://as.example -client-id cli`, false},
	{"logout", "delete the stored tokens, and sign out at the server", "Deletes the stored tokens and ends the session at the server in the browser (OpenID Connect\nRP-Initiated Logout).",
		`countersign logout -issuer https://as.example -client-id cli`, false},
}

func (f aFlow) usage() string {
	argument := ""
	if f.stdin {
		argument = " [-]"
	}
	return fmt.Sprintf(`Usage: countersign %s -issuer URL -client-id ID [flags]%s

%s

It prints each request and each response. Labels such as ‹access_token 1› replace secrets,
codes and tokens. The same value always has the same label.

Exit status: 0 for success, 1 if the flow failed, 2 for wrong arguments.

Example:
  %s
`, f.name, argument, f.about, f.example)
}

func (f aFlow) command() command {
	return command{f.name, f.summary, func(ctx context.Context, args []string, std standard) int { return f.run(ctx, args, std) }}
}

func (f aFlow) run(ctx context.Context, args []string, std standard) int {
	var in flowFlags
	all := flag.NewFlagSet(f.name, flag.ContinueOnError)
	in.define(all)
	set := only(f.name, all)
	set.SetOutput(std.err)
	set.Usage = func() { fmt.Fprint(set.Output(), f.usage()); printFlags(set) }
	argument, status := parse(set, args, std)
	if status >= 0 {
		return status
	}
	options, err := in.options()
	if err == nil {
		err = f.readToken(argument, &options, std)
	}
	if err != nil {
		fmt.Fprintf(std.err, "countersign %s: %v\n", f.name, err)
		return 2
	}
	ctx, cancel := context.WithTimeout(ctx, in.timeout)
	defer cancel()
	err = flow.Run(ctx, f.name, options, std.out, std.err)
	if err != nil {
		fmt.Fprintf(std.err, "countersign %s: %v\n", f.name, err)
	}
	return statusOf(err)
}

// statusOf returns the exit status: 2 for a mistake in the flags.
func statusOf(err error) int {
	var usage *flow.UsageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return 2
	}
	return 1
}

// readToken reads the token from standard input, so that it does not stay in the shell's history.
func (f aFlow) readToken(argument string, o *flow.Options, std standard) error {
	switch {
	case argument == "":
		return nil
	case !f.stdin:
		return fmt.Errorf("received the argument %q, expected only flags", argument)
	case argument != "-":
		return errors.New("expected only the argument -: pass the token on standard input")
	}
	data, err := io.ReadAll(io.LimitReader(std.in, 128<<10))
	if err != nil {
		return err
	}
	token := strings.TrimSpace(string(data))
	if token == "" {
		return errors.New("standard input has no token")
	}
	*f.input(o) = token
	return nil
}

// input is what standard input is for.
func (f aFlow) input(o *flow.Options) *string {
	switch f.name {
	case "exchange":
		return &o.SubjectToken
	case "jwt-bearer":
		return &o.Assertion
	case "ciba":
		return &o.LoginHintToken
	}
	return &o.Token
}
