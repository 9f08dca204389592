package login

import (
	"context"
	"errors"
	"fmt"
)

// readier is a part that can tell whether it could do its work now.
type readier interface {
	Ready(ctx context.Context) error
}

// Ready reports an error unless visitors can sign in now: the metadata of every server is
// there and fits the configuration, and Config.Store answers. Call it before the application
// listens, and for a readiness probe. The error names every client that is not ready.
func (l *Login) Ready(ctx context.Context) error {
	var errs []error
	for name, c := range l.config.Clients {
		if err := ready(ctx, c); err != nil {
			errs = append(errs, fmt.Errorf("login: Clients[%q]: %w", name, err))
		}
	}
	if _, err := l.shared.Load(ctx, "ready"); err != nil {
		errs = append(errs, fmt.Errorf("login: Config.Store: %w", err))
	}
	return errors.Join(errs...)
}

// ready asks a part. A part that cannot tell counts as ready.
func ready(ctx context.Context, part any) error {
	if r, ok := part.(readier); ok {
		return r.Ready(ctx)
	}
	return nil
}
