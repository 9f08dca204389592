// Package machines tests an application that runs as several processes over one store. Each process
// is a separate program with an HTTP server, a login and an API. The stores are redisstore over one
// Redis and sqlstore over one PostgreSQL.
//
// The tests count the calls of the store by each feature. They check that only one of several
// processes gets a lease or a proof. The benchmark prints the tables of docs/many-machines.md:
//
//	go -C internal/machines test -run '^$' -bench . -benchtime 3x
package machines
