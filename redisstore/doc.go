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
// Every call ends within [Config].Timeout. Within this time, the package repeats a call after a
// fault that may be short, such as a failover. If the server cannot be reached in this time, the
// call returns an error whose Temporary() is true, and never an empty result. So no request is
// accepted only because Redis is down.
//
// go-redis writes its own log lines, for example about failed connections. Call its SetLogger to
// redirect them.
//
// The server must be Redis 6.2 or later (or Valkey), with maxmemory-policy noeviction. Use an
// append-only file if values that may be used once must survive a restart of the server. A value
// that the server loses can be used again. A session that an index loses does not end with the
// user's other sessions. Both also happen if a replica that lags behind becomes the primary. Every
// command uses one key, or keys of one slot, so a cluster works.
package redisstore
