package sqlstore

// SetMost sets the maximum number of values in a log, which is too large for a test.
func (s *Store) SetMost(n int64) { s.most = n }

// MaxLogged is the maximum of a Store.
const MaxLogged = maxLogged
