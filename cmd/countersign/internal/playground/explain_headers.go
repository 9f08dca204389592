package playground

// headerExplanations are of header fields, by their canonical names.
var headerExplanations = map[string]explanation{
	"Host":           {"Which site the request is for.", "RFC 9110 §7.2"},
	"Accept":         {"The formats that the sender accepts.", "RFC 9110 §12.5.1"},
	"User-Agent":     {"The program that sends the request.", "RFC 9110 §10.1.5"},
	"Content-Type":   {"The format of the body.", "RFC 9110 §8.3"},
	"Content-Length": {"The size of the body in bytes.", "RFC 9110 §8.6"},
	"Date":           {"The server's time. Programs compare it with their own clock.", "RFC 9110 §6.6.1"},
	"Location":       {"Where the browser goes next.", "RFC 9110 §10.2.2"},
	"Referer":        {"The page that the request comes from.", "RFC 9110 §10.1.3"},
	"Vary":           {"The request fields that the response depends on.", "RFC 9110 §12.5.5"},
	"Cache-Control":  {"Whether the response may be stored. Tokens and pages with codes may not.", "RFC 9111 §5.2"},
	"Pragma":         {"The old form of Cache-Control.", "RFC 9111 §5.4"},
	"Expires":        {"When a stored response expires.", "RFC 9111 §5.3"},

	"Authorization":    {"The credentials of the application, or the access token.", "RFC 9110 §11.6.2"},
	"Www-Authenticate": {"What the API requires before it accepts the request.", "RFC 9110 §11.6.1"},
	"Dpop":             {"A proof of the key, for this request only.", "RFC 9449 §4.1"},
	"Dpop-Nonce":       {"What the next proof must contain.", "RFC 9449 §8"},

	"Cookie":         {"What this site has stored in the browser: the login in progress, or the session.", "RFC 6265 §4.2"},
	"Set-Cookie":     {"What the browser stores for this site.", "RFC 6265 §4.1"},
	"Origin":         {"The site that the request comes from.", "RFC 6454 §7"},
	"Sec-Fetch-Site": {"Whether a page of this site or of another site makes the request.", "W3C Fetch Metadata §2.3"},
	"Sec-Fetch-Mode": {"Whether the browser loads a page, or a script makes the request.", "W3C Fetch Metadata §2.2"},

	"Content-Security-Policy":   {"What the page may load, and which sites may show the page in a frame.", "W3C Content Security Policy Level 3 §3.1"},
	"Referrer-Policy":           {"How much of this page's address the browser sends to other sites.", "W3C Referrer Policy §4.1"},
	"X-Content-Type-Options":    {"Forbids the browser to guess the format.", "WHATWG Fetch, X-Content-Type-Options header"},
	"X-Frame-Options":           {"Whether other sites may show the page in a frame.", "RFC 7034 §2"},
	"Strict-Transport-Security": {"The browser must use https for this site.", "RFC 6797 §6.1"},
}
