package authzen

import (
	"strconv"
	"time"
)

const MaxEntries = maxEntries

// Fill caches n decisions, and returns the size of the cache.
func (p *PDP) Fill(n int) int {
	now := time.Now()
	for i := range n {
		p.cache.put(strconv.Itoa(i), []Decision{{Allowed: true}}, now, time.Minute)
	}
	if p.cache.get(strconv.Itoa(n-1), now) == nil {
		return -1
	}
	return len(p.cache.entries)
}
