package playground

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func serve(t *testing.T, own *Own) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	address, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- Serve(ctx, l, own, func(a string) { address <- a }) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return <-address
}

// TestGuard: the key works once; another Host, another origin and a browser without the
// cookie are rejected.
func TestGuard(t *testing.T) {
	address := serve(t, nil)
	base, key, _ := strings.Cut(address, "?")
	u, _ := url.Parse(base)
	jar, _ := cookiejar.New(nil)
	owner := &http.Client{Jar: jar}
	status := func(c *http.Client, r *http.Request) int {
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Content-Security-Policy"); got != policy {
			t.Errorf("policy %q", got)
		}
		return resp.StatusCode
	}
	request := func(method, u string, header ...string) *http.Request {
		r, _ := http.NewRequest(method, u, strings.NewReader("attack=none"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	byHost := func(r *http.Request, host string) *http.Request { r.Host = host; return r }
	rebound := byHost(request("GET", address), "attacker.example")
	large, _ := http.NewRequest("POST", base+"run", strings.NewReader("attack="+strings.Repeat("x", 1<<17)))
	large.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, test := range []struct {
		name string
		c    *http.Client
		r    *http.Request
		want int
	}{
		{"without the key", http.DefaultClient, request("GET", base), 403},
		{"a wrong key", http.DefaultClient, request("GET", base+"?key=x"), 403},
		{"another Host", http.DefaultClient, rebound, 421},
		{"the style without the key", http.DefaultClient, request("GET", base+"style.css"), 403},
		{"a HEAD with the key", http.DefaultClient, request("HEAD", address), 403},
		{"a post with the key", http.DefaultClient, request("POST", address), 403},
		{"the key at another path", http.DefaultClient, request("GET", base+"own?"+key), 403},
		{"the name localhost", http.DefaultClient, byHost(request("GET", address), "localhost:"+u.Port()), 421},
		{"another port", http.DefaultClient, byHost(request("GET", address), "127.0.0.1:1"), 421},
		{"the key", owner, request("GET", address), 200},
		{"the key again", http.DefaultClient, request("GET", address), 403},
		{"a run", owner, request("POST", base+"run"), 200},
		{"a run from another port", owner, request("POST", base+"run", "Origin", "http://127.0.0.1:1", "Sec-Fetch-Site", "same-site"), 403},
		{"a run from a frame without an origin", owner, request("POST", base+"run", "Origin", "null"), 403},
		{"a run with a foreign cookie", http.DefaultClient, request("POST", base+"run", "Cookie", "countersign_playground_"+u.Port()+"=guessed"), 403},
		{"a run of another Host", owner, byHost(request("POST", base+"run"), "attacker.example"), 421},
		{"a form that is too large", owner, large, 400},
		{"a run from another origin", owner, request("POST", base+"run", "Origin", "https://attacker.example", "Sec-Fetch-Site", "cross-site"), 403},
	} {
		if got := status(test.c, test.r); got != test.want {
			t.Errorf("%s: status %d, expected %d", test.name, got, test.want)
		}
	}
	if len(jar.Cookies(u)) != 1 {
		t.Error("no cookie")
	}
}

// TestRestart: neither the cookie nor the key of an earlier start works.
func TestRestart(t *testing.T) {
	jar, _ := cookiejar.New(nil)
	owner := &http.Client{Jar: jar}
	start := func(port string) (address string, stop func()) {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ready, ended := make(chan string, 1), make(chan error, 1)
		go func() { ended <- Serve(ctx, l, nil, func(a string) { ready <- a }) }()
		return <-ready, func() { cancel(); <-ended }
	}
	status := func(address string) int {
		resp, err := owner.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	first, stop := start("0")
	u, _ := url.Parse(first)
	if status(first) != 200 || status("http://"+u.Host) != 200 {
		t.Error("the key does not work")
	}
	stop()
	second, stop := start(u.Port())
	defer stop()
	if status("http://"+u.Host) != 403 || status(first) != 403 || status(second) != 200 {
		t.Error("an earlier start opens this one")
	}
}

// TestFloodOfRuns: many runs at once, from two tabs, end or are rejected. No goroutine or
// connection is left.
func TestFloodOfRuns(t *testing.T) {
	address := serve(t, nil)
	base, _, _ := strings.Cut(address, "?")
	jar, _ := cookiejar.New(nil)
	owner := &http.Client{Jar: jar}
	if resp, err := owner.Get(address); err != nil {
		t.Fatal(err)
	} else {
		resp.Body.Close()
	}
	post := func() int {
		resp, err := owner.PostForm(base+"run", url.Values{"attack": {"none"}})
		if err != nil {
			t.Error(err)
			return 0
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	flood := func() (counts map[int]int) {
		counts = map[int]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 5 * maxQueue {
			all.Go(func() {
				got := post()
				mu.Lock()
				counts[got]++
				mu.Unlock()
			})
		}
		all.Wait()
		owner.CloseIdleConnections()
		return counts
	}
	flood()
	heap, routines := used()
	for range 3 {
		if counts := flood(); counts[200] < maxQueue || counts[200]+counts[503] != 5*maxQueue {
			t.Errorf("%v", counts)
		}
	}
	after, left := used()
	for end := time.Now().Add(time.Minute); (left > routines+20 || after > heap+4<<20) && time.Now().Before(end); {
		after, left = used()
	}
	if left > routines+20 || after > heap+4<<20 {
		t.Errorf("%d goroutines, before %d; %d bytes, before %d", left, routines, after, heap)
	}
	if got := post(); got != 200 {
		t.Errorf("after the flood: status %d", got)
	}
}

// used waits for connections that are closing.
func used() (heap uint64, routines int) {
	for range 20 {
		time.Sleep(20 * time.Millisecond)
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, runtime.NumGoroutine()
}
