package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

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
	{"credentials", "get a token for the client itself", "Gets an access token with the client credentials grant (RFC 6749 section 4.4), and stores it.",
		`CLIENT_SECRET=… countersign credentials -issuer https://as.example -client-id daemon -secret-env CLIENT_SECRET -scope read`, false},
	{"exchange", "exchange a token for another one", "Exchanges a token (RFC 8693): the stored access token, or the one that standard input has with\nthe argument -. The new token is stored under the same name with \" exchanged\" added.",
		`CLIENT_SECRET=… countersign exchange -issuer https://as.example -client-id api -secret-env CLIENT_SECRET -audience https://billing.example`, true},
	{"refresh", "refresh the stored tokens", "Refreshes the stored tokens (RFC 6749 section 6), and stores the new ones. -scope narrows the\nnew access token down.",
		`countersign refresh -issuer https://as.example -client-id cli`, false},
	{"introspect", "ask the server about a token", "Asks the server about a token (RFC 7662): the stored access token, or the one that standard\ninput has with the argument -.",
		`CLIENT_SECRET=… countersign introspect -issuer https://as.example -client-id api -secret-env CLIENT_SECRET -`, true},
	{"revoke", "revoke the stored tokens", "Revokes the stored tokens and deletes them here (RFC 7009), or revokes the one that standard\ninput has with the argument -.",
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

It prints each request and each response. Secrets, codes and tokens are replaced by labels
such as ‹access_token 1›: the same value has the same label.

Exit status: 0 for success, 1 when the flow failed, 2 for wrong arguments.

Example:
  %s
`, f.name, argument, f.about, f.example)
}

func (f aFlow) command() command {
	return command{f.name, f.summary, func(ctx context.Context, args []string, std standard) int { return f.run(ctx, args, std) }}
}

// flowFlags are those that have to be read before they are options.
type flowFlags struct {
	flow.Options
	secretEnv, profile, ca, scope, acr, prompt, algs string
	noBrowser                                        bool
	maxAge                                           int
	timeout                                          time.Duration
}

func (f aFlow) run(ctx context.Context, args []string, std standard) int {
	var in flowFlags
	set := flag.NewFlagSet(f.name, flag.ContinueOnError)
	set.SetOutput(std.err)
	in.define(set)
	set.Usage = func() { fmt.Fprint(set.Output(), f.usage(), "\nFlags:\n"); set.PrintDefaults() }
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
	if err := flow.Run(ctx, f.name, options, std.out, std.err); err != nil {
		fmt.Fprintf(std.err, "countersign %s: %v\n", f.name, err)
		return 1
	}
	return 0
}

func (in *flowFlags) define(set *flag.FlagSet) {
	o := &in.Options
	set.StringVar(&o.Issuer, "issuer", "", "the issuer `URL`, exactly as the server writes it")
	set.StringVar(&o.DiscoveryURL, "discovery-url", "", "the `URL` of the metadata, if it is not where OpenID Connect Discovery puts it")
	set.StringVar(&o.ClientID, "client-id", "", "the client `ID`")
	set.StringVar(&in.secretEnv, "secret-env", "", "the `NAME` of the environment variable with the client secret")
	set.StringVar(&o.Auth, "auth", "", "the authentication `METHOD`: client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt, tls_client_auth, self_signed_tls_client_auth or none")
	set.StringVar(&o.KeyFile, "key", "", "a PEM `FILE` with the private key for private_key_jwt and -jar")
	set.StringVar(&o.KeyID, "kid", "", "the `ID` of that key at the server")
	set.StringVar(&o.Alg, "alg", "", "the signature `ALGORITHM` of that key, if it is an RSA key: PS256 or RS256")
	set.StringVar(&o.CertFile, "cert", "", "a PEM `FILE` with the client certificate (mTLS); access tokens must then be bound to it")
	set.StringVar(&o.CertKeyFile, "cert-key", "", "a PEM `FILE` with the key of -cert, if it is not in the same file")
	set.StringVar(&o.RedirectURI, "redirect-uri", "", "the loopback redirect `URI`; without a port a free one is chosen (default http://127.0.0.1/callback)")
	set.StringVar(&in.scope, "scope", "", "the `SCOPES`, separated by spaces")
	set.Func("resource", "the `URI` of an API that the token is for (RFC 8707); may be given again", appendTo(&o.Resources))
	set.Func("audience", "the `NAME` of a service that the exchanged token is for (RFC 8693); may be given again", appendTo(&o.Audiences))
	set.StringVar(&o.PAR, "par", "auto", "push the authorization request (RFC 9126): `auto`, required or off")
	set.BoolVar(&o.JAR, "jar", false, "sign the authorization request with -key (RFC 9101)")
	set.BoolFunc("jarm", "ask for a signed authorization response (JARM)", func(string) error { o.ResponseMode = "query.jwt"; return nil })
	set.BoolVar(&o.DPoP, "dpop", false, "bind the tokens to a new key (RFC 9449)")
	set.StringVar(&in.profile, "profile", "", "keep the rules of a profile: oidc-basic, oauth-2.1, fapi1-advanced, fapi2-security or fapi2-message-signing")
	set.StringVar(&in.algs, "id-token-alg", "", "the signature `ALGORITHMS` of ID tokens and signed responses, separated by spaces (default RS256)")
	set.StringVar(&in.acr, "acr-values", "", "the authentication context classes to ask for, separated by spaces")
	set.StringVar(&in.prompt, "prompt", "", "none, login, consent or select_account")
	set.IntVar(&in.maxAge, "max-age", -1, "how long ago the user may have authenticated, in `SECONDS`")
	set.StringVar(&o.LoginHint, "login-hint", "", "the `USER` who is about to sign in")
	set.StringVar(&o.SubjectTokenType, "subject-token-type", "", "of exchange: access_token, id_token, jwt or a URN")
	set.StringVar(&o.RequestedTokenType, "requested-token-type", "", "of exchange: access_token, id_token, jwt or a URN")
	set.StringVar(&o.Hint, "token-type-hint", "", "of introspect and revoke: access_token or refresh_token")
	set.StringVar(&o.StoreDir, "store", "", "the `DIRECTORY` of stored tokens (default: countersign in the user's configuration directory)")
	set.StringVar(&o.Name, "name", "", "the `NAME` of the stored tokens (default: issuer and client ID)")
	set.StringVar(&in.ca, "ca", "", "a `FILE` of PEM certificates to trust instead of the system's")
	set.BoolVar(&o.InsecureHTTP, "insecure-http", false, "accept http on any host, for development")
	set.BoolVar(&in.noBrowser, "no-browser", false, "print the address instead of opening the browser")
	set.BoolVar(&o.Curl, "curl", false, "print requests as curl commands")
	set.BoolVar(&o.JSON, "json", false, "print the exchanges and the outcome as JSON")
	set.DurationVar(&in.timeout, "timeout", 5*time.Minute, "how long the flow may take")
}

func appendTo(list *[]string) func(string) error {
	return func(s string) error { *list = append(*list, s); return nil }
}

func (in *flowFlags) options() (flow.Options, error) {
	o := in.Options
	profile, known := profileFlag[in.profile]
	switch {
	case o.Issuer == "" || o.ClientID == "":
		return o, fmt.Errorf("-issuer and -client-id are required")
	case !known:
		return o, fmt.Errorf("-profile %q is unknown", in.profile)
	case o.Curl && o.JSON:
		return o, fmt.Errorf("-curl and -json exclude each other")
	case in.maxAge < -1:
		return o, fmt.Errorf("-max-age is %d, expected 0 or more seconds", in.maxAge)
	}
	o.Profile, o.Open, o.MaxAge = profile, !in.noBrowser, time.Duration(in.maxAge)*time.Second
	o.ACRValues, o.Prompt, o.IDTokenAlgs = strings.Fields(in.acr), strings.Fields(in.prompt), strings.Fields(in.algs)
	if in.scope != "" {
		o.Scopes = strings.Fields(in.scope)
	}
	if in.secretEnv != "" {
		if o.Secret = os.Getenv(in.secretEnv); o.Secret == "" {
			return o, fmt.Errorf("the environment variable %s is not set", in.secretEnv)
		}
	}
	if o.StoreDir == "" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return o, fmt.Errorf("set -store: %w", err)
		}
		o.StoreDir = filepath.Join(dir, "countersign")
	}
	var err error
	o.RootCAs, err = readCAs(in.ca)
	return o, err
}

// readToken reads the token from standard input, so that it does not stay in the shell's history.
func (f aFlow) readToken(argument string, o *flow.Options, std standard) error {
	if argument == "" {
		return nil
	}
	if argument != "-" || !f.stdin {
		return fmt.Errorf("the argument %q is not expected", argument)
	}
	data, err := io.ReadAll(io.LimitReader(std.in, 128<<10))
	if err != nil {
		return err
	}
	token := strings.TrimSpace(string(data))
	if token == "" {
		return fmt.Errorf("standard input has no token")
	}
	if f.name == "exchange" {
		o.SubjectToken = token
	} else {
		o.Token = token
	}
	return nil
}
