package rs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

const (
	defaultIssuedWithin = 24 * time.Hour
	maxSubject          = 255
)

// IDToken verifies ID tokens that clients send as bearer tokens. It is for servers and tools that
// give an API nothing else: Dex, kubelogin, gcloud, Cloudflare Access, Google IAP, Kubernetes and
// GitHub Actions. An ID token says who the user is and grants nothing, so the Principal has no
// scopes. Use [JWT] if the server has access tokens. It is safe for concurrent use after the fields
// are set.
//
// All checks of OpenID Connect Core §3.1.3.7 apply, except those of nonce and at_hash: an API
// knows neither the login nor the access token. Issuer, ClientIDs and Keys must be set;
// otherwise every token is answered with 503.
type IDToken struct {
	// Issuer is the server's issuer identifier. iss must equal it, byte for byte.
	Issuer string

	// IssuerAlias is another accepted value of iss: Google also writes "accounts.google.com".
	// "" means none.
	IssuerAlias string

	// ClientIDs are the clients whose ID tokens are accepted. aud must contain one of them. For
	// tokens that were requested for this API, set the API's audience.
	ClientIDs []string

	// TrustedAudiences are the values that aud may have besides ClientIDs. A token with any
	// other audience is rejected.
	TrustedAudiences []string

	// AuthorizedParties are the values that azp may have besides ClientIDs. A token with any
	// other azp is rejected. A token with several audiences and no azp is also rejected.
	AuthorizedParties []string

	// Keys are the server's keys: Provider.Keys, KeysAt or StaticKeys of package discovery, or
	// a key set of go-oidc.
	Keys KeySet

	// Algs are the accepted signature algorithms. Empty means only RS256.
	Algs []string

	// Claims are claims that must have exactly this string value, such as {"repository_owner":
	// "example"} for GitHub Actions.
	Claims map[string]string

	// IssuedWithin is the maximum time since iat. 0 means 24 hours.
	IssuedWithin time.Duration

	// Skew is the accepted clock difference to the server. 0 means 30 seconds; at most 5
	// minutes.
	Skew time.Duration

	// MaxSize is the size of the largest accepted token, in bytes. 0 means 16 KiB; at most 64
	// KiB.
	MaxSize int

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// VerifyToken implements [Verifier]. It asks the key set only for a token whose other claims
// and header passed every check. A token with cnf is rejected.
//
// A [Protection] answers 401 invalid_token for a token that is rejected; the error names the
// setting to change. It answers 503 if a setting is missing or the keys cannot be fetched.
func (v *IDToken) VerifyToken(ctx context.Context, token string) (*Principal, error) {
	return unbound(v.verify(ctx, token))
}

func (v *IDToken) verify(ctx context.Context, token string) (*Principal, error) {
	if err := v.configured(); err != nil {
		return nil, &unavailable{err}
	}
	t, err := jose.Parse(token, v.MaxSize)
	if err != nil {
		return nil, err
	}
	c, err := v.read(t)
	if err != nil {
		return nil, err
	}
	principal, err := c.finish(t.Payload)
	if err != nil {
		return nil, err
	}
	if err := jose.VerifyWith(ctx, v.Keys, token, t); err != nil {
		return nil, err
	}
	keys, _ := v.Keys.(keyHolder)
	principal.origin = origin{keys: keys, key: t.Key()}
	return principal, nil
}

// read checks header and claims.
func (v *IDToken) read(t *jose.Token) (*claims, error) {
	if err := t.Header.CheckTyp(jose.IDToken); err != nil {
		return nil, err
	}
	if err := t.Header.CheckAlg(v.algs()); err != nil {
		return nil, fmt.Errorf("%w: set IDToken.Algs to the algorithm of the server's ID tokens", err)
	}
	c, err := dialect{claims: v.Claims, issuer: v.Issuer}.decode(t.Payload)
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	for _, check := range []func(*claims) error{v.checkIssuer, v.checkKind, v.checkAudience, v.checkParty, v.checkSubject, v.checkTimes} {
		if err := check(c); err != nil {
			return nil, err
		}
	}
	c.principal.Scopes = nil // an ID token grants nothing
	return c, nil
}

func (v *IDToken) checkIssuer(c *claims) error {
	if got := c.principal.Issuer; got == "" || got != v.Issuer && got != v.IssuerAlias {
		return wrongIssuer(got, v.Issuer, "IDToken.Issuer")
	}
	c.principal.Issuer = v.Issuer // both names mean the same server
	return nil
}

// checkKind rejects the server's other JWTs where typ does not distinguish them.
func (v *IDToken) checkKind(c *claims) error {
	switch {
	case c.event:
		return errors.New("this is a logout token, a security event token or a signed introspection response, expected an ID token")
	case c.access:
		return errors.New("this is not an ID token: its claim typ, token_use, token_class or tokenName names another kind: use JWT for access tokens")
	}
	return nil
}

// checkAudience applies OpenID Connect Core §3.1.3.7 rule 3.
func (v *IDToken) checkAudience(c *claims) error {
	if !c.isFor("", v.ClientIDs) {
		return c.notFor("", v.ClientIDs, "IDToken.ClientIDs", "")
	}
	for _, aud := range c.principal.Audience {
		if !slices.Contains(v.ClientIDs, aud) && !slices.Contains(v.TrustedAudiences, aud) {
			return fmt.Errorf("aud also contains %s: add it to IDToken.TrustedAudiences if you trust it", jose.Quote(aud))
		}
	}
	return nil
}

// checkParty applies OpenID Connect Core §3.1.3.7 rules 4 and 5.
func (v *IDToken) checkParty(c *claims) error {
	switch {
	case c.party == "" && len(c.principal.Audience) > 1:
		return errors.New("azp is missing, and it is required because aud has several values")
	case c.party != "" && !slices.Contains(v.ClientIDs, c.party) && !slices.Contains(v.AuthorizedParties, c.party):
		return fmt.Errorf("azp is %s: add it to IDToken.AuthorizedParties if this client may call the API", jose.Quote(c.party))
	}
	c.principal.ClientID = c.party
	if c.party == "" {
		c.principal.ClientID = c.principal.Audience[0]
	}
	return nil
}

// checkSubject applies the limits of OpenID Connect Core §2: ASCII, at most 255 characters.
func (v *IDToken) checkSubject(c *claims) error {
	sub := c.principal.Subject
	switch {
	case sub == "":
		return errors.New("sub is missing")
	case len(sub) > maxSubject || strings.ContainsFunc(sub, func(r rune) bool { return r > 0x7f }):
		return errors.New("sub is longer than 255 characters or not ASCII")
	}
	return nil
}

func (v *IDToken) checkTimes(c *claims) error {
	within := v.IssuedWithin
	if within == 0 {
		within = defaultIssuedWithin
	}
	switch at := now(v.Now); {
	case c.issuedAt.IsZero():
		return errors.New("iat is missing")
	case at.Sub(c.issuedAt.Time) > within:
		return fmt.Errorf("the token was issued %s ago, expected at most %s (IDToken.IssuedWithin)", jose.Duration(at.Sub(c.issuedAt.Time).Round(time.Second)), jose.Duration(within))
	}
	return clock{now(v.Now), v.Skew, "IDToken.Skew"}.check(c.expiry, c.issuedAt, c.notBefore)
}

func (v *IDToken) algs() []string {
	if len(v.Algs) == 0 {
		return defaultAlgs
	}
	return v.Algs
}

func (v *IDToken) configured() error {
	switch {
	case v == nil:
		return errors.New("the *IDToken is nil")
	case v.Issuer == "":
		return errors.New("IDToken.Issuer is empty: set it to the server's issuer URL")
	case len(v.ClientIDs) == 0 || slices.Contains(v.ClientIDs, ""):
		return errors.New("IDToken.ClientIDs is empty or contains an empty string: list the client IDs whose users may call the API")
	case v.Keys == nil:
		return errors.New("IDToken.Keys is nil: set it to the Keys of a discovery.Provider")
	case v.Skew < 0 || v.Skew > maxSkew:
		return fmt.Errorf("IDToken.Skew is %s, expected 0 to %s", jose.Duration(v.Skew), jose.Duration(maxSkew))
	case v.IssuedWithin < 0:
		return fmt.Errorf("IDToken.IssuedWithin is %s, expected 0 or more", jose.Duration(v.IssuedWithin))
	}
	return jose.CheckAlgsOf("IDToken.Algs", v.algs())
}

// Ready is [Protection.Ready] for this part only, with the same errors.
func (v *IDToken) Ready(ctx context.Context) error {
	if err := v.configured(); err != nil {
		return err
	}
	return ready(ctx, v.Keys)
}
