package grant

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/countersign/countersign/client"
)

// The types of tokens, RFC 8693 §3.
const (
	AccessTokenType  = "urn:ietf:params:oauth:token-type:access_token"
	RefreshTokenType = "urn:ietf:params:oauth:token-type:refresh_token"
	IDTokenType      = "urn:ietf:params:oauth:token-type:id_token"
	SAML1Type        = "urn:ietf:params:oauth:token-type:saml1"
	SAML2Type        = "urn:ietf:params:oauth:token-type:saml2"
	JWTType          = "urn:ietf:params:oauth:token-type:jwt"
)

// ExchangeRequest is a request for a token in exchange for another, RFC 8693 §2.1.
// SubjectToken must be set. It redacts itself in fmt and log/slog. Encoders return an
// error.
type ExchangeRequest struct {
	hidden[ExchangeRequest]

	client.TokenRequest

	// SubjectToken represents the party on whose behalf the request is made. SubjectTokenType is
	// its type. "" means AccessTokenType.
	SubjectToken, SubjectTokenType string

	// ActorToken represents the party that acts for the subject. "" names no actor.
	// ActorTokenType is its type. "" means AccessTokenType.
	ActorToken, ActorTokenType string

	// RequestedTokenType is the requested type. A token of another type is rejected. "" means
	// the server's default.
	RequestedTokenType string

	// Audiences are the server's names of the services that the new token is for. Empty lets the
	// server decide.
	Audiences []string
}

// TokenExchange gets a token in exchange for another token: for the next service, on behalf of the
// user who called. Token.Extra("issued_token_type") is the type of the new token. If it is not an
// access token, TokenType may be "N_A", and [client.Client.Authorize] rejects it. An ID token in
// the response is validated as that of a login without nonce.
//
// Every error is a [*client.Error]. Codes of the server (RFC 8693 §2.2.2): "invalid_request" for a
// token that the server rejects, "invalid_target" if it issues no token for the service. Further
// codes (RFC 6749 §5.2): "invalid_client", "unauthorized_client", "unsupported_grant_type",
// "invalid_grant", "invalid_scope". Other codes of the server are returned unchanged. The code is
// "temporarily_unavailable" if the server did not answer, and "login_failed" if a setting, req or
// the response is wrong.
func TokenExchange(ctx context.Context, c *client.Client, req ExchangeRequest) (*client.Tokens, error) {
	form, err := req.exchangeForm()
	if err != nil {
		return nil, client.NewError(client.StepToken, err)
	}
	return c.Grant(ctx, client.Grant{
		Type: "urn:ietf:params:oauth:grant-type:token-exchange", Form: form,
		Check: func(t *client.Tokens) error { return checkIssued(t, req.RequestedTokenType) },
	})
}

func (r *ExchangeRequest) exchangeForm() (url.Values, error) {
	if err := r.checkTokens(); err != nil {
		return nil, err
	}
	v, err := r.Form()
	if err != nil {
		return nil, err
	}
	setToken(v, "subject_token", r.SubjectToken, r.SubjectTokenType)
	setToken(v, "actor_token", r.ActorToken, r.ActorTokenType)
	if r.RequestedTokenType != "" {
		v.Set("requested_token_type", r.RequestedTokenType)
	}
	if len(r.Audiences) > 0 {
		v["audience"] = slices.Clone(r.Audiences)
	}
	return v, nil
}

// setToken sets a token and its type. It sets nothing if the token is empty.
func setToken(v url.Values, name, token, kind string) {
	if token == "" {
		return
	}
	if kind == "" {
		kind = AccessTokenType
	}
	v.Set(name, token)
	v.Set(name+"_type", kind)
}

func (r *ExchangeRequest) checkTokens() error {
	switch {
	case r.SubjectToken == "":
		return errors.New("ExchangeRequest.SubjectToken is empty: set it to the token to exchange")
	case r.ActorToken == "" && r.ActorTokenType != "":
		return errors.New("ExchangeRequest.ActorTokenType is set, but ActorToken is empty: set both")
	case r.Extra.Has("audience"):
		return errors.New(`ExchangeRequest.Extra contains "audience": use ExchangeRequest.Audiences`)
	}
	for _, kind := range []string{r.SubjectTokenType, r.ActorTokenType, r.RequestedTokenType} {
		if u, err := url.Parse(kind); err != nil || kind != "" && !u.IsAbs() {
			return fmt.Errorf("the token type is %q, expected a URI such as grant.AccessTokenType", kind)
		}
	}
	return nil
}

// checkIssued applies RFC 8693 §2.2.1: the response must name the type of the issued token, and
// it must be the requested type.
func checkIssued(t *client.Tokens, requested string) error {
	switch issued, _ := t.Extra("issued_token_type").(string); {
	case issued == "":
		return errors.New("issued_token_type is missing in the response")
	case requested != "" && issued != requested:
		return fmt.Errorf("issued_token_type is %.100q, expected %q (ExchangeRequest.RequestedTokenType)", issued, requested)
	}
	return nil
}
