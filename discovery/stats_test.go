package discovery_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
)

// TestStats: Stats during an outage, and with malformed keys. JWKS-04, JWKS-06.
func TestStats(t *testing.T) {
	s, p, c := provider(t)
	var log bytes.Buffer
	p.Logger = slog.New(slog.NewTextHandler(&log, nil))
	if p.Stats() != (discovery.Stats{}) {
		t.Errorf("before anything: %+v", p.Stats())
	}
	a, b := optest.NewKey("same", "ES256"), optest.NewKey("same", "ES256")
	good := optest.NewKey("good", "ES256")
	s.Rotate(good, a, b)
	keys := p.Keys()
	verify(t, keys, token(good, 0), true)
	verify(t, keys, token(a, 0), false)
	verify(t, keys, token(optest.NewKey("bogus", "ES256"), 0), false)
	want := discovery.Stats{MetadataFetches: 1, KeyFetches: 2, UnknownKeys: 1, UsableKeys: 3, SkippedKeys: 1}
	if got := p.Stats(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "two different keys have the kid") {
		t.Errorf("the log has %s", text)
	}

	s.Replace("/jwks", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) })
	c.pass(11 * time.Minute)
	for range 5 {
		verify(t, keys, token(good, 0), true)
	}
	if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "cannot fetch a document") {
		t.Errorf("the log has %s", text)
	}
	if got := p.Stats(); got.KeyFailures != 1 || got.StaleKeys != 5 {
		t.Errorf("in an outage: %+v", got)
	}
}

// TestReport: a set with many malformed keys is logged once, in a line of limited length. LOG-02.
func TestReport(t *testing.T) {
	s, p, c := provider(t)
	var log bytes.Buffer
	p.Logger = slog.New(slog.NewTextHandler(&log, nil))
	good := optest.NewKey("good", "ES256")
	all := []optest.Key{good}
	for i := range 40 {
		all = append(all, optest.NewKey(strings.Repeat("\u202e", i%4+50), "ES256"))
	}
	s.Rotate(all...)
	for range 5 {
		verify(t, p.Keys(), token(good, 0), true)
		c.pass(11 * time.Minute)
	}
	if got := p.Stats(); got.SkippedKeys != 4 {
		t.Errorf("four kids are of several keys: %+v", got)
	}
	odd := `{"keys":[` + strings.TrimSuffix(strings.Repeat(`{"kty":"RSA","n":"AQ","e":"AQ","alg":"`+strings.Repeat("\u202e", 200)+`"},`, 100), ",") + `]}`
	s.Replace("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, odd)
	})
	verify(t, p.Keys(), token(good, 0), false)
	if text := log.String(); strings.Count(text, "\n") != 2 || len(text) > 8<<10 || !strings.Contains(text, "95 more") {
		t.Errorf("%d lines of %d bytes", strings.Count(text, "\n"), len(text))
	}
}
