package discovery

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/countersign/countersign/internal/jose"
)

// Stats counts what a Provider did since the program began: for whatever exports
// metrics. StaleKeys that grow mean that tokens are checked with keys which the server
// did not confirm; after 24 hours of that they are refused.
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

// reportFailure says that a document could not be had, unless everybody who wanted it
// has left.
func (p *Provider) reportFailure(ctx context.Context, err error) {
	if err != nil && ctx.Err() != context.Canceled {
		p.logger().LogAttrs(ctx, slog.LevelWarn, "a document of the server cannot be had",
			slog.String("issuer", p.Issuer), slog.String("reason", err.Error()))
	}
}

const maxReasons = 5 // in one line of the log

// report says once, of every set that differs in it, which keys are not used and why.
func (p *Provider) report(ctx context.Context, set *jose.Set) {
	reasons := ""
	for _, err := range set.Skipped[:min(len(set.Skipped), maxReasons)] {
		reasons += err.Error() + "; "
	}
	if more := len(set.Skipped) - maxReasons; more > 0 {
		reasons += fmt.Sprintf("and %d more", more)
	}
	p.keys.budgetMu.Lock()
	news := reasons != p.keys.reported
	p.keys.reported = reasons
	p.keys.budgetMu.Unlock()
	if news && reasons != "" {
		p.logger().LogAttrs(ctx, slog.LevelWarn, "keys of the server are not used",
			slog.String("issuer", p.Issuer), slog.Int("usable", set.Len()), slog.String("reasons", reasons))
	}
}
