package jose_test

import (
	"math"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// TestDuration: a person can read a duration without a calculation.
func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                "0s",
		250 * time.Millisecond:           "250ms",
		30 * time.Second:                 "30s",
		10 * time.Minute:                 "10m",
		-10 * time.Minute:                "-10m",
		90*time.Second + time.Nanosecond: "1m30.000000001s",
		time.Hour:                        "1h",
		20*time.Hour + 10*time.Minute:    "20h10m",
		10*time.Hour + time.Second:       "10h0m1s",
		47 * time.Hour:                   "47h",
		48 * time.Hour:                   "2 days",
		76*time.Hour + 5*time.Second:     "3 days 4h0m5s",
		366 * 24 * time.Hour:             "366 days",
		366*24*time.Hour + time.Hour:     "366 days 1h",
		26280 * time.Hour:                "3 years",
		26304 * time.Hour:                "3 years 1 day",
		262800*time.Hour - time.Second:   "29 years 364 days",
		math.MaxInt64:                    "more than 292 years",
		math.MinInt64:                    "more than 292 years",
	} {
		if got := jose.Duration(d); got != want {
			t.Errorf("%d: %s, expected %s", d, got, want)
		}
	}
}
