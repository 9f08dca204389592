package login

import (
	"context"
	"errors"
	"fmt"
)

// Ready reports an error if a server or Config.Store does not answer, or if the metadata of a
// server rules out the configuration. It does not try credentials, and does not write. Call it
// before the application listens, and for a readiness probe. The error names every client that
// is not ready. It wraps the [*client.Error] of [client.Client.Ready], or the error of the
// Store.
func (l *Login) Ready(ctx context.Context) error {
	var errs []error
	for name, c := range l.config.Clients {
		if err := c.Ready(ctx); err != nil {
			errs = append(errs, fmt.Errorf("login: Clients[%q]: %w", name, err))
		}
	}
	if _, err := l.shared.Load(ctx, "ready"); err != nil {
		errs = append(errs, fmt.Errorf("login: Config.Store: %w", err))
	}
	return errors.Join(errs...)
}
