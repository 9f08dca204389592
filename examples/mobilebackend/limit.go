package main

import (
	"net/netip"
	"sync"
	"time"
)

// How many logins an address may try within a window. Behind a proxy every address is the address
// of the proxy: limit logins there instead.
const (
	window       = time.Minute
	perWindow    = 20
	maxAddresses = 10_000
)

// limit counts tries by address. The zero value is ready.
type limit struct {
	mu    sync.Mutex
	since time.Time
	tries map[string]int
}

// allow counts one more try, and reports whether it is allowed. With more addresses than can be
// counted, new ones are rejected until the window is over.
func (l *limit) allow(remote string, now time.Time) bool {
	host := network(remote)
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) >= window || now.Before(l.since) {
		l.since, l.tries = now, map[string]int{}
	}
	if _, known := l.tries[host]; !known && len(l.tries) >= maxAddresses {
		return false
	}
	l.tries[host]++
	return l.tries[host] <= perWindow
}

// network is what one subscriber has: an IPv4 address, or a /64 of IPv6. A /64 has too many
// addresses to count each.
func network(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return ""
	}
	host := at.Addr().Unmap().WithZone("")
	if host.Is4() {
		return host.String()
	}
	return netip.PrefixFrom(host, 64).Masked().String()
}
