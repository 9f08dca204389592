package rs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/dpop"
	"github.com/countersign/countersign/internal/jose"
)

// DPoP lets requests prove that they hold the key that their token is bound to, RFC
// 9449. BaseURL must be set; without it every such request is refused. A DPoP must not
// be copied after its first use.
type DPoP struct {
	// BaseURL is where clients reach this API: scheme, host, and the path that a proxy
	// takes away, if it does. What proofs are for is held against it, and never against
	// the Host header, which the sender of a stolen proof would choose.
	BaseURL string

	// Required refuses tokens that are bound to no key.
	Required bool

	// Algs are the algorithms of proofs that are taken. Empty means ES256, EdDSA,
	// Ed25519, PS256 and RS256.
	Algs []string

	// NonceKey turns on nonces (RFC 9449 §9): then a proof must have one of the last
	// minutes, and one made in advance is of no use. Nonces are computed with the key,
	// so that no machine keeps any: it must be the same secret of 32 bytes or more on all.
	// Empty means no nonces.
	NonceKey []byte `json:"-"`

	// MaxAge is how old a proof's iat may be, and MaxAhead how far it may be ahead of the
	// local clock, for clients whose clocks differ (RFC 9449 §11.1). 0 means 60 and 10
	// seconds, and 5 minutes each with NonceKey: then the nonce limits the age. Each is at
	// most 5 minutes, and an hour with NonceKey.
	MaxAge, MaxAhead time.Duration

	// Replay remembers proofs, so that each is accepted once. It gets each until no
	// replica can accept it, with 2 minutes more for clocks that differ. nil means the
	// memory of this process, which is enough for an API in one process alone.
	Replay ReplayStore

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	once   sync.Once
	base   string // BaseURL, normalized
	bad    error  // of the configuration
	memory memoryReplay
}

// ReplayStore remembers what was used once; redisstore.Store is one.
type ReplayStore interface {
	// Once remembers key until then, and tells whether this is the first call with it. It
	// must do both at once: of two callers with one key only one may be told so. An error
	// refuses the request.
	Once(ctx context.Context, key string, until time.Time) (first bool, err error)
}

// Format implements fmt.Formatter: the key stays out, and so does what others change.
func (d *DPoP) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[DPoP for %s]", d.BaseURL) }

var defaultProofAlgs = []string{"ES256", "EdDSA", "Ed25519", "PS256", "RS256"}

func (d *DPoP) algs() []string {
	if len(d.Algs) == 0 {
		return defaultProofAlgs
	}
	return d.Algs
}

func (d *DPoP) required() bool { return d != nil && d.Required }

const (
	minNonceKey    = 32
	clocksDiffer   = 2 * time.Minute // among replicas, when proofs are remembered
	nonceWindow    = 5 * time.Minute
	maxWindow      = 5 * time.Minute
	maxNonceWindow = time.Hour
)

// window gives MaxAge and MaxAhead with their defaults, and their bound.
func (d *DPoP) window() (back, ahead, most time.Duration) {
	back, ahead, most = dpop.MaxAge, dpop.MaxAhead, maxWindow
	if len(d.NonceKey) > 0 {
		back, ahead, most = nonceWindow, nonceWindow, maxNonceWindow
	}
	return cmp.Or(d.MaxAge, back), cmp.Or(d.MaxAhead, ahead), most
}

// remember is for how long a proof that is accepted now must be remembered: until no
// replica accepts it any more. A nonce is accepted for three times its life at most.
func (d *DPoP) remember() time.Duration {
	back, ahead, _ := d.window()
	if len(d.NonceKey) > 0 {
		return min(back+ahead, 3*nonceLife) + clocksDiffer
	}
	return back + ahead + clocksDiffer
}

// configured normalizes BaseURL, once.
func (d *DPoP) configured() error {
	d.once.Do(func() {
		base, err := dpop.NormalizeURL(d.BaseURL)
		back, ahead, most := d.window()
		switch {
		case back < 0 || back > most || ahead < 0 || ahead > most:
			d.bad = fmt.Errorf("DPoP.MaxAge is %v and DPoP.MaxAhead is %v, expected 0 to %v: set NonceKey for a wider window", back, ahead, most)
		case err != nil || strings.ContainsAny(d.BaseURL, "?#"):
			d.bad = errors.New("DPoP.BaseURL is not an absolute URL without query")
		case len(d.NonceKey) > 0 && len(d.NonceKey) < minNonceKey:
			d.bad = fmt.Errorf("DPoP.NonceKey is shorter than %d bytes", minNonceKey)
		default:
			d.bad = checkProofAlgs(d.algs())
		}
		d.base = strings.TrimSuffix(base, "/")
	})
	return d.bad
}

// checkProofAlgs leaves out those with a shared secret (RFC 9449 §4.3).
func checkProofAlgs(algs []string) error {
	for _, a := range algs {
		if strings.HasPrefix(a, "HS") {
			return errors.New("DPoP.Algs has a symmetric algorithm")
		}
	}
	return jose.CheckAlgs(algs)
}

// check holds the request's proof against the token and its key.
func (d *DPoP) check(r *http.Request, token, thumbprint string) *Error {
	if err := d.configured(); err != nil {
		return notAvailable(err)
	}
	proofs := r.Header["Dpop"]
	if len(proofs) != 1 { // RFC 9449 §4.3, point 1
		return badProof(fmt.Errorf("%d DPoP headers", len(proofs)))
	}
	clock := now(d.Now)
	back, ahead, _ := d.window()
	proof, err := dpop.Check(proofs[0], dpop.Expected{
		Method: r.Method, URL: d.base + requestPath(r), AccessToken: token, Thumbprint: thumbprint,
		Algs: d.algs(), Nonce: d.checkNonce(clock), Now: clock, MaxAge: back, MaxAhead: ahead,
	})
	if err != nil {
		return d.refusal(err, clock)
	}
	return d.useOnce(r.Context(), thumbprint, proof, clock)
}

// refusal: a proof by another key is as if there were no key (RFC 9449 §7.1); a nonce
// that is too old is replaced (§9).
func (d *DPoP) refusal(err error, clock time.Time) *Error {
	switch {
	case errors.Is(err, errNonce):
		return &Error{
			Status: http.StatusUnauthorized, Code: UseDPoPNonce, Description: "a nonce of this server is needed in the proof",
			Err: err, dpop: true, nonce: d.nonce(clock),
		}
	case dpop.ErrKey(err):
		e := invalidToken(err)
		e.dpop = true
		return e
	}
	return badProof(err)
}

func badProof(err error) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: InvalidDPoPProof, Description: "the DPoP proof is not valid here", Err: err, dpop: true}
}

// useOnce rejects a proof that was seen before (RFC 9449 §11.1). If the store does not
// answer, every proof is rejected.
func (d *DPoP) useOnce(ctx context.Context, thumbprint string, proof *dpop.Checked, clock time.Time) *Error {
	sum := sha256.Sum256([]byte(thumbprint + "." + proof.ID))
	isNew, err := d.use(ctx, sum, clock.Add(d.remember()), clock)
	if err != nil {
		return notAvailable(fmt.Errorf("replay store: %w", err))
	}
	if !isNew {
		return badProof(errors.New("the proof was used before"))
	}
	return nil
}

func (d *DPoP) use(ctx context.Context, sum [sha256.Size]byte, until, clock time.Time) (bool, error) {
	if d.Replay != nil {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		return d.Replay.Once(ctx, base64.RawURLEncoding.EncodeToString(sum[:]), until)
	}
	return d.memory.use(proofID(sum[:16]), until, clock)
}

// requestPath is the path as the client sent it: routers take prefixes off r.URL.
func requestPath(r *http.Request) string {
	target := r.RequestURI
	if target == "" {
		return dpop.PathOf(r.URL)
	}
	if !strings.HasPrefix(target, "/") { // absolute form, RFC 9112 §3.2.2
		if u, err := url.Parse(target); err == nil {
			return dpop.PathOf(u)
		}
	}
	path, _, _ := strings.Cut(target, "?")
	return dpop.NormalizePath(path)
}
