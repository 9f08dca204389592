// Package redisstore keeps on Redis what the processes of an application share: sessions
// and tokens, leases, what may be used once, which sessions a user has, and lists that all processes follow. One [Store] is
// all of these at once: it has the methods that packages client, client/login, idtoken and
// rs ask of a store, and imports none of them.
//
// Names of keys are hashed, since callers build them from identifiers and secrets. Values
// are stored as they are given, and so are the members of an index: whoever can read the
// server can read them. Connections are encrypted unless the server is on this machine.
//
// Every call ends within [Config].Timeout. When the server cannot be asked it is an error
// that says Temporary() true, never an empty answer: nobody is let in because Redis is down.
//
// What go-redis logs by itself, such as connections that fail, goes where its SetLogger says.
//
// The server is to be Redis 6.2 or later (or Valkey), with maxmemory-policy noeviction, and
// with an append-only file where "once" must outlive its restart: what a server forgets can
// be used again, and a session that an index has lost is not ended with the others. The same
// is so when a replica that lags behind becomes the primary. Every command has one key, so a
// cluster may spread them.
package redisstore
