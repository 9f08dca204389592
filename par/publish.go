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

// Published serves request objects to servers that fetch them from a request_uri of the client (RFC
// 9101 §5.2). Mount it as a handler at the path of BaseURL. It keeps an object in the memory of
// this process for a few minutes, at an address that cannot be guessed. A Published must not be
// copied. It is safe for concurrent use.
type Published struct {
	// BaseURL is the address that servers fetch from: https, without query.
	BaseURL string

	mu    sync.Mutex
	known map[string]published
}

type published struct {
	object string
	until  time.Time
}

// Format implements fmt.Formatter. No verb prints the stored objects.
func (p *Published) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[request objects at %s]", p.BaseURL) }

// Publish stores a request object and returns its request_uri. It returns an error if BaseURL
// is not an https URL, or if 10,000 objects are stored.
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
		return "", errors.New("par: Published holds the maximum number of request objects: try again later")
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

// Publisher makes a request object available to the server and returns its address.
// [Published] implements it.
type Publisher interface {
	Publish(ctx context.Context, object string) (requestURI string, err error)
}
