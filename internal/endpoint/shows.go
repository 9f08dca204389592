package endpoint

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const (
	maxShown = 16 // letters and digits of a credential that a text may have in a row, less one
	minForm  = 4  // letters and digits; anything shorter is part of ordinary words
)

// credentials are the fields of a form that give access to something.
var credentials = []string{"client_secret", "client_assertion", "code", "code_verifier", "device_code", "user_code", "auth_req_id", "refresh_token", "password",
	"assertion", "subject_token", "actor_token", "token", "id_token_hint", "login_hint_token", "request", "logout_token"}

// credentialsOf returns the values of a request that no error may contain in any notation.
func credentialsOf(r *http.Request, form url.Values) []string {
	out := secretsOf(r, nil)
	for _, name := range credentials {
		out = append(out, form[name]...)
	}
	return out
}

// Redact removes the request's secrets from a text of the server. It replaces the whole text if that
// has a credential in another notation.
func (r *Response) Redact(text string) string {
	text = redact(text, r.secrets)
	if shows(text[:min(len(text), maxDescription)], r.credentials) {
		return "[redacted]"
	}
	return text
}

// shows reports whether a text has a credential in another notation: in upper case, with spaces,
// tags or punctuation in it, or encoded.
func shows(text string, credentials []string) bool {
	texts := []string{plain(text), plain(pageText(text)), plain(html.UnescapeString(escape.ReplaceAllStringFunc(text, unescape)))}
	for _, credential := range credentials {
		for _, form := range notations(credential) {
			if slices.ContainsFunc(texts, func(t string) bool { return hasPart(t, form) }) {
				return true
			}
		}
	}
	return false
}

var escape = regexp.MustCompile(`%[0-9A-Fa-f]{2}|\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}`)

func unescape(s string) string {
	n, _ := strconv.ParseUint(strings.TrimLeft(s, `%\xu`), 16, 32)
	return string(rune(n))
}

// plain returns the letters and digits of a text in lower case.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// notations returns the letters and digits of a credential, of its hexadecimal form and of its three
// base64 forms. In base64 the bytes before a credential shift it by 0, 1 or 2. A short word has none.
func notations(credential string) (out []string) {
	form := plain(credential)
	if len(form) < minForm || len(form) < minSecret && strings.IndexFunc(form, unicode.IsDigit) < 0 {
		return nil
	}
	out = append(out, form)
	if len(credential) >= minSecret {
		out = append(out, hex.EncodeToString([]byte(credential)))
		for shift := range 3 {
			encoded := base64.RawStdEncoding.EncodeToString([]byte("xx"[:shift] + credential))
			out = append(out, plain(encoded[4:len(encoded)-1]))
		}
	}
	return out
}

// hasPart reports whether t has form, or a long part of it.
func hasPart(t, form string) bool {
	if len(form) <= maxShown {
		return strings.Contains(t, form)
	}
	for i := 0; i+maxShown <= len(t); i++ {
		if strings.Contains(form, t[i:i+maxShown]) {
			return true
		}
	}
	return false
}
