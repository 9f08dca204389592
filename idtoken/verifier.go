package idtoken

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/redact"
)

// KeySet verifies the signature of a JWT and returns its payload. It has the same method as
// go-oidc's KeySet.
type KeySet interface {
	VerifySignature(ctx context.Context, jwt string) (payload []byte, err error)
}

// SecretKeys returns the key set for ID tokens signed with the client secret (HS256, HS384,
// HS512; OpenID Connect Core §10.1). The secret must be at least as long as the hash. List
// the algorithm in Verifier.Algs.
func SecretKeys(clientSecret string) KeySet { return jose.NewSecretSet([]byte(clientSecret)) }

const (
	defaultSkew   = 30 * time.Second
	maxSkew       = 5 * time.Minute
	defaultWithin = 24 * time.Hour
)

// Verifier is the configuration for validating ID tokens and logout tokens. Issuer, ClientID
// and Keys are required; a Verifier without one of them rejects every token. It is safe for
// concurrent use.
type Verifier struct {
	// Issuer is the server's issuer identifier. iss must be exactly equal to it.
	Issuer string

	// IssuerAlias is a second value that is accepted for iss, compared exactly. Google's
	// tokens can have the issuer "accounts.google.com", for example. "" means that only
	// Issuer is accepted.
	IssuerAlias string

	// Tenants lists the tenant IDs whose users may sign in when Issuer contains {tenantid} (Entra
	// ID). iss must then be Issuer with the token's tid instead of {tenantid}. The signing key must
	// belong to that tenant or to all tenants. Empty is for an Issuer without {tenantid}, or means
	// that AcceptTenant decides about every tenant.
	Tenants []string

	// AcceptTenant decides about tenants that Tenants does not list, when Issuer contains
	// {tenantid}. It is called only for a tenant ID that is a UUID, after the token's issuer
	// and key were verified. Its results are cached for a minute, at most 10,000 of them. If
	// it returns an error, the token is rejected. nil means that only Tenants may sign in.
	AcceptTenant func(ctx context.Context, tenantID string) (bool, error)

	// ClientID is the application's client_id. aud must contain it.
	ClientID string

	// Keys are the server's signature keys: Provider.Keys of package discovery, StaticKeys,
	// or a go-oidc key set.
	Keys KeySet

	// Algs are the signature algorithms that the client registered (id_token_signed_response_alg).
	// Empty means only RS256, the default of OpenID Connect. The token and the server's metadata
	// cannot change them.
	Algs []string

	// TrustedAudiences are the values that aud may contain in addition to ClientID. A token
	// with any other audience is rejected. Empty means that only ClientID is accepted.
	TrustedAudiences []string

	// AuthorizedParties are the values that azp may have in addition to ClientID. Empty means
	// that only ClientID is accepted.
	AuthorizedParties []string

	// DecryptionKeys are the client's private keys for encrypted ID tokens. List several
	// during a key rotation. With keys, a token that is not encrypted is rejected (OpenID
	// Connect Core §3.1.3.7 rule 1). Without keys, an encrypted token is rejected.
	DecryptionKeys []DecryptionKey

	// Skew is the tolerance for the server's clock. 0 means 30 seconds. The maximum is 5
	// minutes.
	Skew time.Duration

	// IssuedWithin is the maximum age of a token, measured from iat. 0 means 24 hours.
	IssuedWithin time.Duration

	// MaxSize is the maximum size of a token in bytes. 0 means 16 KiB. The maximum is 64 KiB.
	// Tokens of users with hundreds of groups can exceed 16 KiB.
	MaxSize int

	// InsecureMissingNonce accepts a token without nonce even if the request had one. Some
	// servers never include it (LinkedIn). A token that came through the browser still needs
	// a nonce, and a nonce in the token must still match. Without a nonce, PKCE must protect
	// the code.
	InsecureMissingNonce bool

	// InsecureRSAOAEP also accepts RSA-OAEP with SHA-1 for decryption, for servers that
	// support nothing newer.
	InsecureRSAOAEP bool

	// InsecureSkipSignature skips signature verification for a token that came directly from
	// the token endpoint over TLS, see Expected.FromTokenEndpoint. OpenID Connect Core
	// §3.1.3.7 rule 6 allows this. The signature of any other token is still verified.
	InsecureSkipSignature bool

	// InsecureDraftLogout accepts logout tokens in the format of the drafts of Back-Channel
	// Logout: without exp, or with the typ JWT. Ory Hydra, authentik and older Keycloak
	// versions send them. Like every logout token, they are accepted for ten minutes after
	// iat.
	InsecureDraftLogout bool

	// Replay records which logout tokens were used. nil means in the memory of this Verifier.
	// If several processes receive logout tokens, set a shared store.
	Replay Replay

	// Now returns the current time. nil means time.Now.
	Now func() time.Time

	seen    memoryReplay
	tenants tenantCache
}

type hidden[T any] = redact.All[T]

// Expected holds the values that one token is compared with. A token with a nonce or a hash that is
// not expected is rejected. Without AccessToken, at_hash of a token from the browser is not
// checked. Without ACRValues and MaxAge, acr and auth_time are not compared. Expected redacts
// itself in fmt and log/slog. Encoders return an error.
type Expected struct {
	hidden[Expected]

	// Nonce is the nonce of the authentication request. "" means that the request had none.
	Nonce string

	// AccessToken, Code and State were received together with the token. at_hash, c_hash and
	// s_hash must match them.
	AccessToken, Code, State string

	// ACRValues are the authentication context classes that satisfy the request. Empty means that the
	// request had none.
	ACRValues []string

	// MaxAge is the max_age of the request: the maximum time since the user authenticated.
	// nil means that the request had none.
	MaxAge *time.Duration

	// FrontChannel reports that the token came through the browser (OpenID Connect Core §3.2,
	// §3.3). The nonce is then required. The hashes of the code and of the access token that came
	// with it are also required.
	FrontChannel bool

	// RequireStateHash makes s_hash required, as in FAPI 1.0 Advanced.
	RequireStateHash bool

	// Original is the result of Token.Original for the ID token of the login. Set it if this
	// token came with a refresh: both tokens must be for the same user and login (OpenID
	// Connect Core §12.2). nil means that this is the token of the login.
	Original *Original

	// FromTokenEndpoint reports that the token came directly from the token endpoint over
	// TLS. Only then Verifier.InsecureSkipSignature applies.
	FromTokenEndpoint bool

	// Date is the Date header of the response that contained the token. It does not affect
	// the result. Errors about time use it to state the difference between the clocks. Zero
	// means unknown.
	Date time.Time
}

// Verify validates raw like Check, but returns no report. Every error is an [*Error]. Its Step
// says which of the 14 checks failed, and its text names the setting to change. errors.Is finds
// [ErrNoNonce] if the nonce is missing. If the keys could not be fetched now, errors.As finds an error with a method Temporary() bool that
// returns true.
func (v *Verifier) Verify(ctx context.Context, raw string, want Expected) (*Token, error) {
	token, report := v.Check(ctx, raw, want)
	return token, report.Err()
}

// Check runs the 14 steps on raw and reports the result of each. The token is nil unless
// every step passed.
//
// The steps that need no key come first: issuer, audience, authorized party and algorithm.
// Only a token that passes them causes a call of the key set, which may send a request to the
// server.
func (v *Verifier) Check(ctx context.Context, raw string, want Expected) (*Token, *Report) {
	c := v.newCheck(ctx, raw, jose.IDToken, want)
	c.run()
	if c.report.Err() != nil {
		return nil, c.report
	}
	token, err := c.token()
	if err != nil {
		c.report.fail(stepSignature, err)
		return nil, c.report
	}
	return token, c.report
}

func (v *Verifier) newCheck(ctx context.Context, raw string, kind jose.Kind, want Expected) *check {
	return &check{v: v, ctx: ctx, raw: raw, kind: kind, want: want, now: v.now(), report: newReport()}
}

func (v *Verifier) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}

func (v *Verifier) skew() time.Duration {
	if v.Skew == 0 {
		return defaultSkew
	}
	return v.Skew
}

func (v *Verifier) issuedWithin() time.Duration {
	if v.IssuedWithin == 0 {
		return defaultWithin
	}
	return v.IssuedWithin
}

func (v *Verifier) algs() []string {
	if len(v.Algs) == 0 {
		return []string{"RS256"}
	}
	return v.Algs
}

// configured returns an error unless the required settings are present and all settings are
// valid.
func (v *Verifier) configured() error {
	switch {
	case v.Issuer == "":
		return errors.New("Verifier.Issuer is empty: set it to the server's issuer URL")
	case v.ClientID == "":
		return errors.New("Verifier.ClientID is empty: set it to the client ID")
	case v.Keys == nil:
		return errors.New("Verifier.Keys is nil: set it to the keys of a discovery.Provider")
	case v.Skew < 0 || v.Skew > maxSkew:
		return fmt.Errorf("Verifier.Skew is %s, expected 0 to %s", jose.Duration(v.Skew), jose.Duration(maxSkew))
	case v.IssuedWithin < 0:
		return fmt.Errorf("Verifier.IssuedWithin is %s, expected 0 or more", jose.Duration(v.IssuedWithin))
	}
	if err := jose.CheckAlgsOf("Verifier.Algs", v.algs()); err != nil {
		return err
	}
	return v.checkTenants()
}
