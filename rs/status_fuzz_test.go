package rs

import (
	"testing"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// FuzzStatusList: the size of an accepted list is limited, and no index is beyond its end.
func FuzzStatusList(f *testing.F) {
	f.Add([]byte(`{"sub":"u","iat":1686920170,"exp":2291720170,"ttl":43200,"status_list":{"bits":1,"lst":"eNrbuRgAAhcBXQ"}}`), uint64(3))
	f.Add([]byte(`{"sub":"u","iat":1686920170,"status_list":{"bits":2,"lst":"eNo76fITAAPfAgc"}}`), uint64(12))
	now := time.Unix(1700000000, 0)
	f.Fuzz(func(t *testing.T, payload []byte, index uint64) {
		l, err := parseStatus(&jose.Token{Payload: payload}, "u", now)
		if err != nil {
			return
		}
		if len(l.list) > maxStatusList || l.fresh.Sub(now) < minTTL || l.fresh.Sub(now) > maxTTL {
			t.Errorf("%d bytes, fresh for %v", len(l.list), l.fresh.Sub(now))
		}
		status, err := l.status(index)
		if inside := index < uint64(len(l.list))*uint64(8/l.bits); (err == nil) != inside || err == nil && uint(status)>>l.bits != 0 {
			t.Errorf("index %d of %d bytes: %d, %v", index, len(l.list), status, err)
		}
	})
}
