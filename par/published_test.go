package par_test

import (
	"context"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/par"
)

// TestPublishedExpires: an object is served for a few minutes, at a separate address with 256
// random bits.
func TestPublishedExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &par.Published{BaseURL: "https://app.example/requests"}
		uri, err := p.Publish(context.Background(), "an object")
		if err != nil {
			t.Fatal(err)
		}
		other, err := p.Publish(context.Background(), "an object")
		u, parsed := url.Parse(uri)
		if err != nil || parsed != nil || other == uri || len(u.Path) != len("/requests/")+43 {
			t.Errorf("%q and %q, want two addresses with 43 random characters", uri, other)
		}
		status := func() int {
			w := httptest.NewRecorder()
			p.ServeHTTP(w, httptest.NewRequest("GET", u.Path, nil))
			return w.Code
		}
		time.Sleep(4 * time.Minute)
		if got := status(); got != 200 {
			t.Errorf("after 4 minutes: %d", got)
		}
		time.Sleep(2 * time.Minute)
		if got := status(); got != 404 {
			t.Errorf("after 6 minutes: %d, want 404", got)
		}
	})
}
