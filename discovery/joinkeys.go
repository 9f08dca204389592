package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/countersign/countersign/internal/jose"
)

// KeysAt returns the rotating key set at a URL that the operator configures. It is for
// servers that publish keys outside of their metadata. The key set behaves like that of
// [Provider.Keys]. hc may be nil.
func KeysAt(jwksURI string, hc *http.Client) KeySet {
	name, _, _ := strings.Cut(jwksURI, "?") // a Provider needs an issuer; here only the log uses it
	return (&Provider{Issuer: name, Static: &Metadata{Issuer: name, JWKSURI: jwksURI}, HTTP: hc}).Keys()
}

// JoinKeys combines several key sets of one server. Every key set must come from this package. A
// token's key may be in any of them. Two different keys with the same kid and algorithm are not
// used: a token that refers to them is rejected.
func JoinKeys(sets ...KeySet) KeySet { return &joinedKeys{parts: sets} }

// joinedKeys holds the union of its parts. It is rebuilt when a part has changed.
type joinedKeys struct {
	parts []KeySet

	mu    sync.Mutex
	of    []*jose.Set
	union *jose.Set
}

// VerifySignature implements KeySet.
func (j *joinedKeys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	return jose.VerifySignature(ctx, j, jwt)
}

// VerifyToken implements jose.TokenVerifier. If no part has the token's kid, it requests a
// newer set from each part, within the budget of that part.
func (j *joinedKeys) VerifyToken(ctx context.Context, t *jose.Token) error {
	sets, fetched, missing := j.current(ctx)
	err := j.join(sets).VerifyToken(ctx, t)
	if !errors.Is(err, jose.ErrUnknownKey) {
		return err
	}
	for i, part := range j.parts {
		if p, ok := part.(*providerKeys); ok && sets[i] != nil && !fetched[i] {
			newer, fetchErr := p.p.newerKeySet(ctx, sets[i], t.Header.Kid)
			if fetchErr != nil {
				missing = fetchErr
				continue
			}
			sets[i] = newer
		}
	}
	if err := j.join(sets).VerifyToken(ctx, t); !errors.Is(err, jose.ErrUnknownKey) || missing == nil {
		return err
	}
	return missing // the key may be in the set that could not be fetched
}

// Holds reports whether key is one of the current keys.
func (j *joinedKeys) Holds(ctx context.Context, key *jose.Key) (bool, error) {
	sets, _, missing := j.current(ctx)
	if held, _ := j.join(sets).Holds(ctx, key); held {
		return true, nil
	}
	return false, missing
}

// current returns the set of every part, and whether it arrived during this call. The set is
// nil if it cannot be fetched; missing is then the error.
func (j *joinedKeys) current(ctx context.Context) (sets []*jose.Set, fetched []bool, missing error) {
	sets, fetched = make([]*jose.Set, len(j.parts)), make([]bool, len(j.parts))
	if len(sets) == 0 {
		missing = wrap(keySetDocument, errors.New("JoinKeys received no key set: pass at least one"))
	}
	for i, part := range j.parts {
		var err error
		switch p := part.(type) {
		case *jose.Set:
			sets[i] = p
		case *providerKeys:
			if sets[i], fetched[i], err = p.p.currentKeySet(ctx); err != nil {
				sets[i], missing = nil, err
			}
		default:
			missing = wrap(keySetDocument, fmt.Errorf("JoinKeys received a %T, expected key sets of package discovery", part))
		}
	}
	return sets, fetched, missing
}

func (j *joinedKeys) join(sets []*jose.Set) *jose.Set {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.union == nil || !slices.Equal(j.of, sets) {
		j.of, j.union = slices.Clone(sets), jose.Union(sets...)
	}
	return j.union
}
