package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
)

// Error is a failed call. Its text contains no key, value or password. It does not contain the
// driver's error, which may quote what was sent.
type Error struct {
	Op   string // load, save, delete, acquire, release, once, link, linked, unlink, append, follow, sweep or ping
	Code string // PostgreSQL's SQLSTATE or SQLite's result code; "" if the database did not answer
	Err  error  // what happened

	temporary bool
	mends     bool // the same statements may succeed in a moment
}

func (e *Error) Error() string { return "sqlstore: " + e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same call may succeed later. It is true if the database could not
// be reached, was too slow or was too busy.
func (e *Error) Temporary() bool { return e.temporary }

// Errors of the caller.
var (
	errKey     = errors.New("the key is empty")
	errZero    = errors.New("the expiry time of the value is zero")
	errOver    = errors.New("the expiry time of the key has passed")
	errLease   = errors.New("the duration of the lease is not positive")
	errFull    = errors.New("the index is full: an entry can be added when others expire")
	errLogFull = errors.New("the log is full: an entry can be added when others expire")
	errLocked  = errors.New("another program has locked the SQLite file: set busy_timeout and journal_mode(WAL) in the data source name, or increase Config.Timeout")
	errForeign = errors.New("the stored value was not written by this package: set Config.Prefix to a prefix that no other program uses")
)

func misuse(op string, err error) *Error { return &Error{Op: op, Err: err} }

func newError(op string, err error) *Error {
	e := &Error{Op: op, Code: code(err)}
	switch {
	case isLocked(e.Code):
		e.Err, e.temporary, e.mends = errLocked, true, true
	case e.Code != "":
		e.Err, e.temporary = errors.New("the database responded with code "+e.Code+advice(e.Code)), isTemporary(e.Code)
		e.mends = mends(e.Code)
	case errors.Is(err, context.Canceled):
		e.Err, e.temporary = context.Canceled, true
	case errors.Is(err, context.DeadlineExceeded):
		e.Err, e.temporary = errors.New("no response within Config.Timeout: check the database, or increase Config.Timeout"), true
	case errors.Is(err, sql.ErrConnDone), strings.Contains(err.Error(), "sql: database is closed"):
		e.Err = errors.New("the database is closed")
	default:
		e.Err, e.temporary, e.mends = errors.New("no connection to the database: check Config.DB"), true, true
	}
	return e
}

// remedies say what to do about a SQLSTATE of PostgreSQL, or a result code of SQLite.
var remedies = map[string]string{
	"28P01":  "correct user and password in the data source name",
	"28000":  "correct the user in the data source name, or allow it in pg_hba.conf",
	"3D000":  "the database does not exist: correct the data source name, or create it",
	"42P01":  "a table is missing: apply Schema, or correct Config.Prefix",
	"42703":  "a column is missing: apply Schema of this version",
	"42501":  "grant SELECT, INSERT, UPDATE and DELETE on the tables",
	"53100":  "the disk of the database is full",
	"53300":  "the database has too many connections: limit them with DB.SetMaxOpenConns",
	readOnly: "the database is a standby: connect to the primary",
	"1":      "a table may be missing: apply Schema, or correct Config.Prefix",
	"8":      "the file is read-only: make it and its directory writable",
	"13":     "the disk is full",
	"14":     "the file cannot be opened: correct its path and permissions",
	"26":     "the file is not a database: correct its path",
}

// advice returns ": " and what to do about a code, or "".
func advice(code string) string {
	if n, err := strconv.Atoi(code); err == nil && len(code) != 5 {
		code = strconv.Itoa(n & 0xff) // the higher bits say more
	}
	if text := remedies[code]; text != "" {
		return ": " + text
	}
	return ""
}

// code returns the database's code. The error types of the drivers differ, but they have these
// methods.
func code(err error) string {
	var state interface{ SQLState() string } // pgx, lib/pq
	if errors.As(err, &state) {
		return state.SQLState()
	}
	var number interface{ Code() int } // modernc.org/sqlite
	if errors.As(err, &number) {
		return strconv.Itoa(number.Code())
	}
	return ""
}

// isTemporary reports whether a later try may succeed. These are PostgreSQL's classes 08
// (connection), 40 (rolled back), 53 (resources), 55 (lock), 57 (operator) and its code 25006 (a
// standby). For SQLite they are busy, locked, read-only, I/O error, full and cannot open. Other
// errors, such as a missing table or permission, remain until the operator acts.
func isTemporary(code string) bool {
	if len(code) == 5 {
		return strings.Contains(" 08 40 53 55 57 ", " "+code[:2]+" ") || code == readOnly
	}
	return isResult(code, " 5 6 8 10 13 14 ")
}

// readOnly is the SQLSTATE of a write at a standby.
const readOnly = "25006"

// mends reports whether the same statements may succeed at PostgreSQL in a moment. The connection
// ended (08, 57), or the transaction was rolled back (40). A lock or a connection was not free
// (55P03, 53300), or the pool still leads to a former primary. The repair of a full disk needs more
// time. newError handles the locks of SQLite.
func mends(code string) bool {
	if len(code) != 5 {
		return false
	}
	return strings.Contains(" 08 40 57 ", " "+code[:2]+" ") || code == "55P03" || code == "53300" || code == readOnly
}

// isLocked reports whether SQLite found a lock of another program: busy or locked.
func isLocked(code string) bool { return isResult(code, " 5 6 ") }

// isResult reports whether SQLite's result code is in a list. The higher bits of the code are not
// compared.
func isResult(code, list string) bool {
	if len(code) == 5 { // a SQLSTATE: 42501 has the lower bits of "busy"
		return false
	}
	n, err := strconv.Atoi(code)
	return err == nil && strings.Contains(list, " "+strconv.Itoa(n&0xff)+" ")
}
