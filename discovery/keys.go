package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

const (
	keysFresh    = 10 * time.Minute // if the server sends no max-age
	keysFreshMin = time.Minute      // lower limit for the server's max-age
	keysFreshMax = hardLimit
)

// KeySet verifies the signature of a JWT and returns its payload. It has the same method as
// go-oidc's KeySet, so the key sets of both libraries are interchangeable.
type KeySet interface {
	VerifySignature(ctx context.Context, jwt string) (payload []byte, err error)
}

// StaticKeys returns a key set that never changes from a JWK Set (RFC 7517 §5). Use it for
// tests and for keys that the operator pins. It skips keys that cannot verify signatures, and
// returns an [*Error] if no key remains.
func StaticKeys(jwks []byte) (KeySet, error) {
	set, err := jose.ParseSet(jwks)
	if err != nil {
		return nil, wrap(keySetDocument, err)
	}
	if set.Len() == 0 {
		return nil, wrap(keySetDocument, fmt.Errorf("the key set has no usable key: %w", errors.Join(set.Skipped[:min(len(set.Skipped), 3)]...)))
	}
	return set, nil
}

// Keys returns the server's rotating key set. It fetches nothing before the first token. The set is
// fetched again after 10 minutes, or after the server's Cache-Control lifetime, which is limited to
// 1 minute to 24 hours. It is also fetched when a token's key is not in the set. A small budget
// limits these requests, so that invalid tokens cannot cause a flood of them.
//
// A fetched set replaces the previous one, even if it is empty or has no usable key. {"keys":[]} is
// a valid JWK Set (RFC 7517 §5), and a key that the server withdrew must not verify a token. Every
// token is then rejected, and the set is fetched again after a minute. A response that is not a JWK
// Set changes nothing.
func (p *Provider) Keys() KeySet { return &providerKeys{p} }

// Encrypt encrypts a JWT, such as a request object (RFC 9101 §6.1), to an encryption key that
// the server publishes. alg is RSA-OAEP-256, ECDH-ES or ECDH-ES with A*KW. enc is an A*GCM or
// A*CBC-HS* algorithm (RFC 7518 §4.1, §5.1). It returns an error for other algorithms, and if
// the server has no key for alg. The error is an [*Error] if the keys could not be fetched.
func (p *Provider) Encrypt(ctx context.Context, jwt, alg, enc string) (string, error) {
	set, err := p.keySet(ctx)
	if err != nil {
		return "", err
	}
	return set.Encrypt(jwt, alg, enc)
}

// providerKeys exposes only the keys of a Provider.
type providerKeys struct{ p *Provider }

// VerifySignature implements KeySet.
func (k *providerKeys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	return jose.VerifySignature(ctx, k, jwt)
}

// VerifyToken implements jose.TokenVerifier, for callers that have parsed the token already.
func (k *providerKeys) VerifyToken(ctx context.Context, t *jose.Token) error {
	set, fetched, err := k.p.currentKeySet(ctx)
	if err != nil {
		return err
	}
	err = set.VerifyToken(ctx, t)
	if !errors.Is(err, jose.ErrUnknownKey) {
		return err
	}
	k.p.keys.unknownTokens.Add(1)
	if fetched {
		return err
	}
	newer, fetchErr := k.p.newerKeySet(ctx, set, t.Header.Kid)
	if fetchErr != nil {
		return fmt.Errorf("%w. Cannot fetch a newer key set: %w", err, fetchErr)
	}
	if newer == set {
		return err
	}
	return newer.VerifyToken(ctx, t)
}

// rotatingKeys holds the keys of a Provider.
type rotatingKeys struct {
	document[*jose.Set]

	budgetMu sync.Mutex
	budget   budget
	unknown  unknownIDs
	reported string // which keys of the last set are not used, and why

	unknownTokens atomic.Uint64
}

// keySet returns the current set, refreshed if it is due.
func (p *Provider) keySet(ctx context.Context) (*jose.Set, error) {
	set, _, err := p.currentKeySet(ctx)
	return set, err
}

// currentKeySet is keySet, and reports whether the set arrived during this call. If it did,
// the server does not have a kid that is not in the set, and another request is useless.
func (p *Provider) currentKeySet(ctx context.Context) (set *jose.Set, fetched bool, err error) {
	return p.keys.get(ctx, p.now, p.fetchKeys)
}

// newerKeySet fetches a set with the key kid, which is not in old. It returns old if no
// request may be sent now.
func (p *Provider) newerKeySet(ctx context.Context, old *jose.Set, kid string) (*jose.Set, error) {
	if have, state, _ := p.keys.current(p.now()); state != gone && have != old {
		return have, nil
	}
	if got, err, joined := p.keys.flight.Join(ctx); joined {
		return got, err // the request may have started before the key was published, so the result does not show that kid is unknown
	}
	if !p.keys.mayAsk(kid, p.now()) {
		return old, nil
	}
	got, err := p.keys.fetch(ctx, p.now, p.fetchKeys)
	if err != nil {
		return nil, err
	}
	if !got.Has(kid) {
		p.keys.remember(kid, p.now())
	}
	return got, nil
}

func (k *rotatingKeys) mayAsk(kid string, now time.Time) bool {
	k.budgetMu.Lock()
	defer k.budgetMu.Unlock()
	return !k.unknown.has(kid, now) && k.budget.take(now)
}

func (k *rotatingKeys) remember(kid string, now time.Time) {
	k.budgetMu.Lock()
	defer k.budgetMu.Unlock()
	k.unknown.add(kid, now)
}

func (p *Provider) fetchKeys(ctx context.Context) (*jose.Set, time.Duration, error) {
	m, err := p.anyMetadata(ctx)
	if err != nil {
		return nil, 0, err
	}
	ctx = p.Context(ctx)
	set, fresh, err := p.getKeys(ctx, m.JWKSURI)
	p.reportFailure(ctx, keySetDocument, p.keys.held(p.now()), err)
	if err != nil {
		return nil, 0, err
	}
	p.report(ctx, set)
	if set.Len() == 0 {
		fresh = keysFreshMin // it may be a mistake that the server corrects soon
	}
	return set, fresh, nil
}

func (p *Provider) getKeys(ctx context.Context, u string) (*jose.Set, time.Duration, error) {
	if u == "" {
		return nil, 0, wrap(keySetDocument, errors.New("the metadata has no jwks_uri: use KeysAt or StaticKeys"))
	}
	resp, err := get(ctx, p.HTTP, keySetDocument, u, endpoint.MaxKeySet)
	if err != nil {
		return nil, 0, err
	}
	set, err := jose.ParseSet(resp.Body)
	if err != nil {
		return nil, 0, wrap(keySetDocument, resp.Refuse(err))
	}
	return set, lifetime(resp.Header), nil
}

// lifetime parses Cache-Control and Age (RFC 9111 §5.1, §5.2.2) and limits the result to the
// allowed range. no-store and no-cache mean the minimum.
func lifetime(h http.Header) time.Duration {
	fresh := keysFresh
	for _, directive := range strings.Split(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return keysFreshMin
		case "max-age":
			if s, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32); err == nil {
				fresh = time.Duration(s) * time.Second
			}
		}
	}
	if age, err := strconv.ParseInt(h.Get("Age"), 10, 32); err == nil && age > 0 {
		fresh -= time.Duration(age) * time.Second
	}
	return min(max(fresh, keysFreshMin), keysFreshMax)
}
