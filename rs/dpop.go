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

// DPoP checks the proof that a request has the key of its token, RFC 9449. BaseURL must be set;
// otherwise every such request is answered with 503. A DPoP is safe for concurrent use after the
// fields are set, and must not be copied after its first use.
type DPoP struct {
	// BaseURL is the URL at which clients reach this API: scheme, host, and the path prefix
	// that a proxy removes. The htu of proofs is compared with it. The Host header is not used,
	// because the sender of a stolen proof could choose it.
	BaseURL string

	// Required rejects tokens that are not bound to a key.
	Required bool

	// Algs are the accepted algorithms of proofs. Empty means ES256, EdDSA, Ed25519, PS256 and
	// RS256.
	Algs []string

	// NonceKey turns on nonces (RFC 9449 §9). Then a proof must have a nonce of the last
	// minutes, so a proof that was made in advance is rejected. Nonces are computed from the
	// key and not stored. It must have 32 bytes or more and be the same in all processes. Empty
	// means no nonces.
	NonceKey []byte `json:"-"`

	// MaxAge is how old the iat of a proof may be. MaxAhead is how far it may be ahead of the
	// local clock, for clients whose clocks differ (RFC 9449 §11.1). 0 means 60 and 10 seconds.
	// With NonceKey, 0 means 5 minutes each, because the nonce limits the age. The maximum is 5
	// minutes each, and 1 hour with NonceKey.
	MaxAge, MaxAhead time.Duration

	// Replay remembers proofs, so that each is accepted once. It keeps each until no replica
	// accepts it any more, plus 2 minutes for clocks that differ. nil means the memory of this
	// process, which is sufficient only for an API in one process.
	Replay ReplayStore

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	once   sync.Once
	base   string // BaseURL, normalized
	bad    error  // a fault of the configuration
	memory memoryReplay
}

// ReplayStore remembers keys that may be used once. redisstore.Store and
// sqlstore.Store implement it.
type ReplayStore interface {
	// Once stores key until the given time and reports whether this is the first call with it.
	// It must be atomic: of two callers with one key, only one may get true. On an error the
	// request is answered with 503.
	Once(ctx context.Context, key string, until time.Time) (first bool, err error)
}

// Format implements fmt.Formatter. It prints neither the key nor the proofs.
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
	clocksDiffer   = 2 * time.Minute // of replicas, when proofs are remembered
	nonceWindow    = 5 * time.Minute
	maxWindow      = 5 * time.Minute
	maxNonceWindow = time.Hour
)

// window returns MaxAge and MaxAhead with their defaults, and their maximum.
func (d *DPoP) window() (back, ahead, most time.Duration) {
	back, ahead, most = dpop.MaxAge, dpop.MaxAhead, maxWindow
	if len(d.NonceKey) > 0 {
		back, ahead, most = nonceWindow, nonceWindow, maxNonceWindow
	}
	return cmp.Or(d.MaxAge, back), cmp.Or(d.MaxAhead, ahead), most
}

// remember returns how long an accepted proof must be remembered: until no replica accepts it
// any more. A nonce is accepted for three times nonceLife at most.
func (d *DPoP) remember() time.Duration {
	back, ahead, _ := d.window()
	if len(d.NonceKey) > 0 {
		return min(back+ahead, 3*nonceLife) + clocksDiffer
	}
	return back + ahead + clocksDiffer
}

// configured checks the settings and normalizes BaseURL, once.
func (d *DPoP) configured() error {
	d.once.Do(func() {
		base, err := dpop.NormalizeURL(d.BaseURL)
		back, ahead, most := d.window()
		switch {
		case back < 0 || back > most || ahead < 0 || ahead > most:
			d.bad = fmt.Errorf("DPoP.MaxAge is %s and DPoP.MaxAhead is %s, expected 0 to %s: set NonceKey for a wider window", jose.Duration(back), jose.Duration(ahead), jose.Duration(most))
		case err != nil || strings.ContainsAny(d.BaseURL, "?#"):
			d.bad = errors.New("DPoP.BaseURL is not an absolute URL without query and fragment")
		case len(d.NonceKey) > 0 && len(d.NonceKey) < minNonceKey:
			d.bad = fmt.Errorf("DPoP.NonceKey is too short, expected at least %d bytes", minNonceKey)
		default:
			d.bad = checkProofAlgs(d.algs())
		}
		d.base = strings.TrimSuffix(base, "/")
	})
	return d.bad
}

// checkProofAlgs rejects algorithms with a shared secret (RFC 9449 §4.3).
func checkProofAlgs(algs []string) error {
	for _, a := range algs {
		if strings.HasPrefix(a, "HS") {
			return errors.New("DPoP.Algs contains a symmetric algorithm, expected asymmetric ones")
		}
	}
	return jose.CheckAlgsOf("DPoP.Algs", algs)
}

// check compares the proof of the request with the token and its key.
func (d *DPoP) check(r *http.Request, token, thumbprint string) *Error {
	if err := d.configured(); err != nil {
		return notAvailable(err)
	}
	proofs := r.Header["Dpop"]
	if len(proofs) != 1 { // RFC 9449 §4.3, point 1
		return badProof(fmt.Errorf("the request has %d DPoP headers, expected 1", len(proofs)))
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

// refusal returns the response for a bad proof. A proof with another key makes the token
// invalid (RFC 9449 §7.1). For a missing or old nonce, the client gets a new one (§9).
func (d *DPoP) refusal(err error, clock time.Time) *Error {
	switch {
	case errors.Is(err, errNonce):
		return &Error{
			Status: http.StatusUnauthorized, Code: UseDPoPNonce, Description: "the DPoP proof must contain the nonce of this response",
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

// useOnce rejects a proof that was used before (RFC 9449 §11.1). If the store fails, every
// proof is rejected.
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

// requestPath returns the path as the client sent it, because routers remove prefixes from
// r.URL.
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
