package client

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"time"
)

const pendingLifetime = 10 * time.Minute

// Pending is the state of a login between Begin and Finish. It encodes as plain JSON. The
// application stores it for the browser that began the login: in its session or in a sealed cookie.
// Do not make it retrievable by state only: an attacker's login could then end in a victim's
// browser (RFC 9700 §4.7).
//
// It holds secrets, and redacts itself in fmt and log/slog.
type Pending struct {
	unprinted[Pending]

	Issuer       string         `json:"issuer"`                  // the server's issuer identifier
	ClientID     string         `json:"client_id"`               // of this client
	RedirectURL  string         `json:"redirect_uri"`            // the redirect_uri of the request
	State        string         `json:"state"`                   // the state of the request; a secret until the callback
	Nonce        string         `json:"nonce,omitempty"`         // the nonce of the ID token; "" if no ID token is requested
	CodeVerifier string         `json:"code_verifier"`           // the PKCE code verifier, RFC 7636 §4.1; a secret
	Scopes       []string       `json:"scopes,omitempty"`        // the requested scopes
	ACRValues    []string       `json:"acr_values,omitempty"`    // the requested acr_values
	MaxAge       *time.Duration `json:"max_age_ns,omitempty"`    // the requested max_age, encoded in nanoseconds; nil if none was requested
	Prompt       []string       `json:"prompt,omitempty"`        // the requested prompt values
	Subject      string         `json:"sub,omitempty"`           // who must sign in; "" is any user
	ResponseType string         `json:"response_type,omitempty"` // "" is code
	ResponseMode string         `json:"response_mode,omitempty"` // "" is the default of the response type
	Resources    []string       `json:"resources,omitempty"`     // the requested resources, RFC 8707 §2
	DPoPKey      string         `json:"dpop_key,omitempty"`      // the login's own key: PKCS #8, base64
	CreatedAt    time.Time      `json:"created_at"`              // when Begin was called; see Expired
}

// wantsIDToken reports whether this is an OpenID Connect request, OpenID Connect Core §3.1.2.1.
func (p *Pending) wantsIDToken() bool {
	return slices.Contains(p.Scopes, "openid") || p.asksFor("id_token")
}

func (p *Pending) responseType() string { return cmp.Or(p.ResponseType, ResponseCode) }

// signedResponse reports whether the response must be a JWT (JARM).
func (p *Pending) signedResponse() bool { return strings.HasSuffix(p.ResponseMode, "jwt") }

// Expired reports whether the login is older than 10 minutes at the time now.
func (p *Pending) Expired(now time.Time) bool {
	age := now.Sub(p.CreatedAt)
	return age > pendingLifetime || age < -pendingLifetime
}

// random returns 256 bits from crypto/rand, which ends the program if it fails.
func random() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

const maxUsed = 100_000

// usedStates remembers the logins that were finished in this process. A callback that arrives
// twice causes one token request, because a code must not be used more than once (RFC 6749
// §4.1.2). It forgets a state when its Pending has expired, and the oldest state when it is
// full. The zero value is ready to use.
type usedStates struct {
	mu    sync.Mutex
	seen  map[string]bool
	order []usedState // oldest first
}

type usedState struct {
	state string
	until time.Time
}

// claim returns true for the first caller with this state. It remembers the state until the
// given time.
func (u *usedStates) claim(state string, now, until time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.forget(now)
	if u.seen[state] {
		return false
	}
	if u.seen == nil {
		u.seen = map[string]bool{}
	}
	u.seen[state] = true
	u.order = append(u.order, usedState{state, until.Add(usedMargin)})
	return true
}

// usedMargin allows for clocks that are set back.
const usedMargin = 2 * time.Minute

// forget removes states that are too old to be accepted again, and the oldest if there are too
// many.
func (u *usedStates) forget(now time.Time) {
	for len(u.order) > 0 && (len(u.order) >= maxUsed || now.After(u.order[0].until)) {
		delete(u.seen, u.order[0].state)
		u.order = u.order[1:]
	}
}
