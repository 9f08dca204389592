package redisstore_test

import (
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/internal/redistest"
)

const inFlight = 50

// TestSoak: thousands of visitors sign in, fifty at a time, and none of the logins fails. The
// program's memory does not grow.
func TestSoak(t *testing.T) {
	visitors, _ := strconv.Atoi(os.Getenv("SOAK"))
	if visitors == 0 {
		visitors = 200
	}
	as, server := optest.New(t), redistest.Start(t)
	address := startSite(t, as, server).address
	transport := &http.Transport{MaxIdleConnsPerHost: inFlight}
	signInAll(t, address, transport, visitors/2)
	as.Forget() // the server's state is not the program's
	middle := heap()
	signInAll(t, address, transport, visitors-visitors/2)
	as.Forget()
	end := heap()
	t.Logf("%d sign-ins; heap %d kB in the middle, %d kB at the end", visitors, middle>>10, end>>10)
	if visitors >= 1000 && end > middle+middle/10 { // with fewer visitors the measurement is too inexact
		t.Errorf("the heap grows from %d to %d bytes", middle, end)
	}
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer c.Close()
	if n := c.DBSize(t.Context()).Val(); n < int64(visitors) || n > int64(6*visitors) {
		t.Errorf("%d keys for %d sessions", n, visitors)
	}
}

func signInAll(t *testing.T, address string, transport http.RoundTripper, n int) {
	t.Helper()
	slots := make(chan struct{}, inFlight)
	var wg sync.WaitGroup
	for range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if status, body, err := visit(newBrowser(transport), address+"/"); err != nil || status != 200 || !strings.HasPrefix(body, signedIn) {
				t.Errorf("a sign-in ends with %d, %v", status, err)
			}
		})
	}
	wg.Wait()
}

// heap is the memory in use after everything that can be released was released.
func heap() uint64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
