package ssf

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

// Metadata is a transmitter's configuration metadata, SSF 1.0 §7.1.
type Metadata struct {
	SpecVersion              string   `json:"spec_version"`               // such as "1_0"; "" if the transmitter sends none
	Issuer                   string   `json:"issuer"`                     // the transmitter's issuer identifier
	JWKSURI                  string   `json:"jwks_uri"`                   // URL of the public keys
	DeliveryMethodsSupported []string `json:"delivery_methods_supported"` // MethodPush, MethodPoll and others
	ConfigurationEndpoint    string   `json:"configuration_endpoint"`     // creates, reads, changes and deletes streams
	StatusEndpoint           string   `json:"status_endpoint"`            // reads and changes the status of a stream
	AddSubjectEndpoint       string   `json:"add_subject_endpoint"`       // adds a subject to a stream
	RemoveSubjectEndpoint    string   `json:"remove_subject_endpoint"`    // removes a subject from a stream
	VerificationEndpoint     string   `json:"verification_endpoint"`      // requests a verification event
	CriticalSubjectMembers   []string `json:"critical_subject_members"`   // members of complex subjects that a receiver must interpret
	DefaultSubjects          string   `json:"default_subjects"`           // "ALL" or "NONE": which subjects a new stream has
}

const (
	metadataFresh = time.Hour
	metadataLimit = 24 * time.Hour // how long it is used if the transmitter is down
	metadataRetry = 5 * time.Second
	wellKnown     = "/.well-known/ssf-configuration"
)

// metadataCache holds the last document.
type metadataCache struct {
	mu      sync.Mutex
	got     *Metadata
	at      time.Time // when it was fetched
	tried   time.Time // when the last attempt failed
	failure error
	flight  endpoint.Flight[*Metadata]
}

// Metadata returns the transmitter's metadata. It fetches the document at the first call and
// again after an hour. If that fails, the last document is used for up to 24 hours. The error
// says what is wrong with the document or the settings Issuer and ConfigurationURL.
func (r *Receiver) Metadata(ctx context.Context) (*Metadata, error) {
	if r.Issuer == "" {
		return nil, errors.New("ssf: Receiver.Issuer is empty: set it to the transmitter's issuer URL")
	}
	if m, err := r.metadata.current(r.now()); m != nil || err != nil {
		return m, err
	}
	m, err := r.metadata.flight.Do(ctx, r.fetchMetadata)
	if ctx.Err() != nil {
		return m, err // a caller that stops waiting is not a fault of the transmitter
	}
	return r.metadata.keep(m, err, r.now())
}

// current returns the document while it is fresh, and the last error for five seconds.
func (c *metadataCache) current(now time.Time) (*Metadata, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.got != nil && now.Sub(c.at) < metadataFresh:
		return c.got, nil
	case c.failure == nil || now.Sub(c.tried) >= metadataRetry:
		return nil, nil
	case c.got != nil && now.Sub(c.at) < metadataLimit:
		return c.got, nil
	}
	return nil, c.failure
}

func (c *metadataCache) keep(m *Metadata, err error, now time.Time) (*Metadata, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.got, c.at, c.failure = m, now, nil
		return m, nil
	}
	c.tried, c.failure = now, err
	if c.got != nil && now.Sub(c.at) < metadataLimit {
		return c.got, nil
	}
	return nil, err
}

func (r *Receiver) fetchMetadata(ctx context.Context) (*Metadata, error) {
	u, err := r.configurationURL()
	if err != nil {
		return nil, err
	}
	resp, err := endpoint.Client{HTTP: r.HTTP}.Get(r.guarded(ctx), u, "application/json", nil, endpoint.MaxDocument)
	switch {
	case err != nil:
		return nil, fmt.Errorf("ssf: metadata: %w", err)
	case resp.Status != http.StatusOK:
		return nil, fmt.Errorf("ssf: metadata: %w", resp.Failure("cannot fetch the transmitter's metadata: check Receiver.Issuer and Receiver.ConfigurationURL"))
	case !resp.IsJSON():
		return nil, fmt.Errorf("ssf: metadata: %w", resp.Refuse(errors.New("Content-Type is "+jose.Quote(resp.MediaType)+", expected application/json")))
	}
	m, err := parseMetadata(resp.Body, r.Issuer)
	if err != nil {
		return nil, fmt.Errorf("ssf: metadata: %w", resp.Refuse(err))
	}
	return m, nil
}

// parseMetadata applies SSF 1.0 §7.2.4 and checks every URL that requests are sent to.
func parseMetadata(body []byte, issuer string) (*Metadata, error) {
	var m Metadata
	if err := jose.Decode(body, &m, jose.DocumentLimits); err != nil {
		return nil, err
	}
	if m.Issuer != issuer {
		return nil, fmt.Errorf("issuer is %s, expected %s : set Receiver.Issuer to the issuer exactly as the transmitter writes it", jose.Quote(m.Issuer), jose.Quote(issuer))
	}
	for name, u := range map[string]string{
		"jwks_uri": m.JWKSURI, "configuration_endpoint": m.ConfigurationEndpoint, "status_endpoint": m.StatusEndpoint,
		"verification_endpoint": m.VerificationEndpoint,
	} {
		if u == "" {
			continue
		}
		if err := endpoint.CheckURL(u); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return &m, nil
}

// configurationURL returns the URL of the metadata, SSF 1.0 §7.2.
func (r *Receiver) configurationURL() (string, error) {
	if r.ConfigurationURL != "" {
		return r.ConfigurationURL, nil
	}
	u, err := url.Parse(r.Issuer)
	if err != nil || endpoint.CheckURL(r.Issuer) != nil || u.RawQuery != "" {
		return "", errors.New("ssf: Receiver.Issuer is not an https URL without query and fragment")
	}
	return u.Scheme + "://" + u.Host + wellKnown + strings.TrimSuffix(u.EscapedPath(), "/"), nil
}

// guarded returns a context for requests to URLs that the transmitter names. They must not lead to
// a private address, except at the hosts of Issuer and ConfigurationURL.
func (r *Receiver) guarded(ctx context.Context) context.Context {
	return endpoint.With(ctx, endpoint.Policy{Guarded: true, Own: []string{r.Issuer, r.ConfigurationURL}})
}

// keySet returns Keys, or the keys at jwks_uri.
func (r *Receiver) keySet(ctx context.Context) (KeySet, error) {
	if r.Keys != nil {
		return r.Keys, nil
	}
	r.mu.Lock()
	keys, at := r.keys, r.keysAt
	r.mu.Unlock()
	m, err := r.Metadata(ctx)
	switch {
	case err != nil && keys != nil:
		return keys, nil // the keys have a separate time limit
	case err != nil:
		return nil, &unavailable{err}
	case m.JWKSURI == "":
		return nil, &unavailable{errors.New("ssf: the metadata has no jwks_uri: set Receiver.Keys")}
	case keys != nil && at == m.JWKSURI:
		return keys, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keysAt != m.JWKSURI {
		p := &discovery.Provider{ // guards jwks_uri like guarded
			Issuer: r.Issuer, URL: r.ConfigurationURL, HTTP: r.HTTP, Static: &discovery.Metadata{Issuer: r.Issuer, JWKSURI: m.JWKSURI},
		}
		r.keys, r.keysAt = p.Keys(), m.JWKSURI
	}
	return r.keys, nil
}
