package bench

import (
	"context"
	"crypto"
	"encoding/json"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/coreos/go-oidc/v3/oidc"
	jose "github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	cap "github.com/hashicorp/cap/jwt"
	"github.com/lestrrat-go/httprc/v3"
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"
)

// peer is another library, used as its documentation shows. It checks issuer, audience and time.
// Its keys are in memory, or at the setup's URL.
type peer struct {
	name   string
	verify func(t testing.TB, s *setup) verifyFunc
}

var peers = []peer{
	{"golang-jwt + keyfunc", golangJWT},
	{"go-oidc", goOIDC},
	{"go-jose", goJOSE},
	{"jwx v3", jwx},
	{"cap", hashicorpCap},
	{"zitadel/oidc", zitadel},
	{"auth0/go-jwt-middleware", auth0Middleware},
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func golangJWT(t testing.TB, s *setup) verifyFunc {
	keys := must[keyfunc.Keyfunc](t)(keyfunc.NewJWKSetJSON(s.jwks))
	if s.jwksURL != "" {
		keys = must[keyfunc.Keyfunc](t)(keyfunc.NewDefaultCtx(t.Context(), []string{s.jwksURL}))
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{s.key.Alg}), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired())
	return func(_ context.Context, token string) error {
		_, err := parser.Parse(token, keys.Keyfunc)
		return err
	}
}

func goOIDC(t testing.TB, s *setup) verifyFunc {
	var keys oidc.KeySet = &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{s.key.Private.Public()}}
	if s.jwksURL != "" {
		keys = oidc.NewRemoteKeySet(t.Context(), s.jwksURL)
	}
	verifier := oidc.NewVerifier(issuer, keys, &oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{s.key.Alg}})
	return func(ctx context.Context, token string) error {
		verified, err := verifier.Verify(ctx, token)
		if err != nil {
			return err
		}
		var c claims
		return verified.Claims(&c)
	}
}

func goJOSE(t testing.TB, s *setup) verifyFunc {
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(s.jwks, &keys); err != nil {
		t.Fatal(err)
	}
	return func(_ context.Context, token string) error {
		parsed, err := josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(s.key.Alg)})
		if err != nil {
			return err
		}
		var registered josejwt.Claims
		var c claims
		if err := parsed.Claims(&keys, &registered, &c); err != nil {
			return err
		}
		return registered.Validate(josejwt.Expected{Issuer: issuer, AnyAudience: josejwt.Audience{audience}, Time: time.Now()})
	}
}

func jwx(t testing.TB, s *setup) verifyFunc {
	keys := must[jwk.Set](t)(jwk.Parse(s.jwks))
	if s.jwksURL != "" {
		cache := must[*jwk.Cache](t)(jwk.NewCache(t.Context(), httprc.NewClient()))
		if err := cache.Register(t.Context(), s.jwksURL); err != nil {
			t.Fatal(err)
		}
		keys = must[jwk.CachedSet](t)(cache.CachedSet(s.jwksURL))
	}
	return func(_ context.Context, token string) error {
		_, err := jwxjwt.ParseString(token, jwxjwt.WithKeySet(keys), jwxjwt.WithIssuer(issuer), jwxjwt.WithAudience(audience))
		return err
	}
}

func hashicorpCap(t testing.TB, s *setup) verifyFunc {
	keys := must[cap.KeySet](t)(cap.NewStaticKeySet([]crypto.PublicKey{s.key.Private.Public()}))
	if s.jwksURL != "" {
		keys = must[cap.KeySet](t)(cap.NewJSONWebKeySet(t.Context(), s.jwksURL, ""))
	}
	validator := must[*cap.Validator](t)(cap.NewValidator(keys))
	return func(ctx context.Context, token string) error {
		_, err := validator.Validate(ctx, token, cap.Expected{
			Issuer: issuer, Audiences: []string{audience}, SigningAlgorithms: []cap.Alg{cap.Alg(s.key.Alg)},
		})
		return err
	}
}
