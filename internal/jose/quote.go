package jose

import "strconv"

const maxQuoted = 120 // bytes of untrusted text in a message

// Quote makes untrusted text safe for a log line or an error: ASCII only, quoted and
// truncated.
func Quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.QuoteToASCII(s[:maxQuoted]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
