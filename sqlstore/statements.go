package sqlstore

// A statement is one of those that a Store runs.
type statement int

const (
	loadValue statement = iota
	saveValue
	deleteValue
	claimMark
	releaseMark
	addLink
	listLinks
	removeLink
	nextLogged
	addLogged
	countLogged
	lastLogged
	markLogged
	listLogged
	sweepValues
	sweepMarks
	sweepLinks
	sweepLogged
)

// Both dialects number parameters as $1, $2 and so on. {now} is the database's clock, in
// milliseconds.
var texts = map[statement]string{
	loadValue: `SELECT value FROM {prefix}values WHERE name = $1 AND until > {now}`,
	saveValue: `INSERT INTO {prefix}values (name, value, until) VALUES ($1, $2, {now} + $3)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value, until = excluded.until`,
	deleteValue: `DELETE FROM {prefix}values WHERE name = $1`,

	// The row is written by the first caller, or by the first one after it expired. The
	// unique key makes parallel callers wait for each other. A caller that lost the response
	// finds its own mark.
	claimMark: `INSERT INTO {prefix}marks (kind, name, mark, until) VALUES ($1, $2, $3, {now} + $4)
		ON CONFLICT (kind, name) DO UPDATE SET mark = excluded.mark, until = excluded.until
		WHERE {prefix}marks.until <= {now} OR {prefix}marks.mark = excluded.mark`,
	releaseMark: `DELETE FROM {prefix}marks WHERE kind = $1 AND name = $2 AND mark = $3`,

	// WHERE counts the members that have not expired, except this one.
	addLink: `INSERT INTO {prefix}links (name, member, until)
		SELECT $1, $2, {now} + $3 WHERE (SELECT count(*) FROM {prefix}links WHERE name = $1 AND member <> $2 AND until > {now}) < $4
		ON CONFLICT (name, member) DO UPDATE SET until =
		CASE WHEN excluded.until > {prefix}links.until THEN excluded.until ELSE {prefix}links.until END`,
	listLinks:  `SELECT member FROM {prefix}links WHERE name = $1 AND until > {now} ORDER BY until DESC LIMIT $2`,
	removeLink: `DELETE FROM {prefix}links WHERE name = $1 AND member = $2`,

	// The row of the log is locked until the value is committed, so values become visible
	// in the order of their numbers.
	nextLogged: `INSERT INTO {prefix}logs (name, n, mark) VALUES ($1, 1, $2)
		ON CONFLICT (name) DO UPDATE SET n = {prefix}logs.n + 1, mark = excluded.mark RETURNING n`,
	addLogged:   `INSERT INTO {prefix}logged (name, n, mark, value, until) VALUES ($1, $2, $3, $4, {now} + $5)`,
	countLogged: `SELECT count(*) FROM (SELECT 1 FROM {prefix}logged WHERE name = $1 LIMIT $2) AS counted`,
	lastLogged:  `SELECT n, mark FROM {prefix}logs WHERE name = $1`,
	markLogged:  `SELECT mark FROM {prefix}logged WHERE name = $1 AND n = $2`,
	listLogged:  `SELECT n, value FROM {prefix}logged WHERE name = $1 AND n > $2 AND until > {now} ORDER BY n LIMIT $3`,

	// The condition is repeated outside: a row may have been written anew in between.
	sweepValues: `DELETE FROM {prefix}values WHERE until <= {now} AND name IN
		(SELECT name FROM {prefix}values WHERE until <= {now} LIMIT $1{skip})`,
	sweepMarks: `DELETE FROM {prefix}marks WHERE until <= {now} AND (kind, name) IN
		(SELECT kind, name FROM {prefix}marks WHERE until <= {now} LIMIT $1{skip})`,
	sweepLinks: `DELETE FROM {prefix}links WHERE until <= {now} AND (name, member) IN
		(SELECT name, member FROM {prefix}links WHERE until <= {now} LIMIT $1{skip})`,
	sweepLogged: `DELETE FROM {prefix}logged WHERE until <= {now} AND (name, n) IN
		(SELECT name, n FROM {prefix}logged WHERE until <= {now} LIMIT $1{skip})`,
}

func statements(d Dialect, prefix string) map[statement]string {
	all := make(map[statement]string, len(texts))
	for st, text := range texts {
		if d == PostgreSQL && st == addLink {
			// Parameters of a SELECT have no column to take their type from.
			text = castLink
		}
		all[st] = fill(d, prefix, text)
	}
	return all
}

const castLink = `INSERT INTO {prefix}links (name, member, until)
	SELECT $1::bytea, $2::text, {now} + $3::bigint
	WHERE (SELECT count(*) FROM {prefix}links WHERE name = $1 AND member <> $2 AND until > {now}) < $4
	ON CONFLICT (name, member) DO UPDATE SET until = greatest(excluded.until, {prefix}links.until)`
