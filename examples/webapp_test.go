package examples

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/examples/internal/visitor"
	"github.com/countersign/countersign/internal/freeport"
	"github.com/countersign/countersign/internal/redistest"
)

// TestWebappOnRedis: two processes of the web application answer in turn at one address. To the
// visitor they are one application.
func TestWebappOnRedis(t *testing.T) {
	redis := redistest.Start(t)
	processes := []string{freeport.Address(t), freeport.Address(t)}
	var n atomic.Int64
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: processes[n.Add(1)%2]})
		r.Out.Host = r.In.Host
	}})
	defer front.Close()
	issuer := issuertest.New(t, issuertest.Config{
		PlainHTTP: true, Page: true,
		Clients: []issuertest.Client{{ID: "web", RedirectURLs: []string{front.URL + "/callback"}}},
		Users:   []issuertest.User{{Subject: "4711"}},
	})
	for _, address := range processes {
		run(t, "webapp", address, "ISSUER="+issuer.URL, "CLIENT_ID=web", "BASE_URL="+front.URL, "LISTEN="+address,
			"REDIS_URL="+redis.URL(), "SESSION_KEYS="+strings.Repeat("A", 43)+"=")
	}
	v := &visitor.Visitor{App: front.URL, Username: "4711"}
	if page, err := v.Visit(t.Context(), "/photos"); err != nil || !strings.Contains(page.Body, "You are <strong>4711</strong>") {
		t.Fatal(err, page)
	}
	for range 4 {
		wantPhotos(t, v, 200)
	}
	redis.Kill()
	wantPhotos(t, v, 503)
	wantPhotos(t, v, 503)
}

// wantPhotos opens the page without signing in.
func wantPhotos(t *testing.T, v *visitor.Visitor, status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.App+"/photos", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if page, err := v.Open(r); err != nil || page.Status != status || strings.Contains(page.Body, "4711") != (status == 200) {
		t.Errorf("%v, %d; want %d", err, page.Status, status)
	}
}
