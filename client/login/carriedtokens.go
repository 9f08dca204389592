package login

import (
	"context"
	"encoding/json"
	"github.com/countersign/countersign/client/tokens"
	"net/http"
	"sync"
	"time"
)

// carriedFor is how long this process remembers tokens of a cookie, because requests with an
// older cookie may still arrive.
const carriedFor = 10 * time.Minute

// carriedTokens are the latest tokens of each session that is in cookies. After a refresh in one
// tab, the other tabs use them before their cookie is updated.
type carriedTokens struct {
	memory Memory
	now    func() time.Time

	mu sync.Mutex // older tokens must not replace the result of a refresh
}

// carried is the content of a cookie, and values that are derived from it.
type carried struct {
	ID   string          `json:"id,omitempty"` // the session's
	At   time.Time       `json:"at"`
	Kept json.RawMessage `json:"kept"` // of a tokens.Stored; null for tokens that are no longer usable
}

func (c *carriedTokens) latest(ctx context.Context, key string) (latest carried, ok bool) {
	raw, err := c.memory.Load(ctx, key)
	return latest, err == nil && raw != nil && json.Unmarshal(raw, &latest) == nil
}

func (c *carriedTokens) put(ctx context.Context, key string, v carried) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.memory.Save(ctx, key, raw, c.now().Add(carriedFor))
}

// observe remembers the content of a cookie. If the remembered tokens are later, it only extends
// the time.
func (c *carriedTokens) observe(ctx context.Context, key string, v carried) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.latest(ctx, key); ok && !v.At.After(known.At) {
		v = known
	}
	return c.put(ctx, key, v)
}

// Load implements tokens.Store.
func (c *carriedTokens) Load(ctx context.Context, key string) ([]byte, error) {
	v, ok := c.latest(ctx, key)
	if !ok || string(v.Kept) == "null" {
		return nil, nil
	}
	return v.Kept, nil
}

// Save implements tokens.Store.
func (c *carriedTokens) Save(ctx context.Context, key string, value []byte, _ time.Time) error {
	return c.replace(ctx, key, value)
}

// Delete implements tokens.Store. A cookie that still arrives must not restore the tokens.
func (c *carriedTokens) Delete(ctx context.Context, key string) error {
	return c.replace(ctx, key, json.RawMessage("null"))
}

// replace stores kept as the latest tokens. It compares no times.
func (c *carriedTokens) replace(ctx context.Context, key string, kept json.RawMessage) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.now()
	if known, ok := c.latest(ctx, key); ok && !at.After(known.At) {
		at = known.At.Add(time.Nanosecond)
	}
	return c.put(ctx, key, carried{At: at, Kept: kept})
}

// carrier reads tokens from the cookies of a request, and writes newer ones to the response. A
// handler may call several APIs at once.
type carrier struct {
	l *sealedSessions
	w http.ResponseWriter
	r *http.Request
	s *session

	mu  sync.Mutex
	own *carried // what the browser has; nil until it is needed
}

// brought opens the token cookies when a handler needs tokens, because few handlers need them.
func (c *carrier) brought() *carried {
	if c.own == nil {
		own := c.l.brought(c.r, c.s)
		c.own = &own
	}
	return c.own
}

func (c *carrier) bring(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.l.login.carried.observe(ctx, c.s.tokensKey(), *c.brought())
}

func (c *carrier) take(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.l.login.carried.latest(ctx, c.s.tokensKey())
	if !ok || !v.At.After(c.brought().At) {
		return
	}
	v.ID = c.s.ID
	if err := c.l.carry(c.w, c.r, c.s, v); err != nil {
		c.l.login.config.Log.ErrorContext(ctx, "login: cannot store new tokens in the browser", "reason", err)
	}
	c.own = &v
}

func (l *sealedSessions) tokensCookie() string { return l.login.cookies.name("-t") }

// brought returns the tokens of a request's cookies for s. It ignores tokens of another session.
func (l *sealedSessions) brought(r *http.Request, s *session) carried {
	none := carried{ID: s.ID, Kept: json.RawMessage("null")}
	var v carried
	if !l.login.openJSON(forTokens, l.tokensCookie(), l.login.cookies.long(r, l.tokensCookie()), &v) || v.ID != s.ID || v.Kept == nil {
		return none
	}
	return v
}

// kept returns the latest tokens that this process knows.
func (l *sealedSessions) kept(r *http.Request, s *session) (*tokens.Stored, error) {
	v := l.brought(r, s)
	if known, ok := l.login.carried.latest(r.Context(), s.tokensKey()); ok && known.At.After(v.At) {
		v = known
	}
	kept := &tokens.Stored{}
	return kept, json.Unmarshal(v.Kept, kept)
}

// carry seals tokens into cookies. If they do not fit, it omits the ID token, which only the
// logout needs.
func (l *sealedSessions) carry(w http.ResponseWriter, r *http.Request, s *session, v carried) error {
	beside, err := l.seal(s)
	if err != nil {
		return err
	}
	room := maxCookies - len(beside)
	if err := l.carryAll(w, r, s, v, room); err != errTooLarge {
		return err
	}
	kept := &tokens.Stored{}
	if err := json.Unmarshal(v.Kept, kept); err != nil {
		return err
	}
	kept.IDToken = ""
	if v.Kept, err = json.Marshal(kept); err != nil {
		return err
	}
	return l.carryAll(w, r, s, v, room)
}

func (l *sealedSessions) carryAll(w http.ResponseWriter, r *http.Request, s *session, v carried, room int) error {
	sealed, err := l.login.sealJSON(forTokens, l.tokensCookie(), v)
	if err != nil {
		return err
	}
	if len(sealed) > room {
		return errTooLarge
	}
	return l.login.cookies.setLong(w, r, l.tokensCookie(), sealed, l.login.until(s).Sub(l.login.config.Now()))
}
