package idtoken

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/redact"
)

// KeySet checks the signature of a JWT and gives its payload: go-oidc's own shape.
type KeySet interface {
	VerifySignature(ctx context.Context, jwt string) (payload []byte, err error)
}

// SecretKeys is the key set for ID tokens signed with the client secret (HS256,
// HS384, HS512; OpenID Connect Core §10.1). The secret must be at least as long
// as the hash. Name the algorithm in Verifier.Algs.
func SecretKeys(clientSecret string) KeySet { return jose.NewSecretSet([]byte(clientSecret)) }

const (
	defaultSkew   = 30 * time.Second
	maxSkew       = 5 * time.Minute
	defaultWithin = 24 * time.Hour
)

// Verifier holds what does not change from token to token. Issuer, ClientID and
// Keys must be set; a Verifier that lacks one refuses every token. It may be used
// by many goroutines at once.
type Verifier struct {
	// Issuer is the server's issuer identifier; iss must equal it to the letter.
	Issuer string

	// IssuerAlias is one other value that iss may have, to the letter: Google's tokens
	// have "accounts.google.com" too. "" means none.
	IssuerAlias string

	// Tenants are the tenants whose users may sign in where Issuer has {tenantid} in it
	// (Entra ID): iss must be Issuer with the token's tid in that place, and the key of
	// that tenant or of all.
	Tenants []string

	// AcceptTenant decides about tenants that Tenants does not list, where Issuer has
	// {tenantid} in it. It is asked only for a tenant ID that is a UUID, and whose token has
	// the right issuer and key; its answers are cached for a minute, at most 10,000 of them.
	// An error fails the token. nil means that only Tenants may sign in.
	AcceptTenant func(ctx context.Context, tenantID string) (bool, error)

	// ClientID is our client_id; aud must contain it.
	ClientID string

	// Keys are the server's: discovery's Provider.Keys, StaticKeys, or go-oidc's.
	Keys KeySet

	// Algs are the signature algorithms the client registered for
	// (id_token_signed_response_alg). Empty means RS256 alone, the default of
	// OpenID Connect. They are never taken from the token or from discovery.
	Algs []string

	// TrustedAudiences are the audiences a token may have beside ClientID. Empty
	// means none: a token with any other is rejected.
	TrustedAudiences []string

	// AuthorizedParties are the values azp may have beside ClientID. Empty means none.
	AuthorizedParties []string

	// DecryptionKeys are the client's private keys for encrypted ID tokens; several
	// while they rotate. When there are any, a token that is not encrypted is
	// rejected (OpenID Connect Core §3.1.3.7 rule 1). Empty means that
	// encryption was not agreed on, and an encrypted token is rejected.
	DecryptionKeys []DecryptionKey

	// Skew is how far the server's clock may be off. 0 means 30 seconds; at most 5 minutes.
	Skew time.Duration

	// IssuedWithin is how long ago a token may have been issued. 0 means 24 hours.
	IssuedWithin time.Duration

	// MaxSize is the largest token that is read, in bytes. 0 means 16 KiB; at most 64 KiB.
	// Tokens of users with hundreds of groups are larger than 16 KiB.
	MaxSize int

	// InsecureMissingNonce accepts a token without nonce although the request had one, for
	// servers that never write it (LinkedIn). A token that came through the browser still
	// needs it, and a nonce that is there is still checked. PKCE must then protect the code.
	InsecureMissingNonce bool

	// InsecureRSAOAEP decrypts tokens with RSA-OAEP too, which uses SHA-1, for servers that
	// have nothing newer.
	InsecureRSAOAEP bool

	// InsecureSkipSignature leaves out the signature of a token that came straight
	// from the token endpoint over TLS, which OpenID Connect Core §3.1.3.7 rule 6
	// allows: see Expected.FromTokenEndpoint. From anywhere else it is still checked.
	InsecureSkipSignature bool

	// InsecureDraftLogout accepts logout tokens as the drafts of Back-Channel Logout had
	// them: without exp, or with the typ JWT. Ory Hydra, authentik and older Keycloaks send
	// them. They are accepted for ten minutes from their iat, as all are.
	InsecureDraftLogout bool

	// Replay remembers the logout tokens that were used. nil means in memory, in
	// this Verifier; name a shared store where several processes take logout tokens.
	Replay Replay

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	seen    memoryReplay
	tenants tenantCache
}

type hidden[T any] = redact.All[T]

// Expected is what one token is compared with. An empty field never means that
// the token's claim goes unchecked: a nonce or a hash in the token that is not
// expected is rejected. It redacts itself in fmt, log/slog and encoding.
type Expected struct {
	hidden[Expected]

	// Nonce is the value that the authentication request had, "" when it had none.
	Nonce string

	// AccessToken, Code and State came with the token; at_hash, c_hash and s_hash
	// must be theirs.
	AccessToken, Code, State string

	// ACRValues are the authentication context classes that satisfy the request.
	// Empty means that it asked for none.
	ACRValues []string

	// MaxAge is the max_age of the request: how long ago the user may have
	// authenticated. nil means that it had none.
	MaxAge *time.Duration

	// FrontChannel says that the token came through the browser (OpenID Connect Core
	// §3.2, §3.3): nonce is required, and so is the hash of the code and of the
	// access token that came with it.
	FrontChannel bool

	// RequireStateHash makes s_hash required, as FAPI 1.0 Advanced does.
	RequireStateHash bool

	// Original is what was kept of the ID token of the login (Token.Original) when this
	// one came with a refresh: the two must be of the same user and login (OpenID Connect
	// Core §12.2). nil means that this is the first.
	Original *Original

	// FromTokenEndpoint says that the token came straight from the token endpoint
	// over TLS: the one case that Verifier.InsecureSkipSignature is for.
	FromTokenEndpoint bool

	// Date is the Date header of the response that the token came in. It decides nothing:
	// errors about the time then say how far the clocks differ. Zero means unknown.
	Date time.Time
}

// Verify is Check for those who need no report: its error is the report's, an [*Error].
func (v *Verifier) Verify(ctx context.Context, raw string, want Expected) (*Token, error) {
	token, report := v.Check(ctx, raw, want)
	return token, report.Err()
}

// Check puts raw through the 14 steps and reports on each. The token is nil
// unless every step passed.
//
// The key set is asked, and so perhaps the server, only for a token that passed
// the steps which need no key: issuer, audience, authorized party and algorithm.
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

// configured reports an error unless the Verifier can tell a good token from a bad one.
func (v *Verifier) configured() error {
	switch {
	case v.Issuer == "":
		return errors.New("Verifier.Issuer is empty")
	case v.ClientID == "":
		return errors.New("Verifier.ClientID is empty")
	case v.Keys == nil:
		return errors.New("Verifier.Keys is nil")
	case v.Skew < 0 || v.Skew > maxSkew:
		return fmt.Errorf("Verifier.Skew is %v; it goes from 0 to %v", v.Skew, maxSkew)
	case v.IssuedWithin < 0:
		return fmt.Errorf("Verifier.IssuedWithin is %v; it cannot be negative", v.IssuedWithin)
	}
	if err := jose.CheckAlgs(v.algs()); err != nil {
		return fmt.Errorf("Verifier.Algs: %w", err)
	}
	return v.checkTenants()
}
