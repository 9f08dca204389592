package sqlstore

import "strings"

// Dialect is a database's variant of SQL.
type Dialect int

// The dialects. The zero value is rejected by [New].
const (
	PostgreSQL Dialect = iota + 1 // version 13 or later
	SQLite                        // version 3.42 or later
)

// DefaultPrefix is the start of every table name.
const DefaultPrefix = "countersign_"

// The tables, without the prefix.
const (
	tableValues = "values"
	tableMarks  = "marks"
	tableLinks  = "links"
	tableLogs   = "logs"
	tableLogged = "logged"
)

var tables = []string{tableValues, tableMarks, tableLinks, tableLogs, tableLogged}

const schema = `-- What processes share until a time: sessions, tokens, cached answers.
CREATE TABLE IF NOT EXISTS {prefix}values (
  name  {bytes} NOT NULL PRIMARY KEY,
  value {bytes} NOT NULL,
  until BIGINT NOT NULL -- milliseconds since 1970
);
CREATE INDEX IF NOT EXISTS {prefix}values_until ON {prefix}values (until);

-- What may be used once (kind 1), and leases (kind 2).
CREATE TABLE IF NOT EXISTS {prefix}marks (
  kind  SMALLINT NOT NULL,
  name  {bytes} NOT NULL,
  mark  TEXT NOT NULL,
  until BIGINT NOT NULL,
  PRIMARY KEY (kind, name)
);
CREATE INDEX IF NOT EXISTS {prefix}marks_until ON {prefix}marks (until);

-- Which sessions a user has.
CREATE TABLE IF NOT EXISTS {prefix}links (
  name   {bytes} NOT NULL,
  member TEXT NOT NULL,
  until  BIGINT NOT NULL,
  PRIMARY KEY (name, member)
);
CREATE INDEX IF NOT EXISTS {prefix}links_until ON {prefix}links (until);

-- Logs that all processes follow, such as revocations: the last number of each, and what
-- was logged.
CREATE TABLE IF NOT EXISTS {prefix}logs (
  name {bytes} NOT NULL PRIMARY KEY,
  n    BIGINT NOT NULL,
  mark TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS {prefix}logged (
  name  {bytes} NOT NULL,
  n     BIGINT NOT NULL,
  mark  TEXT NOT NULL,
  value {bytes} NOT NULL,
  until BIGINT NOT NULL,
  PRIMARY KEY (name, n)
);
CREATE INDEX IF NOT EXISTS {prefix}logged_until ON {prefix}logged (until);
`

// Schema returns the statements that create the tables and indexes, for the application's
// migrations. prefix is Config.Prefix; "" means [DefaultPrefix]. It returns "" for an unknown
// dialect or a prefix that [New] rejects.
func Schema(d Dialect, prefix string) string {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	if d != PostgreSQL && d != SQLite || !isPrefix(prefix) {
		return ""
	}
	bytes := map[Dialect]string{PostgreSQL: "BYTEA", SQLite: "BLOB"}[d]
	return strings.NewReplacer("{prefix}", prefix, "{bytes}", bytes).Replace(schema)
}

// isPrefix allows what needs no quotes in either dialect.
func isPrefix(s string) bool {
	for i, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return len(s) <= 40
}
