package rs

import (
	"bytes"
	"context"
	"encoding/json"
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

// Limits of PingSessions.
const (
	defaultPingAge  = 10 * time.Second
	maxPingAge      = 5 * time.Minute
	pingRevokedAge  = time.Hour
	defaultPingSize = 10_000
	maxSRI          = 512
)

// unreadableSRI marks a pi.sri that is not a string. No session has this value.
const unreadableSRI = "\x00"

// PingSessions asks PingFederate whether a session was revoked (Session Revocation API). The claim
// pi.sri of ID and access tokens names the session. Add it to Protection.Revocation. Issuer, Auth
// and one of URL and Server must be set; otherwise every token is answered with 503. At
// PingFederate, the client needs "Allow Access to Session Revocation API". A PingSessions is safe
// for concurrent use after the fields are set, and must not be copied after its first use.
type PingSessions struct {
	// Issuer is the issuer of the tokens. Tokens of other issuers are not checked.
	Issuer string

	// URL is the endpoint. It ends with "/revokedSris". "" means ping_revoked_sris_endpoint in
	// Server's metadata.
	URL string

	// Server is where the endpoint is looked up if URL is "". Its Issuer must equal Issuer.
	Server *discovery.Provider

	// Auth authenticates the client, in the header (client_secret_basic) or by TLS.
	Auth Authenticator

	// Required rejects tokens without pi.sri.
	Required bool

	// MaxAge is how long a response "not revoked" is used. 0 means 10 seconds; at most 5
	// minutes. A response "revoked" is used for an hour.
	MaxAge time.Duration

	// Size is the maximum number of remembered sessions. 0 means 10,000.
	Size int

	// HTTP sends the requests. Only its Transport and Timeout are used. The time-outs and
	// limits of this module still apply. nil means the default client of this module.
	HTTP *http.Client

	// Counter counts revoked sessions and failures. nil means that nothing is counted.
	Counter Counter

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	mu         sync.Mutex
	young, old map[string]pingSession
}

type pingSession struct {
	revoked bool
	until   time.Time
}

func (k pingSession) revokedAt(at time.Time) bool { return k.revoked && at.Before(k.until) }

func (s *PingSessions) configured() error {
	switch {
	case s == nil:
		return errors.New("the *PingSessions is nil")
	case s.Issuer == "" || s.Auth == nil:
		return errors.New("PingSessions.Issuer is empty or PingSessions.Auth is nil: set both")
	case s.URL == "" && s.Server == nil:
		return errors.New("PingSessions.URL is empty and PingSessions.Server is nil: set one of them")
	case s.URL != "" && !isRevokedSRIs(s.URL):
		return errors.New("PingSessions.URL does not end with /revokedSris: correct it")
	case s.URL == "" && s.Server.Issuer != s.Issuer:
		return errors.New("PingSessions.Server.Issuer does not equal PingSessions.Issuer: set both to the same value")
	case s.MaxAge < 0 || s.MaxAge > maxPingAge:
		return fmt.Errorf("PingSessions.MaxAge is %s, expected 0 to %s", jose.Duration(s.MaxAge), jose.Duration(maxPingAge))
	case s.Size < 0:
		return fmt.Errorf("PingSessions.Size is %d, expected 0 or more", s.Size)
	}
	return nil
}

// Ready is [Protection.Ready] for this part only, with the same errors.
func (s *PingSessions) Ready(ctx context.Context) error {
	if err := s.configured(); err != nil {
		return err
	}
	_, _, err := s.endpoint(ctx)
	return err
}

// CheckRevocation implements [RevocationCheck]. A [Protection] answers 401 invalid_token if the
// session was revoked, or if pi.sri is missing (see Required) or not a string. It answers 503
// if a setting is missing or PingFederate did not answer.
func (s *PingSessions) CheckRevocation(ctx context.Context, _ string, p *Principal) error {
	if err := s.configured(); err != nil {
		return &unavailable{err}
	}
	switch {
	case p.Issuer != s.Issuer:
		return nil
	case p.sri == "" && s.Required:
		return errors.New("pi.sri is missing, and PingSessions.Required is set")
	case p.sri == "":
		return nil
	case p.sri == unreadableSRI:
		return errors.New("pi.sri is not a string")
	}
	revoked, err := s.Revoked(ctx, p.sri)
	switch {
	case err != nil:
		count(ctx, s.Counter, StatusFailed)
		return &unavailable{err}
	case revoked:
		if s.Counter != nil {
			s.Counter.Count(ctx, Revoked, "session")
		}
		return errors.New("the session of the token was revoked at PingFederate (pi.sri)")
	}
	return nil
}

// Revoked reports whether the session sri was revoked. sri is the claim pi.sri of an ID or
// access token.
//
// An error names the missing setting, or says why PingFederate did not answer. It does not say
// whether the session was revoked.
func (s *PingSessions) Revoked(ctx context.Context, sri string) (bool, error) {
	if err := s.configured(); err != nil {
		return false, err
	}
	if sri == "" || len(sri) > maxSRI {
		return false, errors.New("pi.sri is empty or too long, expected 1 to 512 bytes")
	}
	if known, ok := s.remembered(sri); ok {
		return known.revoked, nil
	}
	at := now(s.Now)
	revoked, err := s.ask(ctx, sri)
	if err != nil {
		return false, fmt.Errorf("PingFederate's session revocation: %w", err)
	}
	s.remember(sri, revoked, at)
	return revoked, nil
}

// Revoke adds the session sri to PingFederate's list. Other sessions of the user are not
// affected.
//
// An error means that the session is not revoked. It names the missing setting, or says how
// PingFederate answered.
func (s *PingSessions) Revoke(ctx context.Context, sri string) error {
	if err := s.configured(); err != nil {
		return err
	}
	if sri == "" || len(sri) > maxSRI {
		return errors.New("pi.sri is empty or too long, expected 1 to 512 bytes")
	}
	ctx, u, err := s.endpoint(ctx)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"id": sri})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u, bytes.NewReader(body))
	if err != nil {
		return errors.New("PingSessions.URL or ping_revoked_sris_endpoint of the metadata is malformed")
	}
	r.Header.Set("Content-Type", "application/json")
	if err := s.prepare(r); err != nil {
		return err
	}
	resp, err := endpoint.Client{HTTP: s.HTTP}.Do(ctx, r, endpoint.MaxDocument)
	switch {
	case err != nil:
		return fmt.Errorf("PingFederate's session revocation: %w", err)
	case resp.Status != http.StatusOK && resp.Status != http.StatusCreated && resp.Status != http.StatusNoContent:
		return fmt.Errorf("PingFederate's session revocation: %w", resp.Failure("the session is not revoked"))
	}
	s.remember(sri, true, now(s.Now))
	return nil
}

// ask asks about one session: 200 means revoked, 404 means not revoked.
func (s *PingSessions) ask(ctx context.Context, sri string) (bool, error) {
	ctx, u, err := s.endpoint(ctx)
	if err != nil {
		return false, err
	}
	resp, err := endpoint.Client{HTTP: s.HTTP}.Get(ctx, u+"/"+url.PathEscape(sri), "application/json", s.prepare, endpoint.MaxDocument)
	if err != nil {
		return false, err
	}
	switch resp.Status {
	case http.StatusOK:
		return true, nil
	case http.StatusNotFound:
		return false, nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return false, resp.Failure("the server rejects this client: check PingSessions.Auth, and set \"Allow Access to Session Revocation API\" for the client")
	}
	return false, resp.Failure("the server did not say whether the session is revoked")
}

// prepare adds the client's authentication, and a header field that the endpoint requires with
// any value.
func (s *PingSessions) prepare(r *http.Request) error {
	r.Header.Set("X-XSRF-Header", "PingFederate")
	form := url.Values{}
	if err := s.Auth.Authenticate(r, form); err != nil {
		return err
	}
	form.Del("client_id")
	if len(form) > 0 {
		return errors.New("PingSessions.Auth must authenticate in the header: use client_secret_basic")
	}
	return nil
}

// endpoint returns the URL and the context for the call. A URL from metadata must not lead to a
// private address unless the issuer has one.
func (s *PingSessions) endpoint(ctx context.Context) (context.Context, string, error) {
	if s.URL != "" {
		return endpoint.With(ctx, endpoint.Policy{}), s.URL, nil
	}
	ctx = s.Server.Context(ctx)
	m, err := s.Server.Metadata(ctx)
	switch {
	case err != nil:
		return ctx, "", err
	case m.PingRevokedSRIsEndpoint == "":
		return ctx, "", errors.New("the server's metadata has no ping_revoked_sris_endpoint: set PingSessions.URL")
	case !isRevokedSRIs(m.PingRevokedSRIsEndpoint):
		return ctx, "", errors.New("ping_revoked_sris_endpoint of the server's metadata does not end with /revokedSris: set PingSessions.URL")
	}
	return ctx, m.PingRevokedSRIsEndpoint, nil
}

// isRevokedSRIs checks the path of the endpoint. At another path, 404 would mean "not revoked".
func isRevokedSRIs(u string) bool {
	parsed, err := url.Parse(u)
	return err == nil && strings.HasSuffix(u, "/revokedSris") && strings.HasSuffix(parsed.Path, "/revokedSris")
}

func (s *PingSessions) remembered(sri string) (pingSession, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.young[sri]
	if !ok {
		k, ok = s.old[sri]
	}
	return k, ok && now(s.Now).Before(k.until)
}

// remember keeps two generations, each with half of Size.
func (s *PingSessions) remember(sri string, revoked bool, at time.Time) {
	age, size := s.MaxAge, s.Size
	if age == 0 {
		age = defaultPingAge
	}
	if revoked {
		age = pingRevokedAge
	}
	if size == 0 {
		size = defaultPingSize
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !revoked && (s.young[sri].revokedAt(at) || s.old[sri].revokedAt(at)) {
		return // the session was revoked while the server was asked
	}
	if s.young == nil || len(s.young) >= max(1, size/2) {
		s.old, s.young = s.young, map[string]pingSession{}
	}
	if size == 1 {
		s.old = nil
	}
	s.young[sri] = pingSession{revoked, at.Add(age)}
}
