// Package metrics shows how what package rs and package discovery count becomes
// OpenTelemetry metrics.
package metrics

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/rs"
)

// Counter is a rs.Counter: one instrument, by event and reason, which are few.
type Counter struct{ events metric.Int64Counter }

// NewCounter makes the instrument.
func NewCounter(m metric.Meter) (*Counter, error) {
	events, err := m.Int64Counter("rs.events", metric.WithDescription("accepted and rejected requests, and other events of package rs"))
	return &Counter{events}, err
}

// Count implements rs.Counter.
func (c *Counter) Count(ctx context.Context, event rs.Event, reason string) {
	c.events.Add(ctx, 1, metric.WithAttributes(attribute.String("event", string(event)), attribute.String("reason", reason)))
}

// Watch reports what a Provider fetched and what it could not fetch, at each collection. Set an
// alarm on rs.discovery.stale_keys: tokens are then checked with keys that the server has not
// confirmed. This ends after a day.
func Watch(m metric.Meter, p *discovery.Provider) error {
	issuer := metric.WithAttributes(attribute.String("issuer", p.Issuer))
	for name, read := range map[string]func(discovery.Stats) uint64{
		"rs.discovery.metadata_fetches":  func(s discovery.Stats) uint64 { return s.MetadataFetches },
		"rs.discovery.metadata_failures": func(s discovery.Stats) uint64 { return s.MetadataFailures },
		"rs.discovery.key_fetches":       func(s discovery.Stats) uint64 { return s.KeyFetches },
		"rs.discovery.key_failures":      func(s discovery.Stats) uint64 { return s.KeyFailures },
		"rs.discovery.stale_keys":        func(s discovery.Stats) uint64 { return s.StaleKeys },
		"rs.discovery.unknown_keys":      func(s discovery.Stats) uint64 { return s.UnknownKeys },
	} {
		observe := func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(read(p.Stats())), issuer)
			return nil
		}
		if _, err := m.Int64ObservableCounter(name, metric.WithInt64Callback(observe)); err != nil {
			return err
		}
	}
	return nil
}
