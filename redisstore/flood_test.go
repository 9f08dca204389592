package redisstore_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/internal/redistest"
)

// TestLoginsThatLeadToNothing is RP-09: error responses store nothing on the server. A response
// with a code stores one key that expires with the login.
func TestLoginsThatLeadToNothing(t *testing.T) {
	t.Parallel()
	as, server := optest.New(t), redistest.Start(t)
	s := startSite(t, as, server)
	db := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { db.Close() })
	size := func() int64 {
		t.Helper()
		n, err := db.DBSize(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	ends := func(edit func(url.Values)) int {
		hc := newBrowser(nil)
		as.Lock()
		as.Callback = edit
		as.Unlock()
		status, _, err := visit(hc, s.address+"/")
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	before := size()
	for range 100 {
		if status := ends(func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }); status != http.StatusForbidden {
			t.Fatalf("status %d", status)
		}
	}
	if n := size() - before; n != 0 {
		t.Errorf("%d keys after 100 error responses", n)
	}
	const logins = 20
	for i := range logins {
		if status := ends(func(q url.Values) { q.Set("code", fmt.Sprint("invented-", i)) }); status != http.StatusBadRequest {
			t.Fatalf("status %d", status)
		}
	}
	if n := size() - before; n > logins {
		t.Errorf("%d keys after %d logins", n, logins)
	}
	keys, err := db.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if ttl := db.PTTL(t.Context(), key).Val(); ttl <= 0 || ttl > 12*time.Minute {
			t.Errorf("%s expires in %s", key, ttl)
		}
	}
}
