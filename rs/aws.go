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

// AWSLoadBalancer verifies the user claims that an application load balancer of AWS
// forwards after it signed the user in: the header X-Amzn-Oidc-Data (see
// Protection.TokenHeader). They are a JWT by ES256, but for its padding, and grant nothing:
// the Principal has no scopes. Signers, Issuer and ClientID must be set; without them
// every token is rejected. A [Cache] does not take it.
//
// Let the API accept connections from the load balancer alone: it is what makes the header
// its own.
type AWSLoadBalancer struct {
	// Signers are the ARNs of the load balancers; the header parameter signer must be one
	// of them. AWS signs for all its customers with the same keys, so nothing else says
	// that a token is from your load balancer.
	Signers []string

	// Issuer and ClientID are those of the load balancer's OpenID Connect configuration.
	Issuer, ClientID string

	// KeysURL is where the keys are, each under its kid. "" means that of the region of
	// the token's signer, outside GovCloud and China.
	KeysURL string

	// Skew is how far the load balancer's clock may be off. 0 means 30 seconds; at most 5 minutes.
	Skew time.Duration

	// HTTP fetches the keys, as that of [Introspection] does. nil means a client of the module.
	HTTP *http.Client

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	keys albKeys
}

// albHeader and albClaims are what is read. exp and iss are in both.
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

// VerifyToken implements [Verifier].
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
	return &Principal{Issuer: a.Issuer, Subject: c.Subject, ClientID: a.ClientID, Expiry: h.Expiry.Time, payload: parts[1]}, nil
}

// albParts splits the token: three parts of base64url, each padded or not.
func albParts(token string) (signed string, parts [3][]byte, err error) {
	texts := strings.Split(token, ".")
	if len(token) > jose.MaxSize || len(texts) != len(parts) {
		return "", parts, errors.New("not a token of a load balancer: it has three parts, and at most 64 KiB")
	}
	for i, text := range texts {
		encoding := base64.RawURLEncoding
		if strings.HasSuffix(text, "=") {
			encoding = base64.URLEncoding
		}
		if parts[i], err = encoding.Strict().DecodeString(text); err != nil || strings.ContainsAny(text, "\r\n") {
			return "", parts, errors.New("not a token of a load balancer: a part is not base64url")
		}
	}
	return token[:len(texts[0])+1+len(texts[1])], parts, nil
}

func (a *AWSLoadBalancer) check(h *albHeader, c *albClaims) error {
	switch {
	case h.Alg != "ES256" || h.Critical != nil:
		return errors.New("alg is not ES256, or crit is present")
	case !slices.Contains(a.Signers, h.Signer):
		return fmt.Errorf("signer is %s: add it to AWSLoadBalancer.Signers if it is your load balancer", jose.Quote(h.Signer))
	case h.Issuer != a.Issuer:
		return wrongIssuer(h.Issuer, a.Issuer, "AWSLoadBalancer.Issuer")
	case c.Issuer != "" && c.Issuer != a.Issuer:
		return wrongIssuer(c.Issuer, a.Issuer, "AWSLoadBalancer.Issuer")
	case h.ClientID != a.ClientID:
		return fmt.Errorf("client is %s, expected %s: set AWSLoadBalancer.ClientID", jose.Quote(h.ClientID), jose.Quote(a.ClientID))
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
		return errors.New("an *AWSLoadBalancer that is nil")
	case len(a.Signers) == 0 || slices.Contains(a.Signers, ""):
		return errors.New("AWSLoadBalancer.Signers is empty, or has an empty string in it")
	case a.Issuer == "" || a.ClientID == "":
		return errors.New("AWSLoadBalancer.Issuer or AWSLoadBalancer.ClientID is empty")
	case a.Skew < 0 || a.Skew > maxSkew:
		return fmt.Errorf("AWSLoadBalancer.Skew is %v, expected 0 to %v", a.Skew, maxSkew)
	case a.KeysURL != "" && endpoint.CheckURL(a.KeysURL) != nil:
		return fmt.Errorf("AWSLoadBalancer.KeysURL is %w", endpoint.CheckURL(a.KeysURL))
	}
	for _, signer := range a.Signers {
		if a.KeysURL == "" && albRegion(signer) == "" {
			return fmt.Errorf("AWSLoadBalancer.Signers: %q is not the ARN of a load balancer (arn:aws:elasticloadbalancing:…); for other partitions set KeysURL", signer)
		}
	}
	return nil
}

// Ready is [Protection.Ready] for this part alone. Its keys are fetched by kid, when a
// token comes.
func (a *AWSLoadBalancer) Ready(context.Context) error { return a.configured() }

// albRegion is the region in an ARN of the partition aws; "" if it has none.
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

// How keys are kept and fetched. A kid is fetched only for a token of a known signer, but
// anybody can write that, so fetches have a budget.
const (
	albKeyAge    = 24 * time.Hour
	albMaxKeys   = 16
	albBudget    = 3
	albRefill    = 30 * time.Second
	albMaxKeyID  = 64
	albMaxLength = 4 << 10
)

type albKeys struct {
	mu      sync.Mutex
	known   map[string]albKey
	fetches int       // of the budget
	since   time.Time // when the budget was refilled
}

type albKey struct {
	key   *ecdsa.PublicKey
	until time.Time
}

// key gives the key of a token's header, from memory or from AWS.
func (a *AWSLoadBalancer) key(ctx context.Context, h *albHeader) (*ecdsa.PublicKey, error) {
	if h.KeyID == "" || len(h.KeyID) > albMaxKeyID || strings.Trim(h.KeyID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
		return nil, errors.New("kid is missing, or not letters, digits and hyphens")
	}
	a.keys.mu.Lock() // also while a key is fetched: others wait for it, within its deadline
	defer a.keys.mu.Unlock()
	at := now(a.Now)
	if k, ok := a.keys.known[h.KeyID]; ok && at.Before(k.until) {
		return k.key, nil
	}
	if !a.keys.allow(at) {
		return nil, &unavailable{errors.New("an unknown kid, and the budget for fetching keys is used up")}
	}
	key, err := a.fetch(ctx, h)
	if err != nil {
		return nil, err
	}
	if a.keys.known == nil || len(a.keys.known) >= albMaxKeys {
		a.keys.known = map[string]albKey{}
	}
	a.keys.known[h.KeyID] = albKey{key, at.Add(albKeyAge)}
	return key, nil
}

// allow takes one fetch of the budget: three at once, and one more every 30 seconds.
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
		return nil, &unavailable{fmt.Errorf("the load balancer's key: %w", err)}
	case resp.Status == http.StatusNotFound || resp.Status == http.StatusForbidden: // what S3 answers for no such object
		return nil, errors.New("AWS has no key of this kid")
	case resp.Status != http.StatusOK:
		return nil, &unavailable{fmt.Errorf("the load balancer's key: status %d", resp.Status)}
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

func isLoadBalancer(v Verifier) bool {
	_, ok := v.(*AWSLoadBalancer)
	return ok
}
