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
// of an index are stored unchanged: every user of the database can read them. The application opens
// the connection: use TLS if the database is on another machine.
//
// The package uses the clock of the database, so the clocks of the processes may differ. Every call
// ends within [Config].Timeout, except Follow. Within this time, the package repeats a call after a
// fault that may be short. Examples are a lock, a conflict with another transaction, a lost
// connection and a failover. If the database does not answer in this time, the call returns an
// error whose Temporary() is true, and never an empty result.
//
// Every 50th write also deletes up to 200 expired rows of each table. This needs four more
// statements. A scheduled task can call [Store.Sweep] to delete more.
package sqlstore
