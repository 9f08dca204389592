package bench

import (
	"context"
	"crypto"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"testing"

	auth0jwks "github.com/auth0/go-jwt-middleware/v3/jwks"
	auth0 "github.com/auth0/go-jwt-middleware/v3/validator"
	jose "github.com/go-jose/go-jose/v4"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// staticKey is a key set in memory. zitadel/oidc has the interface, but no such set.
type staticKey struct{ key crypto.PublicKey }

func (k staticKey) VerifySignature(_ context.Context, jws *jose.JSONWebSignature) ([]byte, error) {
	return jws.Verify(k.key)
}

// zitadel checks the audience here: VerifyAccessToken does not.
func zitadel(t testing.TB, s *setup) verifyFunc {
	var keys oidc.KeySet = staticKey{s.key.Private.Public()}
	if s.jwksURL != "" {
		keys = rp.NewRemoteKeySet(http.DefaultClient, s.jwksURL)
	}
	verifier := op.NewAccessTokenVerifier(issuer, keys, op.WithSupportedAccessTokenSigningAlgorithms(s.key.Alg))
	return func(ctx context.Context, token string) error {
		verified, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](ctx, token, verifier)
		if err == nil && !slices.Contains(verified.Audience, audience) {
			err = errors.New("wrong audience")
		}
		return err
	}
}

// auth0Claims are the claims that raw reads too.
type auth0Claims struct{ claims }

func (*auth0Claims) Validate(context.Context) error { return nil }

func auth0Middleware(t testing.TB, s *setup) verifyFunc {
	validator := must[*auth0.Validator](t)(auth0.New(
		auth0.WithKeyFunc(auth0Keys(t, s)), auth0.WithAlgorithm(auth0.SignatureAlgorithm(s.key.Alg)),
		auth0.WithIssuer(issuer), auth0.WithAudience(audience),
		auth0.WithCustomClaims(func() *auth0Claims { return &auth0Claims{} }),
	))
	return func(ctx context.Context, token string) error {
		_, err := validator.ValidateToken(ctx, token)
		return err
	}
}

func auth0Keys(t testing.TB, s *setup) func(context.Context) (any, error) {
	if s.jwksURL == "" {
		keys := must[jwk.Set](t)(jwk.Parse(s.jwks))
		return func(context.Context) (any, error) { return keys, nil }
	}
	at := must[*url.URL](t)(url.Parse(s.jwksURL))
	from := must[*url.URL](t)(url.Parse(issuer))
	provider := must[*auth0jwks.CachingProvider](t)(auth0jwks.NewCachingProvider(
		auth0jwks.WithIssuerURL(from), auth0jwks.WithCustomJWKSURI(at)))
	return provider.KeyFunc
}
