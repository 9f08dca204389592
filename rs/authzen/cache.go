package authzen

import (
	"cmp"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	defaultMaxAge = time.Minute
	maxEntries    = 10_000
	maxKey        = 8 << 10 // bytes of a question that is cached
)

// cache keeps decisions. When it is full, a part that the map's order chooses makes room.
type cache struct {
	mu      sync.Mutex
	entries map[string]entry
}

type entry struct {
	decisions []Decision
	until     time.Time
}

func (c *cache) get(key string, now time.Time) []Decision {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[key]; ok && now.Before(e.until) {
		return append([]Decision{}, e.decisions...)
	}
	return nil
}

func (c *cache) put(key string, decisions []Decision, now time.Time, life time.Duration) {
	if life <= 0 || len(key) > maxKey {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[string]entry{}
	}
	if len(c.entries) >= maxEntries {
		c.makeRoom(now)
	}
	c.entries[key] = entry{append([]Decision{}, decisions...), now.Add(life)}
}

// makeRoom drops what has expired, and a tenth of the rest.
func (c *cache) makeRoom(now time.Time) {
	for key, e := range c.entries {
		if !now.Before(e.until) || len(c.entries) > maxEntries*9/10 {
			delete(c.entries, key)
		}
	}
}

// lifetime is how long a response may be cached: max-age less Age, and never longer than
// MaxAge (RFC 9111 §5.2.2). A response without max-age is not cached, nor is one that Vary says
// fits no other request (§4.1). The smallest of several values counts (§4.2.1).
func (p *PDP) lifetime(h http.Header) time.Duration {
	limit := cmp.Or(p.MaxAge, defaultMaxAge)
	life, said := time.Duration(-1), false
	if strings.Contains(strings.Join(h.Values("Vary"), ","), "*") {
		return 0
	}
	for _, directive := range strings.Split(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err != nil {
				return 0
			}
			if age := time.Duration(seconds) * time.Second; !said || age < life {
				life, said = age, true
			}
		}
	}
	return min(life-age(h), limit)
}

// age is the time that a response spent in caches. A value that cannot be read is more than any
// lifetime: the response may be old.
func age(h http.Header) time.Duration {
	values := h.Values("Age")
	if len(values) == 0 {
		return 0
	}
	seconds, err := strconv.ParseUint(values[0], 10, 31)
	if err != nil || len(values) > 1 {
		return math.MaxInt32 * time.Second
	}
	return time.Duration(seconds) * time.Second
}
