package discovery

import (
	"context"

	"github.com/countersign/countersign/internal/jose"
)

// Holds tells whether key is one of the server's current keys, fetched again if that
// is due: what was verified with a key is not to outlive it.
func (k *providerKeys) Holds(ctx context.Context, key *jose.Key) (bool, error) {
	set, err := k.p.keySet(ctx)
	if err != nil {
		return false, err
	}
	return set.Holds(ctx, key)
}

// Ready reports an error unless there is a key set to verify with.
func (k *providerKeys) Ready(ctx context.Context) error {
	_, err := k.p.keySet(ctx)
	return err
}

// Ready reports an error unless every part has a key set to verify with.
func (j *joinedKeys) Ready(ctx context.Context) error {
	_, _, missing := j.current(ctx)
	return missing
}
