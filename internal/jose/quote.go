package jose

import "strconv"

const maxQuoted = 120 // bytes of foreign text in a message

// Quote makes foreign text safe for a log line or an error: ASCII only, quoted,
// cut at a length that cannot drown the rest.
func Quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.QuoteToASCII(s[:maxQuoted]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
