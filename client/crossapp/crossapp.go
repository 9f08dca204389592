package crossapp

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/internal/redact"
)

const (
	// TokenType is the type of the grant in the token exchange.
	TokenType = "urn:ietf:params:oauth:token-type:id-jag"

	// Profile is the value of authorization_grant_profiles_supported for such grants.
	Profile = "urn:ietf:params:oauth:grant-profile:id-jag"

	jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	jwtDPoP   = "urn:ietf:params:oauth:grant-type:jwt-dpop"
)

// CrossApp configures the access of one user to an API of another application. IdP, At, Resource
// and Subject are required. It is safe for concurrent use after the fields are set.
type CrossApp struct {
	// IdP is this application's client at the identity provider, where the user signed in. With
	// Config.DPoP it requests grants that are bound to its key. Then At needs Config.DPoP too. Both
	// need the same Keys if the keys cannot be exported, for example from a KMS.
	IdP *client.Client

	// At is this application's client at the authorization server of the other application.
	// The identity provider must know its client_id.
	At *client.Client

	// Resource is the resource identifier of the API (RFC 8707): an absolute URI.
	Resource string

	// Scopes are the requested scopes. nil lets the servers decide.
	Scopes []string

	// Subject returns the user's ID token. It is called once for each grant. Its error makes the
	// call fail.
	Subject func(ctx context.Context) (Subject, error)

	// InsecureMissingResource accepts a grant without the claim resource, for identity providers
	// that omit it. The authorization server then decides for which API the token is.
	InsecureMissingResource bool
}

// Subject is a token that the identity provider issued for the user. It redacts itself in fmt and
// log/slog. Encoders return an error.
type Subject struct {
	redact.All[Subject]

	// Token is the user's ID token: Tokens.IDTokenHint of the login. Some identity providers
	// accept a refresh token too.
	Token string

	// Type is the type of Token, such as grant.RefreshTokenType. "" means grant.IDTokenType.
	Type string
}

// Source returns a source of access tokens for the API. The source keeps a token in memory, and
// gets a new one shortly before it expires. The error of Source contains the fields of a that are
// not set. The source returns the errors of [CrossApp.Fetch].
func (a CrossApp) Source() (tokens.Source, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	r := &tokens.Refresher{Client: a.At, Fetch: func(ctx context.Context, _ *client.Tokens) (*client.Tokens, error) { return a.Fetch(ctx) }}
	return r.Source(""), nil
}

// Fetch gets a grant and an access token. The result has no refresh token, because the identity
// provider decides about each access token.
//
// An error of a request is a [*client.Error]. It has the codes of [grant.TokenExchange] at the
// identity provider and of [grant.JWTBearer] at the other server; "invalid_target" means that the
// identity provider does not allow this API. An error wraps [tokens.ErrLoginRequired] if the user
// has to sign in at the identity provider again. If a field of a is not set, the error is not a
// [*client.Error].
func (a CrossApp) Fetch(ctx context.Context) (*client.Tokens, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	if err := a.checkServers(ctx); err != nil {
		return nil, err
	}
	jag, err := a.exchange(ctx)
	if err != nil {
		return nil, err
	}
	issued, err := a.redeem(ctx, jag)
	if err != nil {
		return nil, loginRequired(err, "insufficient_user_authentication", "login_required", "interaction_required")
	}
	out, token := *issued, *issued.Token
	token.RefreshToken, out.Token = "", &token
	return &out, nil
}

// exchange gets the grant from the identity provider.
func (a CrossApp) exchange(ctx context.Context) (*checked, error) {
	subject, err := a.Subject(ctx)
	if err != nil {
		return nil, client.NewError(client.StepToken, fmt.Errorf("CrossApp.Subject: %w", err))
	}
	if subject.Type == "" {
		subject.Type = grant.IDTokenType
	}
	issued, err := grant.TokenExchange(ctx, a.IdP, grant.ExchangeRequest{
		TokenRequest: client.TokenRequest{Scopes: a.Scopes, Resources: []string{a.Resource}},
		SubjectToken: subject.Token, SubjectTokenType: subject.Type,
		RequestedTokenType: TokenType, Audiences: []string{a.At.Issuer()},
	})
	if err != nil {
		codes := []string{"invalid_grant", "invalid_token", "insufficient_user_authentication", "login_required", "interaction_required"}
		if config := a.IdP.Config(); isOver(subject.Token, config.Now()) {
			codes = append(codes, "invalid_request") // RFC 8693 §2.2.2
		}
		return nil, loginRequired(err, codes...)
	}
	jag, err := a.checkGrant(issued)
	if err != nil {
		return nil, client.NewError(client.StepToken, fmt.Errorf("the grant of the identity provider %s: %w", a.IdP.Issuer(), err))
	}
	return jag, nil
}

// redeem gets the access token. A grant that is bound to a key needs a proof of that key. The
// access token is bound to the same key ("DPoP Key Binding During ID-JAG Exchange").
func (a CrossApp) redeem(ctx context.Context, jag *checked) (*client.Tokens, error) {
	req := client.TokenRequest{Scopes: a.Scopes, Resources: []string{a.Resource}}
	if !jag.bound {
		return grant.JWTBearer(ctx, a.At, grant.AssertionRequest{TokenRequest: req, Assertion: jag.jwt})
	}
	form, err := req.Form()
	if err != nil {
		return nil, client.NewError(client.StepToken, err)
	}
	m, err := a.At.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	form.Set("assertion", jag.jwt)
	return a.At.Grant(ctx, client.Grant{
		Type: boundType(m.GrantTypesSupported), Form: form, DPoPKey: jag.key, Check: func(*client.Tokens) error { return nil },
	})
}

// boundType is the grant_type for a grant that is bound to a key. The text of
// draft-ietf-oauth-identity-assertion-authz-grant §4.4 has jwt-bearer. Its example has jwt-dpop, which
// draft-parecki-oauth-jwt-dpop-grant defines. The server's metadata decides.
func boundType(supported []string) string {
	if slices.Contains(supported, jwtDPoP) {
		return jwtDPoP
	}
	return jwtBearer
}

// loginRequired adds tokens.ErrLoginRequired to an error with one of codes.
func loginRequired(err error, codes ...string) error {
	var answer *client.TokenError
	if errors.As(err, &answer) && slices.Contains(codes, answer.Code) {
		return client.NewError(client.StepToken, fmt.Errorf("%w at the identity provider: %w", tokens.ErrLoginRequired, err))
	}
	return err
}

func (a CrossApp) check() error {
	if a.IdP == nil || a.At == nil || a.Resource == "" || a.Subject == nil {
		return errors.New("crossapp: CrossApp.IdP, At, Resource or Subject is not set: set all four")
	}
	if a.IdP.Issuer() == a.At.Issuer() {
		return errors.New("crossapp: CrossApp.IdP and CrossApp.At have the same issuer: use grant.TokenExchange for an API of the identity provider")
	}
	return nil
}

// checkServers rejects servers whose metadata lists other profiles and types of tokens only
// (draft-ietf-oauth-identity-assertion-authz-grant §7). A server without a list is tried.
func (a CrossApp) checkServers(ctx context.Context) error {
	idp, err := a.IdP.Metadata(ctx)
	if err != nil {
		return err
	}
	if types := idp.IdentityChainingRequestedTokenTypes; len(types) > 0 && !slices.Contains(types, TokenType) {
		return client.NewError(client.StepToken, fmt.Errorf("identity_chaining_requested_token_types_supported of %s is %q, expected %s", a.IdP.Issuer(), types, TokenType))
	}
	m, err := a.At.Metadata(ctx)
	if err != nil {
		return err
	}
	profiles := m.AuthorizationGrantProfilesSupported
	if len(profiles) > 0 && !slices.Contains(profiles, Profile) {
		return client.NewError(client.StepToken, fmt.Errorf("authorization_grant_profiles_supported of %s is %q, expected %s: check CrossApp.At", a.At.Issuer(), profiles, Profile))
	}
	return nil
}
