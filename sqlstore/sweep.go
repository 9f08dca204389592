package sqlstore

import "context"

const (
	sweepEvery = 50  // writes
	sweepRows  = 200 // rows of each table
)

// Sweep deletes expired rows, at most 1,000 of each table, and returns their number. Every 50th
// write also deletes expired rows, so an application need not call Sweep. Every error is an
// [*Error].
func (s *Store) Sweep(ctx context.Context) (removed int64, err error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	return s.sweepStep(ctx, 1000)
}

// written counts a write, and deletes expired rows after every 50th. If that fails, a later write
// repeats it.
func (s *Store) written(ctx context.Context) {
	if s.writes.Add(1)%sweepEvery == 0 {
		_, _ = s.sweepStep(ctx, sweepRows)
	}
}

func (s *Store) sweepStep(ctx context.Context, limit int) (removed int64, err error) {
	for _, st := range []statement{sweepValues, sweepMarks, sweepLinks, sweepLogged} {
		err := s.write(ctx, "sweep", func(ctx context.Context) error {
			result, err := s.db.ExecContext(ctx, s.sql[st], limit)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			removed += n
			return err
		})
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}
