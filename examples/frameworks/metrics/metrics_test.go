package metrics_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/examples/frameworks/metrics"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestMetrics: an exporter collects the events.
func TestMetrics(t *testing.T) {
	s := optest.New(t)
	reader := sdk.NewManualReader()
	meter := sdk.NewMeterProvider(sdk.WithReader(reader)).Meter("example")
	server := &discovery.Provider{Issuer: s.URL}
	counter, err := metrics.NewCounter(meter)
	if err != nil {
		t.Fatal(err)
	}
	if err := metrics.Watch(meter, server); err != nil {
		t.Fatal(err)
	}
	jwts := &rs.JWT{Issuer: s.URL, Audience: optest.Audience, Keys: server.Keys()}
	api := &rs.Protection{
		Tokens: &rs.Cache{Tokens: jwts, Counter: counter}, Counter: counter,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	h := api.Handler(rs.RequireScope("photos.read")(http.NotFoundHandler()))
	good := s.AccessToken(nil, nil)
	for _, token := range []string{good, good, s.AccessToken(map[string]any{"scope": "x"}, nil), s.AccessToken(nil, map[string]any{"kid": "unknown"}), ""} {
		r := httptest.NewRequest("GET", "/", nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	got := collect(t, reader)
	for name, want := range map[string]int64{
		"rs.events accepted ": 3, "rs.events refused insufficient_scope": 1, "rs.events refused invalid_token": 1, "rs.events refused none": 1,
		"rs.events cache_hit ": 1, "rs.events cache_miss ": 3,
		"rs.discovery.metadata_fetches": 1, "rs.discovery.key_fetches": 2, "rs.discovery.unknown_keys": 1, "rs.discovery.key_failures": 0, "rs.discovery.stale_keys": 0,
	} {
		if n, ok := got[name]; !ok || n != want {
			t.Errorf("%s: %d, want %d", name, n, want)
		}
	}
}

func collect(t *testing.T, reader *sdk.ManualReader) map[string]int64 {
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
			name := m.Name
			if event, ok := point.Attributes.Value("event"); ok {
				reason, _ := point.Attributes.Value("reason")
				name = fmt.Sprintf("%s %s %s", m.Name, event.AsString(), reason.AsString())
			}
			got[name] += point.Value
		}
	}
	return got
}
