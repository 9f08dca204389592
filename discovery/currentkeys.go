package discovery

import (
	"context"

	"github.com/countersign/countersign/internal/jose"
)

// Holds reports whether key is one of the server's current keys, after a refresh if one is
// due. A cached result of a verification must not outlive the key.
func (k *providerKeys) Holds(ctx context.Context, key *jose.Key) (bool, error) {
	set, err := k.p.keySet(ctx)
	if err != nil {
		return false, err
	}
	return set.Holds(ctx, key)
}

// Ready returns an error unless a key set is available.
func (k *providerKeys) Ready(ctx context.Context) error {
	_, err := k.p.keySet(ctx)
	return err
}

// Ready returns an error unless every part has a key set.
func (j *joinedKeys) Ready(ctx context.Context) error {
	_, _, missing := j.current(ctx)
	return missing
}
