package authzen

import (
	"strconv"
	"time"
)

const MaxEntries = maxEntries

// Fill caches n decisions, and returns how many are kept.
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
