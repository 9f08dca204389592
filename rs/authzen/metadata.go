package authzen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

const (
	wellKnown     = "/.well-known/authzen-configuration"
	metadataFresh = time.Hour
	metadataLimit = 24 * time.Hour  // how long the last document is used if the decision point is down
	metadataRetry = 5 * time.Second // after an attempt began
)

// metadata is what a decision point says about itself ("Policy Decision Point Metadata"). Signed
// metadata is ignored, which the specification allows.
type metadata struct {
	Name        string  `json:"policy_decision_point"`
	Evaluation  string  `json:"access_evaluation_endpoint"`
	Evaluations *string `json:"access_evaluations_endpoint"`
}

// metadataCache holds the last document.
type metadataCache struct {
	mu     sync.Mutex
	got    *metadata
	at     time.Time // when it was fetched
	next   time.Time // when to fetch again
	flight endpoint.Flight[*metadata]
}

// endpoint returns the URL for questions at a default path.
func (p *PDP) endpoint(ctx context.Context, path string) (string, error) {
	policy := p.policy()
	u, err := url.Parse(p.URL)
	if err != nil || policy.CheckURL(p.URL) != nil || u.RawQuery != "" || u.ForceQuery {
		return "", errors.New("authzen: PDP.URL must be an https URL without query and fragment, or such an http URL on loopback")
	}
	usual := strings.TrimSuffix(p.URL, "/") + path
	if !p.Discover {
		return usual, nil
	}
	m, err := p.fetched(ctx, u)
	switch {
	case err != nil:
		return "", err
	case path == evaluationPath:
		return m.Evaluation, nil
	case m.Evaluations != nil:
		return *m.Evaluations, nil
	}
	return usual, nil // "HTTPS JSON Binding"
}

// fetched returns the metadata. While it cannot be fetched again, the last document is used for a
// day. A fetch that hangs must leave time for the question.
func (p *PDP) fetched(ctx context.Context, u *url.URL) (*metadata, error) {
	now, c := p.now(), &p.metadata
	if m := c.current(now); m != nil {
		return m, nil
	}
	fetch := func(ctx context.Context) (*metadata, error) {
		m, err := p.fetch(ctx, u)
		if err == nil {
			c.keep(m, now)
		}
		return m, err
	}
	if last := c.last(now); last != nil {
		if m, err, done := c.flight.Wait(ctx, cmp.Or(p.Timeout, defaultTimeout)/4, fetch); done && err == nil {
			return m, nil
		}
		return last, nil
	}
	m, err := c.flight.Do(ctx, fetch)
	if err != nil {
		return nil, fmt.Errorf("authzen: metadata of the decision point: %w", err)
	}
	return m, nil
}

func (c *metadataCache) keep(m *metadata, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got, c.at, c.next = m, now, now.Add(metadataFresh)
}

func (c *metadataCache) current(now time.Time) *metadata {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Before(c.next) {
		return c.got
	}
	return nil
}

// last returns the last document, or nil. The other callers use it too until the next attempt.
func (c *metadataCache) last(now time.Time) *metadata {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.got == nil || now.Sub(c.at) >= metadataLimit {
		return nil
	}
	c.next = now.Add(metadataRetry)
	return c.got
}

// fetch gets the document, whose path goes between the host and the path of the name ("Obtaining
// Policy Decision Point Metadata").
func (p *PDP) fetch(ctx context.Context, u *url.URL) (*metadata, error) {
	at := u.Scheme + "://" + u.Host + wellKnown + strings.TrimSuffix(u.EscapedPath(), "/")
	resp, err := endpoint.Client{HTTP: p.HTTP}.Get(endpoint.With(ctx, p.policy()), at, "application/json", nil, endpoint.MaxDocument)
	switch {
	case err != nil:
		return nil, err
	case resp.Status != http.StatusOK:
		return nil, resp.Refuse(errors.New("expected status 200: check PDP.URL, or unset PDP.Discover if the decision point has no metadata"))
	case resp.MediaType != "application/json":
		return nil, resp.NotJSON()
	}
	m, err := p.parse(resp.Body)
	if err != nil {
		return nil, resp.Refuse(err)
	}
	return m, nil
}

// parse applies "Policy Decision Point Metadata Validation", and checks the URLs.
func (p *PDP) parse(body []byte) (*metadata, error) {
	var m metadata
	if err := jose.Decode(body, &m, jose.DocumentLimits); err != nil {
		return nil, err
	}
	if m.Name != p.URL {
		return nil, fmt.Errorf("policy_decision_point is %s, expected %s: set PDP.URL exactly as the decision point writes it", jose.Quote(m.Name), jose.Quote(p.URL))
	}
	policy := p.policy()
	if err := policy.CheckURL(m.Evaluation); err != nil {
		return nil, fmt.Errorf("access_evaluation_endpoint is %s: %w", jose.Quote(m.Evaluation), err)
	}
	if m.Evaluations == nil {
		return &m, nil
	}
	if err := policy.CheckURL(*m.Evaluations); err != nil {
		return nil, fmt.Errorf("access_evaluations_endpoint is %s: %w", jose.Quote(*m.Evaluations), err)
	}
	return &m, nil
}
