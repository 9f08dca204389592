package sqlstore

import (
	"strings"
	"testing"
)

type sqlState string

func (s sqlState) Error() string    { return "canary " + string(s) }
func (s sqlState) SQLState() string { return string(s) }

type sqliteCode int

func (sqliteCode) Error() string { return "canary" }
func (c sqliteCode) Code() int   { return int(c) }

// TestAdvice: the error of a mistake of the operator says what to do, and quotes no text of the
// database.
func TestAdvice(t *testing.T) {
	for err, says := range map[error]string{
		sqlState("28P01"):   "user and password",
		sqlState("28000"):   "pg_hba.conf",
		sqlState("3D000"):   "the database does not exist",
		sqlState("42P01"):   "apply Schema",
		sqlState("42703"):   "apply Schema of this version",
		sqlState("42501"):   "grant SELECT",
		sqlState("25006"):   "connect to the primary",
		sqlState("99999"):   "code 99999",
		sqliteCode(1):       "apply Schema",
		sqliteCode(8 + 256): "read-only",
		sqliteCode(14):      "cannot be opened",
		sqliteCode(26):      "not a database",
	} {
		if got := newError("load", err).Error(); !strings.Contains(got, says) || strings.Contains(got, "canary") {
			t.Errorf("%v: %s, expected %q", err, got, says)
		}
	}
}
