// Package sqlstore keeps in an SQL database the state that the processes of an application share.
// These are sessions and tokens, leases, values that may be used once, the sessions of each user,
// and revoked access. One [Store] does all of this. It has the methods that packages client/login,
// client/tokens, idtoken and rs require of a store, and it imports none of them.
//
// PostgreSQL and SQLite are supported, through database/sql: the application chooses the driver.
// The tests use the stdlib driver of github.com/jackc/pgx/v5 and modernc.org/sqlite.
//
// The package never creates or changes a table. [Schema] returns the statements for the
// application's migrations, and [Store.Ping] reports a missing table.
//
// Keys are hashed, because callers build them from identifiers and secrets. Values and the members
// of an index are stored unchanged: every user of the database can read them. The connection is the
// application's: use TLS to another machine.
//
// The clock of the database is used, so the clocks of the processes may differ. Every call
// ends within [Config].Timeout, except Follow. Until then it is repeated after a fault that a
// moment may mend: a lock, a conflict with another transaction, a lost connection, a failover.
// A database that does not answer in this time is an error with Temporary() true, never an
// empty answer.
//
// Every 50th write also removes up to 200 expired rows of each table, with four more statements in
// the time that is left. [Store.Sweep] does the same for a scheduled task.
package sqlstore
