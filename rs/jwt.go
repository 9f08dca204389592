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
	// Issuer is the server's issuer identifier; iss must equal it to the letter. If it
	// has {tenantid} in it, it is that of a server with many tenants, each of which
	// issues under its own (Entra ID): then Tenants must be set.
	Issuer string

	// Tenants are the tenants whose tokens are taken if Issuer has {tenantid}. The
	// token's tid must be the one in its iss, and the key that signed it must be of that
	// issuer by its member issuer, or of all tenants.
	Tenants []string

	// KeyIssuer is the member issuer of keys that are of all tenants. "" means Issuer.
	KeyIssuer string

	// InsecureMissingIssuer takes tokens that have no iss (PingFederate's, where none is
	// configured): then Keys alone tell whose they are, and must be this issuer's only.
	InsecureMissingIssuer bool

	// Audience is this resource server's identifier; aud must contain it.
	Audience string

	// Audiences are further identifiers of this resource server: aud must contain one of
	// Audience and Audiences. Empty means Audience alone.
	Audiences []string

	// AudienceClients is for servers whose access tokens have no aud (Amazon Cognito),
	// in place of Audience: the clients whose tokens are meant for this API. It needs a
	// Typ and a mark in Claims, and a token that has an aud is refused.
	AudienceClients []string

	// Keys are the server's: discovery's Provider.Keys, KeysAt, JoinKeys, StaticKeys, or
	// go-oidc's.
	Keys KeySet

	// DecryptionKeys are this API's own, for servers that encrypt access tokens to it.
	// When there are any, a token that is not encrypted is refused.
	DecryptionKeys []DecryptionKey

	// InsecureRSAOAEP decrypts with RSA-OAEP too, which uses SHA-1, for servers that offer
	// nothing newer.
	InsecureRSAOAEP bool

	// Algs are the signature algorithms that are taken. Empty means RS256 alone.
	Algs []string

	// Typ is the typ that the server's access tokens have in their header. "" means
	// "at+jwt", and with it every claim that RFC 9068 §2.2 requires. Any other value,
	// and NoTyp for tokens without typ, is for servers that do not follow the RFC. Other
	// JWTs of such a server are harder to tell apart: a token with marks of an ID token is
	// rejected, such as a nonce. Without Claims a token is also rejected if it has no scope
	// and names no client, is for the client that it was issued to (azp), or has
	// auth_time, sid or email.
	Typ string

	// OtherTyps are further values of typ, such as those of a server that moves to RFC
	// 9068. The rules of each token follow from its own typ.
	OtherTyps []string

	// Claims are claims that must have exactly this string value: what else tells the
	// server's access tokens from its other JWTs, such as {"token_use": "access"}.
	Claims map[string]string

	// InsecureNonce takes tokens that have a nonce all the same, as Keycloak wrote them until
	// version 25. It needs Claims that ID tokens do not have: {"typ": "Bearer"} there.
	InsecureNonce bool

	// InsecureMissingSubject takes tokens of RFC 9068 that have no sub all the same, as Duende
	// IdentityServer writes them for clients that act for themselves: then Subject is "",
	// and ClientID tells who calls.
	InsecureMissingSubject bool

	// ClientIDClaim is the claim that holds the client ID. "" means "client_id"; some
	// servers write "azp", "appid" or "cid". A token of RFC 9068 that
	// OtherTyps accepts may have client_id instead.
	ClientIDClaim string

	// ScopeClaim is the claim that holds the scope: one string, or an array of strings. ""
	// means "scope"; some servers write "scp".
	ScopeClaim string

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
	token, err := j.decrypt(token)
	if err != nil {
		return nil, err
	}
	t, err := jose.Parse(token, j.MaxSize)
	if err != nil {
		return nil, err
	}
	return j.verifyParsed(ctx, token, t)
}

func (j *JWT) verifyParsed(ctx context.Context, token string, t *jose.Token) (*Principal, error) {
	if err := j.checkHeader(t.Header); err != nil {
		return nil, err
	}
	strict := isRFC9068(t.Header)
	c, err := j.dialect(strict).decode(t.Payload)
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	if err := j.checkClaims(c, strict); err != nil {
		return nil, err
	}
	principal, err := c.finish(t.Payload)
	if err != nil {
		return nil, err
	}
	if err := jose.VerifyWith(ctx, j.Keys, token, t); err != nil {
		return nil, err
	}
	if err := j.checkKeyIssuer(c.principal.Issuer, t.Key()); err != nil {
		return nil, err
	}
	principal.origin = j.origin(t)
	return principal, nil
}

func (j *JWT) configured() error {
	switch {
	case j == nil:
		return errors.New("a *JWT that is nil")
	case j.Issuer == "":
		return errors.New("JWT.Issuer is empty")
	case j.isTemplate() != (len(j.Tenants) > 0):
		return errors.New("JWT.Tenants is for an Issuer with {tenantid}, and needed there")
	case j.isTemplate() && j.InsecureMissingIssuer:
		return errors.New("JWT.InsecureMissingIssuer is not for an Issuer with {tenantid}")
	case (j.Audience == "" && len(j.Audiences) == 0) == (len(j.AudienceClients) == 0):
		return errors.New("one of JWT.Audience and JWT.AudienceClients must be set")
	case slices.Contains(j.Tenants, "") || slices.Contains(j.AudienceClients, "") || slices.Contains(j.Audiences, ""):
		return errors.New("JWT.Tenants, JWT.Audiences or JWT.AudienceClients has an empty string in it")
	case slices.Contains(j.OtherTyps, ""):
		return errors.New(`JWT.OtherTyps has an empty string in it: "at+jwt" is for tokens of RFC 9068, NoTyp for tokens without typ`)
	case len(j.AudienceClients) > 0 && (j.strict() || len(j.Claims) == 0):
		return errors.New("JWT.AudienceClients needs JWT.Typ and JWT.Claims")
	case j.InsecureNonce && len(j.Claims) == 0:
		return errors.New("JWT.InsecureNonce needs JWT.Claims")
	case j.Keys == nil:
		return errors.New("JWT.Keys is nil")
	case j.Skew < 0 || j.Skew > maxSkew:
		return fmt.Errorf("JWT.Skew is %v; it goes from 0 to %v", j.Skew, maxSkew)
	}
	return jose.CheckAlgs(j.algs())
}

var defaultAlgs = []string{"RS256"}

func (j *JWT) algs() []string {
	if len(j.Algs) == 0 {
		return defaultAlgs
	}
	return j.Algs
}

// strict tells whether the tokens are those of RFC 9068.
func (j *JWT) strict() bool { return j.Typ == "" || isRFC9068(jose.Header{Typ: j.Typ}) }

func isRFC9068(h jose.Header) bool { return h.CheckTyp(jose.AccessToken) == nil }

func (j *JWT) checkHeader(h jose.Header) error {
	if err := h.CheckTyp(j.kind()); err != nil {
		return fmt.Errorf("%w: set JWT.Typ to the typ of the server's access tokens", err)
	}
	if err := h.CheckAlg(j.algs()); err != nil {
		return fmt.Errorf("%w: set JWT.Algs to the algorithms of the server's access tokens", err)
	}
	return nil
}

// kind are the values of typ that are accepted.
func (j *JWT) kind() jose.Kind {
	if j.strict() && len(j.OtherTyps) == 0 {
		return jose.AccessToken
	}
	kind := make(jose.Kind, 0, 1+len(j.OtherTyps))
	for _, typ := range append([]string{j.Typ}, j.OtherTyps...) {
		switch typ {
		case "":
			kind = append(kind, jose.AccessToken...)
		case NoTyp:
			kind = append(kind, "")
		default:
			kind = append(kind, typ)
		}
	}
	return kind
}

func (j *JWT) dialect(strict bool) dialect {
	return dialect{
		strict: strict && !j.strict(),
		claims: j.Claims, clientID: j.ClientIDClaim, scope: j.ScopeClaim,
		issuer: j.Issuer, audience: j.Audience, tenants: j.isTemplate(),
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
