package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"
	"sync"
)

// secretNames are the parameters, members and claims whose values are not shown.
var secretNames = []string{
	"client_secret", "client_assertion", "assertion", "code", "code_verifier", "access_token", "refresh_token", "id_token",
	"token", "subject_token", "actor_token", "device_code", "auth_req_id", "id_token_hint", "login_hint_token", "logout_token",
	"registration_access_token", "client_notification_token", "request", "response", "state", "nonce", "password", "user_secret",
	"SAMLResponse", "session_state",
}

// secretHeaders are the header fields whose values are not shown.
var secretHeaders = []string{"Cookie", "Set-Cookie", "Dpop", "Proxy-Authorization", "Dpop-Nonce"}

// Mask replaces secrets by labels such as ‹access_token 1›. The same secret has the same
// label everywhere, so that a reader can follow it. A secret that was seen once is replaced
// in every later text too, wherever it is. Many goroutines may use it at once.
type Mask struct {
	mu     sync.Mutex
	labels map[string]string
	counts map[string]int
	known  []string // longest first
}

// Learn makes value a secret of the kind name.
func (m *Mask) Learn(name, value string) string {
	if value == "" {
		return ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if label, ok := m.labels[value]; ok {
		return label
	}
	if m.labels == nil {
		m.labels, m.counts = map[string]string{}, map[string]int{}
	}
	m.counts[name]++
	label := fmt.Sprintf("‹%s %d›", name, m.counts[name])
	m.labels[value] = label
	if len(value) >= shortest {
		m.known = append(m.known, value)
		sort.Slice(m.known, func(i, j int) bool { return len(m.known[i]) > len(m.known[j]) })
	}
	return label
}

// shortest is the length from which a secret is searched for in other texts. A shorter one
// would replace ordinary words.
const shortest = 6

// Text replaces the known secrets in s, also where they are written with escapes.
func (m *Mask) Text(s string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, secret := range m.known {
		label := m.labels[secret]
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret))} {
			s = strings.ReplaceAll(s, form, label)
		}
	}
	return s
}

// Values returns the parameters with their secrets replaced, in the order of their names.
func (m *Mask) Values(v url.Values) (pairs [][2]string) {
	for _, name := range sortedKeys(v) {
		for _, value := range v[name] {
			if slices.Contains(secretNames, name) {
				value = m.Learn(name, value)
			}
			pairs = append(pairs, [2]string{name, value})
		}
	}
	return pairs
}

// URL returns u with the secrets of its query and its fragment replaced.
func (m *Mask) URL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "‹malformed URL›"
	}
	u.User = nil
	base := *u
	base.RawQuery, base.Fragment, base.RawFragment = "", "", ""
	out := base.String()
	if u.RawQuery != "" {
		out += "?" + m.pairs(u.RawQuery)
	}
	if u.Fragment != "" {
		out += "#" + m.pairs(u.EscapedFragment())
	}
	return out
}

func (m *Mask) pairs(raw string) string {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return "‹malformed›"
	}
	var all []string
	for _, p := range m.Values(values) {
		value := url.QueryEscape(p[1])
		if strings.HasPrefix(p[1], "‹") {
			value = p[1]
		}
		all = append(all, url.QueryEscape(p[0])+"="+value)
	}
	return strings.Join(all, "&")
}

// Header returns one value of a header field with its secrets replaced.
func (m *Mask) Header(name, value string) string {
	switch name = http.CanonicalHeaderKey(name); {
	case name == "Authorization":
		scheme, credentials, _ := strings.Cut(value, " ")
		return scheme + " " + m.Learn(map[string]string{"Basic": "credentials"}[scheme]+map[string]string{"Bearer": "access_token", "DPoP": "access_token"}[scheme], credentials)
	case slices.Contains(secretHeaders, name):
		return m.Learn(strings.ToLower(name), value)
	case name == "Location":
		return m.URL(value)
	}
	return value
}

// Body returns a body with its secrets replaced. A body that is neither a form nor JSON is replaced
// by its size, because its secrets cannot be found.
func (m *Mask) Body(contentType string, body []byte) string {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	switch {
	case len(body) == 0:
		return ""
	case kind == "application/x-www-form-urlencoded":
		values, err := url.ParseQuery(string(body))
		if err != nil {
			return "‹malformed form›"
		}
		var lines []string
		for _, p := range m.Values(values) {
			lines = append(lines, p[0]+"="+p[1])
		}
		return strings.Join(lines, "\n")
	case strings.HasSuffix(kind, "json"):
		return m.json(body)
	}
	return fmt.Sprintf("‹%d bytes of %s›", len(body), Printable(kind))
}

func (m *Mask) json(body []byte) string {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return fmt.Sprintf("‹%d bytes that are not JSON›", len(body))
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(m.members(v))
	return strings.TrimSpace(b.String())
}

func (m *Mask) members(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if s, ok := value.(string); ok && slices.Contains(secretNames, name) {
				v[name] = m.Learn(name, s)
				continue
			}
			v[name] = m.members(value)
		}
	case []any:
		for i := range v {
			v[i] = m.members(v[i])
		}
	}
	return v
}

// Claims returns claims with their secrets replaced, also in other texts, and without control
// characters.
func (m *Mask) Claims(claims map[string]any) map[string]any {
	if claims == nil {
		return nil
	}
	return m.texts(m.members(claims)).(map[string]any)
}

func (m *Mask) texts(v any) any {
	switch v := v.(type) {
	case string:
		return Printable(m.Text(v))
	case map[string]any:
		out := map[string]any{}
		for name, value := range v {
			out[Printable(m.Text(name))] = m.texts(value)
		}
		return out
	case []any:
		for i := range v {
			v[i] = m.texts(v[i])
		}
	}
	return v
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Printable keeps control characters of a server away from the terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && (r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069) {
			return '?'
		}
		return r
	}, s)
}
