// Package machines tests an application that runs as several processes over one store. Each process
// is a separate program with an HTTP server, a login and an API. The stores are redisstore over one
// Redis and sqlstore over one PostgreSQL.
//
// The tests count what each feature asks of the store, and check that of several processes one
// wins. The benchmark prints the tables of docs/many-machines.md:
//
//	go -C internal/machines test -run '^$' -bench . -benchtime 3x
package machines
