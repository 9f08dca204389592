package rs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

// AWSLoadBalancer verifies the user claims that an AWS application load balancer forwards after it
// signed the user in, in the header X-Amzn-Oidc-Data (see Protection.TokenHeader). They are an
// ES256 JWT with padding. They grant nothing, so the Principal has no scopes. Signers, Issuer and
// ClientID must be set; otherwise every token is answered with 503. A [Cache] does not accept it as
// its Tokens. It is safe for concurrent use after the fields are set.
//
// Let the API accept connections from the load balancer only. Otherwise a client can send a
// header that it received elsewhere.
type AWSLoadBalancer struct {
	// Signers are the ARNs of the load balancers. The header parameter signer must be one of
	// them. AWS signs for all its customers with the same keys, so only the signer identifies
	// your load balancer.
	Signers []string

	// Issuer and ClientID are from the load balancer's OpenID Connect configuration.
	Issuer, ClientID string

	// KeysURL is the URL below which the keys are, each under its kid. "" means the URL of the
	// signer's region; set it for GovCloud and China.
	KeysURL string

	// Skew is the accepted clock difference to the load balancer. 0 means 30 seconds; at most 5
	// minutes.
	Skew time.Duration

	// HTTP fetches the keys, as in [Introspection]. nil means the default client of this
	// module.
	HTTP *http.Client

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	keys albKeys
}

// albHeader and albClaims are the parts that are read. Both contain exp and iss.
type albHeader struct {
	Alg      string           `json:"alg"`
	KeyID    string           `json:"kid"`
	Signer   string           `json:"signer"`
	Issuer   string           `json:"iss"`
	ClientID string           `json:"client"`
	Expiry   jose.NumericDate `json:"exp"`
	Critical *[]string        `json:"crit"`
}

type albClaims struct {
	Subject string           `json:"sub"`
	Issuer  string           `json:"iss"`
	Expiry  jose.NumericDate `json:"exp"`
}

// VerifyToken implements [Verifier]. A [Protection] answers 401 invalid_token for a token that
// is rejected; the error names the setting to change. It answers 503 if a setting is missing,
// or the key cannot be fetched now.
func (a *AWSLoadBalancer) VerifyToken(ctx context.Context, token string) (*Principal, error) {
	if err := a.configured(); err != nil {
		return nil, &unavailable{err}
	}
	signed, parts, err := albParts(token)
	if err != nil {
		return nil, err
	}
	var h albHeader
	if err := jose.Decode(parts[0], &h, jose.TokenLimits); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	var c albClaims
	if err := jose.Decode(parts[1], &c, jose.TokenLimits); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	if err := a.check(&h, &c); err != nil {
		return nil, err
	}
	key, err := a.key(ctx, &h)
	if err != nil {
		return nil, err
	}
	if !validES256(key, signed, parts[2]) {
		return nil, errors.New("the signature is not valid")
	}
	return &Principal{Issuer: a.Issuer, Subject: c.Subject, ClientID: a.ClientID, Expiry: h.Expiry.Time, payload: parts[1], origin: origin{forwarded: true}}, nil
}

// albParts splits the token into three base64url parts, each with or without padding.
func albParts(token string) (signed string, parts [3][]byte, err error) {
	texts := strings.Split(token, ".")
	if len(token) > jose.MaxSize || len(texts) != len(parts) {
		return "", parts, errors.New("malformed load balancer token: expected three parts and at most 64 KiB")
	}
	for i, text := range texts {
		encoding := base64.RawURLEncoding
		if strings.HasSuffix(text, "=") {
			encoding = base64.URLEncoding
		}
		if parts[i], err = encoding.Strict().DecodeString(text); err != nil || strings.ContainsAny(text, "\r\n") {
			return "", parts, errors.New("malformed load balancer token: a part is not base64url")
		}
	}
	return token[:len(texts[0])+1+len(texts[1])], parts, nil
}

func (a *AWSLoadBalancer) check(h *albHeader, c *albClaims) error {
	switch {
	case h.Alg != "ES256" || h.Critical != nil:
		return errors.New("alg is not ES256 or crit is present")
	case !slices.Contains(a.Signers, h.Signer):
		return fmt.Errorf("signer is %s: add it to AWSLoadBalancer.Signers if it is your load balancer", jose.Quote(h.Signer))
	case h.Issuer != a.Issuer:
		return wrongIssuer(h.Issuer, a.Issuer, "AWSLoadBalancer.Issuer")
	case c.Issuer != "" && c.Issuer != a.Issuer:
		return wrongIssuer(c.Issuer, a.Issuer, "AWSLoadBalancer.Issuer")
	case h.ClientID != a.ClientID:
		return fmt.Errorf("client is %s, expected %s: set AWSLoadBalancer.ClientID to the client ID of the load balancer", jose.Quote(h.ClientID), jose.Quote(a.ClientID))
	case c.Subject == "":
		return errors.New("sub is missing")
	}
	times := clock{now(a.Now), a.Skew, "AWSLoadBalancer.Skew"}
	if err := times.check(h.Expiry, jose.NumericDate{}, jose.NumericDate{}); err != nil || c.Expiry.IsZero() {
		return err
	}
	return times.check(c.Expiry, jose.NumericDate{}, jose.NumericDate{})
}

func validES256(key *ecdsa.PublicKey, signed string, signature []byte) bool {
	if len(signature) != 64 {
		return false
	}
	sum := sha256.Sum256([]byte(signed))
	return ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
}

func (a *AWSLoadBalancer) configured() error {
	switch {
	case a == nil:
		return errors.New("the *AWSLoadBalancer is nil")
	case len(a.Signers) == 0 || slices.Contains(a.Signers, ""):
		return errors.New("AWSLoadBalancer.Signers is empty or contains an empty string: list the ARNs of your load balancers")
	case a.Issuer == "" || a.ClientID == "":
		return errors.New("AWSLoadBalancer.Issuer or AWSLoadBalancer.ClientID is empty: set both")
	case a.Skew < 0 || a.Skew > maxSkew:
		return fmt.Errorf("AWSLoadBalancer.Skew is %s, expected 0 to %s", jose.Duration(a.Skew), jose.Duration(maxSkew))
	case a.KeysURL != "" && endpoint.CheckURL(a.KeysURL) != nil:
		return fmt.Errorf("AWSLoadBalancer.KeysURL is %w", endpoint.CheckURL(a.KeysURL))
	}
	for _, signer := range a.Signers {
		if a.KeysURL == "" && albRegion(signer) == "" {
			return fmt.Errorf("AWSLoadBalancer.Signers: %q is not the ARN of a load balancer (arn:aws:elasticloadbalancing:…); set AWSLoadBalancer.KeysURL for other partitions", signer)
		}
	}
	return nil
}

// Ready is [Protection.Ready] for this part only. It checks the settings only, and an error names
// the wrong one: keys are fetched by kid when a token arrives.
func (a *AWSLoadBalancer) Ready(context.Context) error { return a.configured() }

// albRegion returns the region of an ARN in the partition aws, or "".
func albRegion(arn string) string {
	parts := strings.Split(arn, ":")
	if len(parts) < 6 || parts[0] != "arn" || parts[1] != "aws" || parts[2] != "elasticloadbalancing" {
		return ""
	}
	if strings.Trim(parts[3], "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return ""
	}
	return parts[3]
}

// Limits for keys. A kid is fetched only for a known signer, but every client can write one into a
// header, so fetches have a budget.
const (
	albKeyAge    = 24 * time.Hour
	albMaxKeys   = 16
	albBudget    = 3
	albRefill    = 30 * time.Second
	albMaxKeyID  = 64
	albMaxLength = 4 << 10
)

type albKeys struct {
	mu       sync.Mutex
	known    map[string]albKey
	fetching chan struct{} // full while a request fetches a key

	// Only the request that fetches uses these.
	fetches int       // used of the budget
	since   time.Time // when the budget was refilled
}

type albKey struct {
	key   *ecdsa.PublicKey
	until time.Time
}

// key returns the key that the token's header names, from memory or from AWS.
func (a *AWSLoadBalancer) key(ctx context.Context, h *albHeader) (*ecdsa.PublicKey, error) {
	if h.KeyID == "" || len(h.KeyID) > albMaxKeyID || strings.Trim(h.KeyID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
		return nil, errors.New("kid is missing, is too long, or contains a character that is not a letter, a digit or a hyphen")
	}
	if key := a.keys.get(h.KeyID, now(a.Now)); key != nil {
		return key, nil
	}
	done, err := a.keys.turn(ctx)
	if err != nil {
		return nil, &unavailable{fmt.Errorf("waiting for the load balancer's key: %w", err)}
	}
	defer done()
	return a.learn(ctx, h)
}

// learn fetches a key. Another request may have fetched it just before.
func (a *AWSLoadBalancer) learn(ctx context.Context, h *albHeader) (*ecdsa.PublicKey, error) {
	at := now(a.Now)
	if key := a.keys.get(h.KeyID, at); key != nil {
		return key, nil
	}
	if !a.keys.allow(at) {
		return nil, &unavailable{errors.New("kid is unknown, and too many keys were fetched recently: the next fetch is possible within 30 seconds")}
	}
	key, err := a.fetch(ctx, h)
	if err == nil {
		a.keys.put(h.KeyID, albKey{key, at.Add(albKeyAge)})
	}
	return key, err
}

// turn waits until no other request fetches a key. Requests with a known key do not wait.
func (k *albKeys) turn(ctx context.Context) (done func(), err error) {
	k.mu.Lock()
	if k.fetching == nil {
		k.fetching = make(chan struct{}, 1)
	}
	k.mu.Unlock()
	select {
	case k.fetching <- struct{}{}:
		return func() { <-k.fetching }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (k *albKeys) get(id string, at time.Time) *ecdsa.PublicKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known := k.known[id]; at.Before(known.until) {
		return known.key
	}
	return nil
}

func (k *albKeys) put(id string, key albKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil || len(k.known) >= albMaxKeys {
		k.known = map[string]albKey{}
	}
	k.known[id] = key
}

// allow uses one fetch of the budget: three at once, and one more every 30 seconds.
func (k *albKeys) allow(at time.Time) bool {
	if refills := int(at.Sub(k.since) / albRefill); refills > 0 || k.since.IsZero() {
		k.fetches, k.since = max(0, k.fetches-max(0, refills)), at
	}
	if k.fetches >= albBudget {
		return false
	}
	k.fetches++
	return true
}

func (a *AWSLoadBalancer) fetch(ctx context.Context, h *albHeader) (*ecdsa.PublicKey, error) {
	base := a.KeysURL
	if base == "" {
		base = "https://public-keys.auth.elb." + albRegion(h.Signer) + ".amazonaws.com"
	}
	resp, err := endpoint.Client{HTTP: a.HTTP}.Get(context.WithoutCancel(ctx), strings.TrimSuffix(base, "/")+"/"+h.KeyID, "*/*", nil, albMaxLength)
	switch {
	case err != nil:
		return nil, &unavailable{fmt.Errorf("cannot fetch the load balancer's key: %w", err)}
	case resp.Status == http.StatusNotFound || resp.Status == http.StatusForbidden: // S3's responses for a missing object
		return nil, errors.New("AWS has no key with this kid: check AWSLoadBalancer.KeysURL")
	case resp.Status != http.StatusOK:
		return nil, &unavailable{fmt.Errorf("cannot fetch the load balancer's key: status %d", resp.Status)}
	}
	block, _ := pem.Decode(resp.Body)
	if block == nil {
		return nil, &unavailable{errors.New("the load balancer's key is not PEM")}
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if ec, ok := key.(*ecdsa.PublicKey); err == nil && ok && ec.Curve == elliptic.P256() {
		return ec, nil
	}
	return nil, &unavailable{errors.New("the load balancer's key is not an EC key on P-256")}
}

// hasLoadBalancer reports whether v, or a Verifier inside it, is an AWSLoadBalancer.
func hasLoadBalancer(v Verifier) bool {
	switch v := v.(type) {
	case *AWSLoadBalancer:
		return true
	case *JWTOrOpaque:
		return v != nil && (hasLoadBalancer(v.JWT) || hasLoadBalancer(v.Opaque))
	case *Cache:
		return v != nil && hasLoadBalancer(v.Tokens)
	}
	return false
}
