package flow

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/countersign/countersign/client"
)

// UsageError is a mistake in the flags, found before anything was sent.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// flagOf names the flags for the settings that the module's errors name.
var flagOf = strings.NewReplacer(
	"Config.Client.RedirectURL", "-redirect-uri", "Config.RedirectURL", "-redirect-uri", "Config.Issuer", "-issuer", "Config.ClientID", "-client-id",
	"Config.Auth", "-auth with -secret-env, -key or -cert", "Config.DiscoveryURL", "-discovery-url", "Config.IDTokenAlgs", "-id-token-alg", "Config.ResponseAlgs", "-id-token-alg",
	"Config.PAR ", "-par ", "Config.RequestObject", "-jar", "Config.DPoP", "-dpop", "Config.CertificateBound", "-cert", "Config.Scopes", "-scope",
	"Config.HTTP", "-ca", "Config.InsecureHTTP", "-insecure-http", "Config.Profile", "-profile", "Config.ResponseMode", "-jarm",
	"Auth to be PrivateKeyJWT, TLS or SelfSignedTLS", "-auth private_key_jwt, tls_client_auth or self_signed_tls_client_auth with -key or -cert",
	"bound access tokens (CertificateBound, or DPoP with FAPI 2.0)", "bound access tokens (-cert, or -dpop with FAPI 2.0)", "IDTokenAlgs from", "-id-token-alg from",
	"AssertionRequest.Subject", "-subject", "BackchannelRequest.BindingMessage", "-binding-message",
)

// explained is an error as a person at a terminal needs it: with flags for settings, and with
// what to do.
func (s *session) explained(err error) error {
	text := flagOf.Replace(err.Error())
	if advice := s.advice(err); advice != "" && !strings.Contains(text, advice) {
		text += ". " + advice
	}
	out := errors.New(text)
	var usage *UsageError
	if errors.As(err, &usage) {
		return &UsageError{out}
	}
	return out
}

// advice says what to do about the errors that beginners get.
func (s *session) advice(err error) string {
	var unknown x509.UnknownAuthorityError
	var failed *client.Error
	switch {
	case errors.As(err, &unknown):
		return "Trust the server's authority with -ca FILE"
	case errors.Is(err, context.DeadlineExceeded):
		return "The time of -timeout is over: start again, or set a longer one"
	case errors.Is(err, client.ErrNoEndpoint):
		return "countersign doctor " + s.Issuer + " shows what the server offers"
	case !errors.As(err, &failed):
		return ""
	case failed.Step == client.StepDiscovery:
		return "countersign doctor " + s.Issuer + " says what is wrong"
	}
	return byCode[failed.Code]
}

var byCode = map[string]string{
	"invalid_client":       "Check -client-id, the credential (-secret-env, -key or -cert), and that -auth is the registered method",
	"unauthorized_client":  "Check that the client is registered for this grant, and that -client-id and -secret-env are right",
	"invalid_redirect_uri": "Register the redirect URI at the server, or name a registered one with -redirect-uri",
	"invalid_scope":        "Check -scope: the server or the client's registration does not allow all of it",
	"invalid_target":       "Check -resource and -audience",
	"access_denied":        "The user or the server refused",
	"login_required":       "Leave out -prompt none, so that the server can ask the user",
	"expired_token":        "The time to answer is over: start again",
	"unknown_user_id":      "Check -login-hint: the server does not know the user",
}
