package issuertest

import (
	"encoding/json"
	"net/url"
	"slices"
	"time"
)

// grant is what a user allowed. It can also be what a client requested without a user.
type grant struct {
	client   *Client
	user     *User // nil if there is no user
	scopes   []string
	audience []string
	nonce    string
	acr      string
	authTime time.Time
	sid      string
	details  json.RawMessage // authorization_details
	act      map[string]any  // RFC 8693 §4.1
	revoked  bool
}

func (g *grant) subject() string {
	if g.user == nil {
		return g.client.ID
	}
	return g.user.Subject
}

func (g *grant) has(scope string) bool { return slices.Contains(g.scopes, scope) }

// code is an authorization code.
type code struct {
	grant     *grant
	redirect  string // redirect_uri as it was sent, "" if it was not
	challenge string
	method    string
	key       string // dpop_jkt, RFC 9449 §10
	used      bool
}

// access is an access token.
type access struct {
	grant    *grant
	scopes   []string
	audience []string
	issued   time.Time
	expires  time.Time
	id       string // jti
	cnf      map[string]any
	extra    map[string]any
	value    string // the token itself, "" to mint one
	revoked  bool
}

// refresh is a refresh token.
type refresh struct {
	grant *grant
	cnf   map[string]any // for a public client
	used  bool
}

// polled is a device or CIBA login in progress.
type polled struct {
	client   *Client
	request  url.Values
	userCode string
	asked    *User  // of CIBA: the user in login_hint
	grant    *grant // nil until the user has allowed it
	denied   bool
	notify   string // client_notification_token
}

// session is a user's session at the issuer.
type session struct {
	user     *User
	authTime time.Time
	clients  []*Client // the clients that the user signed in to
}

// waiting is an authorization request for which a page was shown to the user.
type waiting struct {
	client  *Client
	request url.Values
	session *session // nil until the user has signed in
	sid     string
}

type state struct {
	clients   []*Client
	codes     kept[*code]
	access    kept[*access]
	refresh   kept[*refresh]
	pushed    kept[url.Values]
	polls     kept[*polled]
	sessions  kept[*session]
	waiting   kept[*waiting]
	used      kept[bool] // jti of assertions and proofs
	dpopNonce string
}

func newState(clients []Client) state {
	s := state{}
	for _, c := range clients {
		s.clients = append(s.clients, &c)
	}
	return s
}

// kept holds values until they expire. Its size is limited: when it is full, the oldest value
// is removed.
type kept[V any] struct {
	values map[string]entry[V]
	order  []string
}

type entry[V any] struct {
	value V
	until time.Time
}

const maxKept = 10000

func (k *kept[V]) put(key string, v V, until time.Time) {
	if k.values == nil {
		k.values = map[string]entry[V]{}
	}
	if _, known := k.values[key]; !known {
		k.order = append(k.order, key)
	}
	if len(k.order) > maxKept {
		delete(k.values, k.order[0])
		k.order = slices.Clone(k.order[1:])
	}
	k.values[key] = entry[V]{v, until}
}

func (k *kept[V]) get(key string, now time.Time) (v V, ok bool) {
	e, ok := k.values[key]
	if !ok || !now.Before(e.until) {
		return v, false
	}
	return e.value, true
}

// take is like get, but for a value that can be used once.
func (k *kept[V]) take(key string, now time.Time) (v V, ok bool) {
	v, ok = k.get(key, now)
	delete(k.values, key)
	k.order = slices.DeleteFunc(k.order, func(s string) bool { return s == key })
	return v, ok
}

// client finds a registered client. The caller holds i.mu.
func (s *state) client(id string) *Client {
	for _, c := range s.clients {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// user finds an account by its subject.
func (i *Issuer) user(subject string) *User {
	for n := range i.config.Users {
		if i.config.Users[n].Subject == subject {
			return &i.config.Users[n]
		}
	}
	return nil
}

// someoneElse returns a subject that differs from u's.
func (i *Issuer) someoneElse(subject string) string {
	for n := range i.config.Users {
		if other := i.config.Users[n].Subject; other != subject {
			return other
		}
	}
	return "somebody-else"
}
