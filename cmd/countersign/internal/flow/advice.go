package flow

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/jose"
)

// UsageError is a mistake in the flags, found before anything was sent.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// setting matches a field of a configuration in the module's errors.
var setting = regexp.MustCompile(`\b(?:client\.|grant\.)?(Config(?:\.Client)?|(?:Token|Backchannel|Exchange|Assertion)?Request)\.([A-Z]\w*)(?:\.[A-Z]\w*)*`)

// flagOf has the flag for each field. A field of only one request is under the name of the request.
var flagOf = map[string]string{
	"Issuer": "-issuer", "DiscoveryURL": "-discovery-url", "ClientID": "-client-id", "Auth": "-auth with -secret-env, -key or -cert",
	"RedirectURL": "-redirect-uri", "IDTokenAlgs": "-id-token-alg", "ResponseAlgs": "-id-token-alg", "PAR": "-par", "RequestObject": "-jar", "DPoP": "-dpop",
	"CertificateBound": "-cert", "Scopes": "-scope", "HTTP": "-ca", "InsecureHTTP": "-insecure-http", "Profile": "-profile", "ResponseMode": "-jarm",
	"MaxAge": "-max-age", "Resources": "-resource", "ACRValues": "-acr-values", "Prompt": "-prompt", "LoginHint": "-login-hint",
	"BindingMessage": "-binding-message", "RequestedExpiry": "-requested-expiry", "UserCode": "-user-code-env",
	"AssertionRequest.Subject": "-subject", "Keys": "-key", "ExchangeRequest.SubjectToken": "the token on standard input",
	"ActorToken": "-actor-token-env", "ActorTokenType": "-actor-token-type", "RequestedTokenType": "-requested-token-type", "Audiences": "-audience",
	"AssertionRequest.Assertion": "the JWT on standard input",
}

// withFlags names the flags for the settings in an error.
func withFlags(text string) string {
	return phrases.Replace(setting.ReplaceAllStringFunc(text, func(found string) string {
		parts := setting.FindStringSubmatch(found)
		if name := cmp.Or(flagOf[parts[1]+"."+parts[2]], flagOf[parts[2]]); name != "" {
			return name
		}
		return parts[2] + " (which only a program can set)"
	}))
}

// phrases replaces texts about settings by texts about flags.
var phrases = strings.NewReplacer(
	"Auth to be PrivateKeyJWT, TLS or SelfSignedTLS", "-auth private_key_jwt, tls_client_auth or self_signed_tls_client_auth with -key or -cert",
	"bound access tokens (CertificateBound, or DPoP with FAPI 2.0)", "bound access tokens (-cert, or -dpop with FAPI 2.0)", "IDTokenAlgs from", "-id-token-alg from",
	"requires BindingMessage, AuthorizationDetails or Extra, which describe", "requires -binding-message, which describes",
	// The module's advice gets the text of byCode, so that it is printed once.
	"compare -client-id and -auth with -secret-env, -key or -cert with the client's registration at the server", checkClient,
	"allow this grant or endpoint for the client at the server, or correct -client-id and -auth with -secret-env, -key or -cert", checkGrant,
	"compare -scope with the scopes that the server allows for the client", checkScope,
	"compare -resource with the APIs that the server allows for the client", checkTarget,
	"give ctx a later deadline (at most 10 minutes)", "set a longer -timeout (at most 10m)",
)

// explained returns an error for a terminal: with flags for settings, and with advice.
func (s *session) explained(ctx context.Context, name string, err error) error {
	text := withFlags(err.Error())
	if late := s.late(ctx, name, err); late != "" {
		text = late
	} else if advice := s.advice(err); advice != "" && !strings.Contains(text, advice) {
		text += ": " + advice
	}
	out := errors.New(text)
	var usage *UsageError
	if errors.As(err, &usage) {
		return &UsageError{out}
	}
	return out
}

// late returns the text for a flow that was slower than -timeout, or "".
func (s *session) late(ctx context.Context, name string, err error) string {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) {
		return ""
	}
	var failed *client.Error
	waits := errors.As(err, &failed) && failed.Step == client.StepToken
	switch {
	case failed != nil && failed.Step == client.StepCallback:
		return strings.TrimPrefix(withFlags(err.Error()), "client: callback: ")
	case name == "device" && waits:
		return fmt.Sprintf("the user did not enter the code on another device within %s: start again, or set a longer -timeout", jose.Duration(s.Timeout))
	case name == "ciba" && waits:
		return fmt.Sprintf("the user did not answer on the other device within %s: start again, or set a longer -timeout", jose.Duration(s.Timeout))
	}
	return fmt.Sprintf("the server did not answer within %s: start again, or set a longer -timeout", jose.Duration(s.Timeout))
}

// advice says what to do about the errors that beginners get.
func (s *session) advice(err error) string {
	var unknown x509.UnknownAuthorityError
	var failed *client.Error
	switch {
	case errors.As(err, &unknown):
		return "trust the server's authority with -ca FILE"
	case errors.Is(err, client.ErrNoEndpoint):
		return "countersign doctor " + s.Issuer + " shows what the server supports"
	case !errors.As(err, &failed):
		return ""
	case failed.Step == client.StepDiscovery:
		return "countersign doctor " + s.Issuer + " reports what to correct"
	}
	return byCode[failed.Code]
}

const (
	checkClient = "check -client-id, the credential (-secret-env, -key or -cert), and that -auth is the registered method"
	checkGrant  = "check that the client is registered for this grant, and that -client-id and the credential are correct"
	checkTarget = "check -resource and -audience"
	checkScope  = "check -scope: the server or the client's registration does not allow all of it"
)

// byCode has no redirect_uri: the module's own advice for it names the flag.
var byCode = map[string]string{
	"invalid_client":      checkClient,
	"unauthorized_client": checkGrant,
	"invalid_scope":       checkScope,
	"invalid_target":      checkTarget,
	"access_denied":       "the user or the server denied access",
	"login_required":      "remove -prompt none, so that the server can ask the user",
	"expired_token":       "the request has expired: start again",
	"unknown_user_id":     "check -login-hint: the server does not know the user",
}
