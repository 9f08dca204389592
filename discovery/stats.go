package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/countersign/countersign/internal/jose"
)

// Stats are the counters of a Provider since the program started, for a metrics exporter. If
// StaleKeys grows, tokens are verified with keys that could not be refreshed. After 24 hours
// without a refresh every token is rejected.
type Stats struct {
	MetadataFetches, MetadataFailures uint64 // attempts to fetch the metadata, and how many failed
	KeyFetches, KeyFailures           uint64 // attempts to fetch the keys, and how many failed
	StaleKeys                         uint64 // tokens verified with keys that were due for a refresh
	UnknownKeys                       uint64 // tokens with a key ID that the server does not have
	UsableKeys, SkippedKeys           int    // of the current set
}

// Stats returns the current counters.
func (p *Provider) Stats() Stats {
	s := Stats{}
	p.metadata.mu.Lock()
	s.MetadataFetches, s.MetadataFailures = p.metadata.fetches, p.metadata.failedFetches
	p.metadata.mu.Unlock()
	k := &p.keys
	k.mu.Lock()
	s.KeyFetches, s.KeyFailures, s.StaleKeys = k.fetches, k.failedFetches, k.staleUses
	if set := k.value; set != nil {
		s.UsableKeys, s.SkippedKeys = set.Len(), len(set.Skipped)
	}
	k.mu.Unlock()
	s.UnknownKeys = k.unknownTokens.Load()
	return s
}

func (p *Provider) logger() *slog.Logger {
	if p.Logger != nil {
		return p.Logger
	}
	return slog.Default()
}

// reportFailure logs a failure. The level is WARN if the previous document is still used,
// because no caller gets an error then. Otherwise it is DEBUG.
func (p *Provider) reportFailure(ctx context.Context, document string, held bool, err error) {
	if err == nil || ctx.Err() == context.Canceled {
		return
	}
	level := slog.LevelDebug
	if held {
		level = slog.LevelWarn
	}
	p.logger().LogAttrs(ctx, level, "cannot fetch a document of the server",
		slog.String("issuer", p.Issuer), slog.String("document", document), slog.Bool("previous_in_use", held), slog.String("reason", err.Error()))
}

const maxReasons = 5 // in one log line

// report logs which keys are not used and why, once for each change.
func (p *Provider) report(ctx context.Context, set *jose.Set) {
	var reasons []string
	for _, err := range set.Skipped[:min(len(set.Skipped), maxReasons)] {
		reasons = append(reasons, err.Error())
	}
	if more := len(set.Skipped) - maxReasons; more > 0 {
		reasons = append(reasons, fmt.Sprintf("and %d more", more))
	}
	if set.Len() == 0 {
		reasons = append(reasons, "the server publishes no usable key")
	}
	text := strings.Join(reasons, "; ")
	p.keys.budgetMu.Lock()
	news := text != p.keys.reported
	p.keys.reported = text
	p.keys.budgetMu.Unlock()
	if news && text != "" {
		p.logger().LogAttrs(ctx, slog.LevelWarn, "skipped unusable keys of the server",
			slog.String("issuer", p.Issuer), slog.Int("usable", set.Len()), slog.String("reasons", text))
	}
}
