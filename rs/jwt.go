package rs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// KeySet verifies the signature of a JWT and returns its payload. go-oidc's key sets implement
// it.
type KeySet interface {
	VerifySignature(ctx context.Context, jwt string) (payload []byte, err error)
}

// NoTyp is the value of JWT.Typ for servers whose access tokens have no typ.
const NoTyp = "-"

const (
	defaultSkew = 30 * time.Second
	maxSkew     = 5 * time.Minute
)

// JWT verifies access tokens that are JWTs, RFC 9068 §4. Issuer, Audience and Keys must be set;
// otherwise every token is answered with 503. It is safe for concurrent use after the fields are
// set.
type JWT struct {
	// Issuer is the server's issuer identifier. iss must equal it, byte for byte. An Issuer
	// that contains {tenantid} is for a server with many tenants, each with its own issuer
	// (Entra ID). Then Tenants must be set.
	Issuer string

	// Tenants are the tenants whose tokens are accepted if Issuer contains {tenantid}. The token's
	// tid must be the tenant in its iss. The member issuer of the signing key must be that issuer,
	// or KeyIssuer for keys of all tenants. Empty is for an Issuer without {tenantid}.
	Tenants []string

	// KeyIssuer is the member issuer of keys that sign for all tenants. "" means Issuer.
	KeyIssuer string

	// InsecureMissingIssuer also accepts tokens without iss, such as those of PingFederate without a
	// configured issuer. Then only Keys identify the server: they must belong only to this issuer.
	InsecureMissingIssuer bool

	// Audience is the identifier of this API. aud must contain it.
	Audience string

	// Audiences are further identifiers of this API. aud must contain Audience or one of Audiences.
	// Empty means only Audience.
	Audiences []string

	// AudienceClients replaces Audience for servers whose access tokens have no aud (Amazon
	// Cognito). It lists the clients whose tokens are for this API. It requires Typ and Claims. A
	// token with an aud is rejected. Empty is for tokens with an aud.
	AudienceClients []string

	// Keys are the server's keys: Provider.Keys, KeysAt, JoinKeys or StaticKeys of package
	// discovery, or a key set of go-oidc.
	Keys KeySet

	// DecryptionKeys are private keys of this API, for servers that encrypt access tokens to it. If
	// there are any, a token that is not encrypted is rejected. Empty means that an encrypted token
	// is rejected.
	DecryptionKeys []DecryptionKey

	// InsecureRSAOAEP also accepts RSA-OAEP, which uses SHA-1, for servers that offer nothing
	// newer.
	InsecureRSAOAEP bool

	// Algs are the accepted signature algorithms. Empty means only RS256.
	Algs []string

	// Typ is the typ in the header of the server's access tokens. "" means "at+jwt", and then every
	// claim of RFC 9068 §2.2 is required. Other values are for servers that do not follow the RFC. Use
	// NoTyp for tokens without typ.
	//
	// Other JWTs of such servers are harder to distinguish. A token with a mark of an ID token, such
	// as a nonce, is rejected. Without Claims, a token without scope is also rejected if it has
	// auth_time, sid or email, or names no client. The same applies if its aud is the client that it
	// was issued to (azp).
	Typ string

	// OtherTyps are further accepted values of typ, for example while a server changes to RFC 9068.
	// Each token must follow the rules of its typ. Empty means only Typ.
	OtherTyps []string

	// Claims are claims that must have exactly this string value. They distinguish the server's
	// access tokens from its other JWTs, for example {"token_use": "access"}. nil requires none.
	Claims map[string]string

	// InsecureNonce also accepts tokens with a nonce, which Keycloak wrote until version 25. It
	// requires Claims that ID tokens do not have, for Keycloak {"typ": "Bearer"}.
	InsecureNonce bool

	// InsecureMissingSubject also accepts RFC 9068 tokens without sub, which Duende
	// IdentityServer writes for clients that act for themselves. Then Subject is "", and
	// ClientID names the caller.
	InsecureMissingSubject bool

	// ClientIDClaim is the claim with the client ID. "" means "client_id"; some servers write
	// "azp", "appid" or "cid". An RFC 9068 token that OtherTyps accepts may have client_id
	// instead.
	ClientIDClaim string

	// ScopeClaim is the claim with the scopes: one string or an array of strings. "" means
	// "scope"; some servers write "scp".
	ScopeClaim string

	// Skew is the accepted clock difference to the server. 0 means 30 seconds; at most 5
	// minutes.
	Skew time.Duration

	// MaxSize is the size of the largest accepted token, in bytes. 0 means 16 KiB; at most 64
	// KiB.
	MaxSize int

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// VerifyToken implements [Verifier]. It asks the key set, which may call the server, only for a
// token that passed every other check. It rejects a token that is bound to a key or certificate
// (cnf), because it cannot see the proof. Use a [Protection] for such tokens.
//
// A [Protection] answers 401 invalid_token for a token that is rejected; the error names the
// setting to change. It answers 503 if a setting is missing or the keys cannot be fetched.
func (j *JWT) VerifyToken(ctx context.Context, token string) (*Principal, error) {
	return unbound(j.verify(ctx, token))
}

// verify is VerifyToken for callers that check the token's binding themselves.
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
		return nil, notJWT(err)
	}
	return j.verifyParsed(ctx, token, t)
}

// notJWT adds what to do about a token that may be opaque.
func notJWT(err error) error {
	switch {
	case errors.Is(err, jose.ErrNotCompact):
		return fmt.Errorf("%w: if the server's access tokens are no JWTs, use Introspection", err)
	case errors.Is(err, jose.ErrEncrypted): // Auth0 without an audience, zitadel/oidc
		return fmt.Errorf("%w. If only the server can decrypt it, request this API's audience in the login, or use Introspection", err)
	}
	return err
}

func (j *JWT) verifyParsed(ctx context.Context, token string, t *jose.Token) (*Principal, error) {
	if err := j.checkHeader(t); err != nil {
		return nil, err
	}
	strict := isRFC9068(t.Header)
	c, err := j.dialect(strict).decode(t.Payload)
	if err != nil {
		return nil, c.otherClaims(j, strict, err)
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
		return errors.New("the *JWT is nil")
	case j.Issuer == "":
		return errors.New("JWT.Issuer is empty: set it to the server's issuer URL")
	case j.isTemplate() != (len(j.Tenants) > 0):
		return errors.New("JWT.Tenants must be set if JWT.Issuer contains {tenantid}, and only then")
	case j.isTemplate() && j.InsecureMissingIssuer:
		return errors.New("JWT.InsecureMissingIssuer cannot be used with a JWT.Issuer that contains {tenantid}")
	case j.Audience == "" && len(j.Audiences) == 0 && len(j.AudienceClients) == 0:
		return errors.New("JWT.Audience is empty: set it to the server's name for this API. If the server's access tokens have no aud, set JWT.AudienceClients instead")
	case (j.Audience != "" || len(j.Audiences) > 0) && len(j.AudienceClients) > 0:
		return errors.New("JWT.Audience (or JWT.Audiences) and JWT.AudienceClients are both set: remove JWT.AudienceClients if the server's access tokens have an aud")
	case isPadded(j.Audience):
		return fmt.Errorf("JWT.Audience is %q, which begins or ends with white space: remove it", j.Audience)
	case slices.ContainsFunc(j.Audiences, isPadded):
		return fmt.Errorf("JWT.Audiences is %q, where one begins or ends with white space: remove it", j.Audiences)
	case slices.Contains(j.Tenants, "") || slices.Contains(j.AudienceClients, "") || slices.Contains(j.Audiences, ""):
		return errors.New("JWT.Tenants, JWT.Audiences or JWT.AudienceClients contains an empty string: remove it")
	case slices.Contains(j.OtherTyps, ""):
		return errors.New(`JWT.OtherTyps contains an empty string: use "at+jwt" for RFC 9068 tokens and NoTyp for tokens without typ`)
	case len(j.AudienceClients) > 0 && (j.strict() || len(j.Claims) == 0):
		return errors.New("JWT.AudienceClients requires JWT.Typ and JWT.Claims: set both")
	case j.InsecureNonce && len(j.Claims) == 0:
		return errors.New("JWT.InsecureNonce requires JWT.Claims: set a claim that ID tokens do not have")
	case j.Keys == nil:
		return errors.New("JWT.Keys is nil: set it to the Keys of a discovery.Provider")
	case j.Skew < 0 || j.Skew > maxSkew:
		return fmt.Errorf("JWT.Skew is %s, expected 0 to %s", jose.Duration(j.Skew), jose.Duration(maxSkew))
	}
	return jose.CheckAlgsOf("JWT.Algs", j.algs())
}

var defaultAlgs = []string{"RS256"}

func (j *JWT) algs() []string {
	if len(j.Algs) == 0 {
		return defaultAlgs
	}
	return j.Algs
}

// strict reports whether Typ is from RFC 9068.
func (j *JWT) strict() bool { return j.Typ == "" || isRFC9068(jose.Header{Typ: j.Typ}) }

func isRFC9068(h jose.Header) bool { return h.CheckTyp(jose.AccessToken) == nil }

func (j *JWT) checkHeader(t *jose.Token) error {
	if err := t.Header.CheckTyp(j.kind()); err != nil {
		return j.otherTyp(t, err)
	}
	if err := t.Header.CheckAlg(j.algs()); err != nil {
		return fmt.Errorf("%w: %s", err, j.algRemedy(t.Header))
	}
	return nil
}

func (j *JWT) algRemedy(h jose.Header) string {
	if h.IsHMAC() {
		return "it is signed with a secret of the server. Configure the server to sign with RS256 or ES256, or use Introspection. " +
			"If this API has the secret, set JWT.Algs, and set JWT.Keys to idtoken.SecretKeys"
	}
	return "set JWT.Algs to the algorithms of the server's access tokens"
}

// kind returns the accepted values of typ.
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

// keyHolder is a key set that can report whether it still contains a key.
type keyHolder interface {
	Holds(ctx context.Context, key *jose.Key) (bool, error)
}

func (j *JWT) origin(t *jose.Token) origin {
	keys, _ := j.Keys.(keyHolder)
	return origin{keys: keys, key: t.Key()}
}
