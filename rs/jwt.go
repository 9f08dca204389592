package rs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// KeySet checks the signature of a JWT and gives its payload: go-oidc's own shape.
type KeySet interface {
	VerifySignature(ctx context.Context, jwt string) (payload []byte, err error)
}

// NoTyp is the value of JWT.Typ for servers whose access tokens have no typ.
const NoTyp = "-"

const (
	defaultSkew = 30 * time.Second
	maxSkew     = 5 * time.Minute
)

// JWT verifies access tokens that are JWTs, RFC 9068 §4. Issuer, Audience and Keys
// must be set; without them every token is refused.
type JWT struct {
	// Issuer is the server's issuer identifier; iss must equal it to the letter.
	Issuer string

	// Audience is this resource server's identifier; aud must contain it.
	Audience string

	// Keys are the server's: discovery's Provider.Keys, StaticKeys, or go-oidc's.
	Keys KeySet

	// Algs are the signature algorithms that are taken. Empty means RS256 alone.
	Algs []string

	// Typ is the typ that the server's access tokens have in their header. "" means
	// "at+jwt", and with it every claim that RFC 9068 §2.2 requires. Any other value,
	// and NoTyp for tokens without typ, is for servers that do not follow the RFC: then
	// other JWTs of the server are harder to tell apart, so that tokens with marks of
	// an ID token are refused; see Claims.
	Typ string

	// Claims are claims that must have exactly this string value: what else tells the
	// server's access tokens from its other JWTs, such as {"token_use": "access"}.
	Claims map[string]string

	// ClientIDClaim is the claim that holds the client ID. "" means "client_id"; some
	// servers write "azp", "appid" or "cid".
	ClientIDClaim string

	// ScopeClaim is the claim that holds the scope. "" means "scope"; some servers
	// write "scp".
	ScopeClaim string

	// ScopeList says that the scope is a JSON array of strings instead of one string.
	ScopeList bool

	// Skew is how far the server's clock may be off. 0 means 30 seconds; at most 5 minutes.
	Skew time.Duration

	// MaxSize is the largest token that is read, in bytes. 0 means 16 KiB; at most 64 KiB.
	MaxSize int

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// VerifyToken implements [Verifier]. The key set is asked, and so perhaps the server,
// only for a token that passed every other check. A token that is bound to a key (cnf)
// is refused: it takes a [Protection] to see the proof, so that nobody who asks a
// verifier alone takes such a token for a bearer token.
func (j *JWT) VerifyToken(ctx context.Context, token string) (*Principal, error) {
	return unbound(j.verify(ctx, token))
}

// verify is VerifyToken for those who check what the token is bound to.
func (j *JWT) verify(ctx context.Context, token string) (*Principal, error) {
	if err := j.configured(); err != nil {
		return nil, &unavailable{err}
	}
	t, err := jose.Parse(token, j.MaxSize)
	if err != nil {
		return nil, err
	}
	if err := j.checkHeader(t.Header); err != nil {
		return nil, err
	}
	c, err := j.dialect().decode(t.Payload)
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	if err := j.checkClaims(c); err != nil {
		return nil, err
	}
	principal, err := c.principal(t.Payload)
	if err != nil {
		return nil, err
	}
	if err := j.verifySignature(ctx, token, t); err != nil {
		return nil, err
	}
	principal.origin = j.origin(t)
	return principal, nil
}

func (j *JWT) configured() error {
	switch {
	case j.Issuer == "":
		return errors.New("JWT.Issuer is empty")
	case j.Audience == "":
		return errors.New("JWT.Audience is empty")
	case j.Keys == nil:
		return errors.New("JWT.Keys is nil")
	case j.Skew < 0 || j.Skew > maxSkew:
		return fmt.Errorf("JWT.Skew is %v; it goes from 0 to %v", j.Skew, maxSkew)
	}
	return jose.CheckAlgs(j.algs())
}

func (j *JWT) algs() []string {
	if len(j.Algs) == 0 {
		return []string{"RS256"}
	}
	return j.Algs
}

// strict tells whether the tokens are those of RFC 9068.
func (j *JWT) strict() bool { return j.Typ == "" }

func (j *JWT) checkHeader(h jose.Header) error {
	kind := jose.Kind{j.Typ}
	switch j.Typ {
	case "":
		kind = jose.AccessToken
	case NoTyp:
		kind = jose.Kind{""}
	}
	if err := h.CheckTyp(kind); err != nil {
		return err
	}
	return h.CheckAlg(j.algs())
}

// checkClaims applies RFC 9068 §4.
func (j *JWT) checkClaims(c *claims) error {
	if c.issuer != j.Issuer {
		return fmt.Errorf("iss is %s, not %s", jose.Quote(c.issuer), jose.Quote(j.Issuer))
	}
	if !slices.Contains(c.audience, j.Audience) {
		return fmt.Errorf("aud does not contain %s", jose.Quote(j.Audience))
	}
	if c.subject == "" && c.clientID == "" {
		return errors.New("the token names neither a user nor a client")
	}
	if j.strict() {
		if err := c.checkComplete(j.ClientIDClaim == ""); err != nil {
			return err
		}
	} else if err := c.checkNoIDToken(); err != nil {
		return err
	}
	return checkTimes(now(j.Now), j.Skew, c.expiry, c.issuedAt, c.notBefore)
}

// checkComplete names the claims of RFC 9068 §2.2 that are missing.
func (c *claims) checkComplete(clientID bool) error {
	for _, claim := range []struct {
		name    string
		missing bool
	}{
		{"sub", c.subject == ""},
		{"client_id", clientID && c.clientID == ""},
		{"iat", c.issuedAt.IsZero()},
		{"jti", c.id == ""},
	} {
		if claim.missing {
			return fmt.Errorf("%s is missing (RFC 9068 §2.2)", claim.name)
		}
	}
	return nil
}

// checkNoIDToken refuses the server's other JWTs where typ does not.
func (c *claims) checkNoIDToken() error {
	if c.idToken {
		return errors.New("this is an ID token")
	}
	if c.event {
		return errors.New("this is a security event token")
	}
	return nil
}

func now(clock func() time.Time) time.Time {
	if clock != nil {
		return clock()
	}
	return time.Now()
}

// checkTimes wants exp, and the others to be right if they are there.
func checkTimes(now time.Time, skew time.Duration, exp, iat, nbf jose.Instant) error {
	if skew == 0 {
		skew = defaultSkew
	}
	switch {
	case exp.IsZero():
		return errors.New("exp is missing")
	case !now.Before(exp.Add(skew)):
		return fmt.Errorf("expired at %s", exp.UTC().Format(time.RFC3339))
	case exp.After(now.AddDate(10, 0, 0)):
		return errors.New("exp is more than ten years ahead")
	case iat.After(now.Add(skew)):
		return fmt.Errorf("issued at %s, in the future", iat.UTC().Format(time.RFC3339))
	case nbf.After(now.Add(skew)):
		return fmt.Errorf("not valid before %s", nbf.UTC().Format(time.RFC3339))
	}
	return nil
}

func (j *JWT) dialect() *dialect {
	return &dialect{
		claims: j.Claims, clientID: j.ClientIDClaim, scope: j.ScopeClaim, list: j.ScopeList,
		issuer: j.Issuer, audience: j.Audience,
	}
}

// keyHolder is a key set that tells whether it still has a key.
type keyHolder interface {
	Holds(ctx context.Context, key *jose.Key) (bool, error)
}

func (j *JWT) origin(t *jose.Token) origin {
	keys, _ := j.Keys.(keyHolder)
	return origin{keys: keys, key: t.Key()}
}

func (j *JWT) verifySignature(ctx context.Context, raw string, t *jose.Token) error {
	if keys, ok := j.Keys.(jose.TokenVerifier); ok {
		return keys.VerifyToken(ctx, t)
	}
	payload, err := j.Keys.VerifySignature(ctx, raw)
	if err != nil {
		return err
	}
	if string(payload) != string(t.Payload) {
		return errors.New("the key set verified something else than this token")
	}
	return nil
}
