package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/countersign/countersign/internal/jose"
)

// Stats counts what a Provider did since the program began, for an exporter of metrics.
// Growing StaleKeys mean that the server did not confirm the keys that tokens are checked
// with; after 24 hours of that every token is rejected.
type Stats struct {
	MetadataFetches, MetadataFailures uint64
	KeyFetches, KeyFailures           uint64
	StaleKeys                         uint64 // tokens checked with keys that were due for a refresh
	UnknownKeys                       uint64 // tokens that named a key which the server does not have
	UsableKeys, SkippedKeys           int    // of the set in use
}

// Stats gives the counts so far.
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

// reportFailure logs a failure that no caller sees, because the previous document is still
// used, as WARN. Any other one is the caller's to log, if no second place has the document.
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

const maxReasons = 5 // in one line of the log

// report logs once, for every set that differs in it, which keys are not used and why.
func (p *Provider) report(ctx context.Context, set *jose.Set) {
	var reasons []string
	for _, err := range set.Skipped[:min(len(set.Skipped), maxReasons)] {
		reasons = append(reasons, err.Error())
	}
	if more := len(set.Skipped) - maxReasons; more > 0 {
		reasons = append(reasons, fmt.Sprintf("and %d more", more))
	}
	if set.Len() == 0 {
		reasons = append(reasons, "the server publishes no key that can be used")
	}
	text := strings.Join(reasons, "; ")
	p.keys.budgetMu.Lock()
	news := text != p.keys.reported
	p.keys.reported = text
	p.keys.budgetMu.Unlock()
	if news && text != "" {
		p.logger().LogAttrs(ctx, slog.LevelWarn, "keys of the server are not used",
			slog.String("issuer", p.Issuer), slog.Int("usable", set.Len()), slog.String("reasons", text))
	}
}
