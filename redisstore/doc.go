// Package redisstore keeps on Redis the state that the processes of an application share. These are
// sessions and tokens, leases, values that may be used once, the sessions of each user, and logs
// that all processes follow. One [Store] does all of this. It has the methods that packages client,
// client/login, idtoken and rs require of a store, and it imports none of them.
//
// Names of keys are hashed, because callers build them from identifiers and secrets. Values and the
// members of an index are stored unchanged: every client of the server can read them. With
// [Config].URL, connections are encrypted unless the server is on this machine or InsecurePlaintext
// is set. A Client has its own TLS settings, which are not checked.
//
// Every call ends within [Config].Timeout. Until then it is repeated after a fault that a moment
// may mend, such as a failover. If the server cannot be reached in this time, the call returns
// an error whose Temporary() is true, and never an empty result. A request is not accepted because
// Redis is down.
//
// go-redis logs some events itself, such as failed connections. Use its SetLogger to redirect them.
//
// The server must be Redis 6.2 or later (or Valkey), with maxmemory-policy noeviction. Use an
// append-only file if "once" must survive a restart of the server. A value that the server forgets
// can be used again, and a session that an index lost is not ended with the others. The same
// happens if a replica that lags behind becomes the primary. Every command uses one key, or keys of
// one slot, so a cluster works.
package redisstore
