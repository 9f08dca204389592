package jose

import (
	"fmt"
	"math"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// Duration writes d for a person: 10m, 1h30m, 3 days 4h, 3 years 12 days. Below two days it is Go's
// own notation without zeros at the end. From two years on it omits hours.
func Duration(d time.Duration) string {
	switch {
	case d == math.MaxInt64 || d == math.MinInt64: // time.Time.Sub returns these for every longer time
		return "more than 292 years"
	case d < 0:
		return "-" + Duration(-d)
	case d >= 2*year:
		return parts(d/year, "years", d%year/day*day)
	case d >= 2*day:
		return parts(d/day, "days", d%day)
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// IsMilliseconds reports whether a time was read from milliseconds instead of seconds: it is after
// the year 5000.
func IsMilliseconds(t time.Time) bool { return t.Unix() > 1e11 }

func parts(n time.Duration, unit string, rest time.Duration) string {
	switch {
	case rest == 0:
		return fmt.Sprintf("%d %s", n, unit)
	case rest == day:
		return fmt.Sprintf("%d %s 1 day", n, unit)
	}
	return fmt.Sprintf("%d %s %s", n, unit, Duration(rest))
}
