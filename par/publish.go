package par

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/endpoint"
)

const maxPublished = 10_000

// Published serves request objects to servers that fetch them from a request_uri of the
// client (RFC 9101 §5.2). Mount it as a handler where BaseURL leads. An object is kept
// in this process, served for a few minutes under an address nobody guesses, and gone
// after that. A Published must not be copied.
type Published struct {
	// BaseURL is the address that servers call: https, without query.
	BaseURL string

	mu    sync.Mutex
	known map[string]published
}

type published struct {
	object string
	until  time.Time
}

// Format implements fmt.Formatter: no verb prints what is kept.
func (p *Published) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[request objects at %s]", p.BaseURL) }

// Publish keeps a request object and gives its request_uri.
func (p *Published) Publish(_ context.Context, object string) (string, error) {
	if err := endpoint.CheckURL(p.BaseURL); err != nil {
		return "", errors.New("par: Published.BaseURL is " + err.Error())
	}
	id := make([]byte, 32)
	rand.Read(id)
	name := base64.RawURLEncoding.EncodeToString(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxPublished {
		p.forget()
	}
	if len(p.known) >= maxPublished {
		return "", errors.New("par: too many request objects at once")
	}
	if p.known == nil {
		p.known = map[string]published{}
	}
	p.known[name] = published{object, time.Now().Add(maxObject)}
	return strings.TrimSuffix(p.BaseURL, "/") + "/" + name, nil
}

func (p *Published) forget() {
	for name, o := range p.known {
		if time.Now().After(o.until) {
			delete(p.known, name)
		}
	}
}

// ServeHTTP implements http.Handler.
func (p *Published) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	o, ok := p.known[path.Base(r.URL.Path)]
	p.mu.Unlock()
	if !ok || time.Now().After(o.until) || r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/oauth-authz-req+jwt")
	w.Header().Set("Cache-Control", "no-store")
	w.Write([]byte(o.object))
}

// Publisher makes a request object available to the server and gives its address;
// [Published] is one.
type Publisher interface {
	Publish(ctx context.Context, object string) (requestURI string, err error)
}
