package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/countersign/countersign/cmd/countersign/internal/flow"
)

// flowFlags are the flags as text. They are converted to options.
type flowFlags struct {
	flow.Options
	secretEnv, userCodeEnv, actorTokenEnv string
	profile, ca, scope, acr, prompt, algs string
	noBrowser                             bool
	maxAge                                int
	timeout                               time.Duration
}

func (in *flowFlags) define(set *flag.FlagSet) {
	in.defineClient(set)
	in.defineRequest(set)
	in.defineGrants(set)
	in.defineOutput(set)
}

func (in *flowFlags) defineClient(set *flag.FlagSet) {
	defineCredentials(set, &in.Options, &in.secretEnv, &in.ca)
	o := &in.Options
	set.StringVar(&o.Issuer, "issuer", "", "the issuer `URL`, exactly as the server writes it")
	set.StringVar(&o.DiscoveryURL, "discovery-url", "", "the `URL` of the metadata (default: the address that OpenID Connect Discovery defines)")
	set.StringVar(&o.ClientID, "client-id", "", "the client `ID`")
	set.StringVar(&o.Auth, "auth", "", "the authentication `METHOD`: client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt, tls_client_auth, self_signed_tls_client_auth or none")
	set.StringVar(&o.KeyFile, "key", "", "a PEM `FILE` with the client's private key: it signs assertions (private_key_jwt), requests (-jar) and the JWT of jwt-bearer")
	set.StringVar(&o.CertFile, "cert", "", "a PEM `FILE` with the client certificate (mTLS); access tokens must then be bound to it")
	set.StringVar(&o.AssertionAudience, "assertion-audience", "", "the aud `URL` of JWTs that -key signs for the token endpoint (default: the issuer)")
	set.BoolVar(&o.DPoP, "dpop", false, "bind the tokens to a new key (RFC 9449)")
	set.StringVar(&in.profile, "profile", "", "enforce the rules of a `PROFILE`: "+profileNames())
	set.StringVar(&in.algs, "id-token-alg", "", "the signature `ALGORITHMS` of ID tokens and signed responses, separated by spaces (default RS256)")
}

func (in *flowFlags) defineRequest(set *flag.FlagSet) {
	o := &in.Options
	set.StringVar(&in.scope, "scope", "", "the `SCOPES`, separated by spaces")
	set.Func("resource", "the `URI` of an API that the token is for (RFC 8707); may be given again", appendTo(&o.Resources))
	set.StringVar(&o.RedirectURI, "redirect-uri", "", "the loopback redirect `URI`; without a port, a free port is used (default http://127.0.0.1/callback)")
	set.StringVar(&o.PAR, "par", "auto", "when to push the authorization request (RFC 9126): the `MODE` auto, required or off")
	set.BoolVar(&o.JAR, "jar", false, "sign the request with -key (RFC 9101)")
	set.BoolFunc("jarm", "request a signed authorization response (JARM)", func(string) error { o.ResponseMode = "query.jwt"; return nil })
	set.StringVar(&in.acr, "acr-values", "", "the authentication context `CLASSES` to request, separated by spaces")
	set.StringVar(&in.prompt, "prompt", "", "the `VALUES` none, login, consent or select_account, separated by spaces")
	set.IntVar(&in.maxAge, "max-age", noMaxAge, "the maximum time since the user authenticated, in `SECONDS` (default: no limit)")
	set.Lookup("max-age").DefValue = "0" // which is not printed
	set.StringVar(&o.LoginHint, "login-hint", "", "the `USER` who signs in (login_hint)")
}

// noMaxAge means that the flag was not used: 0 is a value.
const noMaxAge = -1

func (in *flowFlags) defineGrants(set *flag.FlagSet) {
	o := &in.Options
	set.StringVar(&o.BindingMessage, "binding-message", "", "the `TEXT` that both devices show")
	set.StringVar(&in.userCodeEnv, "user-code-env", "", "the `NAME` of the environment variable with the user's code, if the server requires one")
	set.DurationVar(&o.RequestedExpiry, "requested-expiry", 0, "the time that the user has to answer (default: the server's)")
	set.StringVar(&o.Subject, "subject", "", "the `USER` that the JWT is for (sub)")
	set.StringVar(&o.AssertionIssuer, "assertion-issuer", "", "the iss `NAME` of the JWT (default: the client ID)")
	set.StringVar(&o.AssertionTyp, "assertion-typ", "", "the typ `NAME` of the JWT (default authorization-grant+jwt)")
	set.Func("audience", "the `NAME` of a service that the new token is for (RFC 8693); may be given again", appendTo(&o.Audiences))
	set.StringVar(&o.SubjectTokenType, "subject-token-type", "", "the `TYPE` of the token to exchange: access_token, id_token, jwt or a URN (default access_token)")
	set.StringVar(&in.actorTokenEnv, "actor-token-env", "", "the `NAME` of the environment variable with the actor token: the token of the party that acts for the user")
	set.StringVar(&o.ActorTokenType, "actor-token-type", "", "the `TYPE` of the actor token: access_token, id_token, jwt or a URN")
	set.StringVar(&o.RequestedTokenType, "requested-token-type", "", "the `TYPE` of token to request: access_token, id_token, jwt or a URN")
	set.StringVar(&o.Hint, "token-type-hint", "", "the `TYPE` of the token: access_token or refresh_token")
}

func (in *flowFlags) defineOutput(set *flag.FlagSet) {
	o := &in.Options
	set.StringVar(&o.StoreDir, "store", "", "the `DIRECTORY` of stored tokens (default: countersign in the user's configuration directory)")
	set.StringVar(&o.Name, "name", "", "the `NAME` of the stored tokens (default: issuer and client ID)")
	set.BoolVar(&in.noBrowser, "no-browser", false, "print the address instead of opening the browser")
	set.BoolVar(&o.Curl, "curl", false, "print requests as curl commands")
	set.BoolVar(&o.JSON, "json", false, "print requests, responses and the result as JSON")
	set.DurationVar(&in.timeout, "timeout", 5*time.Minute, "the maximum duration of the flow")
}

func appendTo(list *[]string) func(string) error {
	return func(s string) error { *list = append(*list, s); return nil }
}

func (in *flowFlags) options() (flow.Options, error) {
	if err := in.check(); err != nil {
		return flow.Options{}, err
	}
	o := in.Options
	o.Timeout = in.timeout
	o.Profile, o.Open, o.MaxAge = profileFlag[in.profile], !in.noBrowser, time.Duration(in.maxAge)*time.Second
	o.ACRValues, o.Prompt, o.IDTokenAlgs = strings.Fields(in.acr), strings.Fields(in.prompt), strings.Fields(in.algs)
	if in.scope != "" {
		o.Scopes = strings.Fields(in.scope)
	}
	if err := in.readEnv(&o); err != nil {
		return o, err
	}
	if o.StoreDir == "" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return o, fmt.Errorf("cannot find the user's configuration directory: set -store: %w", err)
		}
		o.StoreDir = filepath.Join(dir, "countersign")
	}
	var err error
	o.RootCAs, err = readCAs(in.ca)
	return o, err
}

func (in *flowFlags) check() error {
	_, known := profileFlag[in.profile]
	switch {
	case in.Issuer == "":
		return errors.New("-issuer is required: the address of the server, such as https://as.example")
	case in.ClientID == "":
		return errors.New("-client-id is required: the ID of a client that is registered at the server")
	case !known:
		return unknownProfile(in.profile)
	case in.Curl && in.JSON:
		return errors.New("-curl and -json cannot be used together: remove one")
	case in.maxAge < noMaxAge:
		return fmt.Errorf("-max-age is %d, expected 0 or more seconds", in.maxAge)
	case in.timeout <= 0:
		return fmt.Errorf("-timeout is %v, expected a positive duration such as 2m", in.timeout)
	}
	return nil
}

// readEnv reads the secrets, which must not be arguments: other users of the machine see those.
func (in *flowFlags) readEnv(o *flow.Options) (err error) {
	if o.Secret, err = fromEnv(in.secretEnv); err != nil {
		return err
	}
	if o.UserCode, err = fromEnv(in.userCodeEnv); err != nil {
		return err
	}
	o.ActorToken, err = fromEnv(in.actorTokenEnv)
	return err
}

// fromEnv returns "" without a name.
func fromEnv(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	value := os.Getenv(name)
	if value == "" {
		return "", fmt.Errorf("the environment variable %s is empty or not set: export it first", name)
	}
	return value, nil
}

// defineCredentials defines the flags about credentials and trust that the doctor and the flows share.
func defineCredentials(set *flag.FlagSet, o *flow.Options, secretEnv, ca *string) {
	set.StringVar(secretEnv, "secret-env", "", "the `NAME` of the environment variable with the client secret")
	set.StringVar(&o.KeyID, "kid", "", "the `ID` (kid) of -key at the server")
	set.StringVar(&o.Alg, "alg", "", "the signature `ALGORITHM` of -key, if it is an RSA key: PS256 or RS256")
	set.StringVar(&o.CertKeyFile, "cert-key", "", "a PEM `FILE` with the key of -cert, if it is not in the same file")
	set.StringVar(ca, "ca", "", "a `FILE` of PEM certificates to trust instead of the system's")
	set.BoolVar(&o.InsecureHTTP, "insecure-http", false, "accept http on any host, for development")
}
