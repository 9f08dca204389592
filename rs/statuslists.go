package rs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

// StatusLists rejects tokens of one issuer whose status list says that they are revoked or
// suspended: Token Status List, draft-ietf-oauth-status-list-21. Add it to Protection.Revocation.
// Issuer and Keys must be set; otherwise every token is answered with 503. It is safe for
// concurrent use after the fields are set, and must not be copied after its first use.
type StatusLists struct {
	// Issuer is the issuer of the tokens. Tokens of other issuers are not checked.
	Issuer string

	// Keys are the keys that sign the lists, usually the issuer's: Provider.Keys of package
	// discovery.
	Keys KeySet

	// Algs are the accepted signature algorithms. Empty means only RS256.
	Algs []string

	// Origins are further origins from which lists may be fetched, such as
	// "https://status.example". The origin of Issuer is always allowed. A token whose list is
	// elsewhere is rejected. Empty means none.
	Origins []string

	// Required rejects tokens without the claim status.status_list.
	Required bool

	// StaleFor is how long a list is used past its ttl if no newer one can be fetched. The ttl is
	// between 10 seconds and 24 hours, and 5 minutes for a list without one. A list is never used
	// past its exp. 0 means that its tokens are then answered with 503.
	StaleFor time.Duration

	// HTTP sends the requests. Only its Transport and Timeout are used. The time-outs and
	// limits of this module still apply. nil means the default client of this module.
	HTTP *http.Client

	// Counter counts revoked tokens and failures. nil means that nothing is counted.
	Counter Counter

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	mu    sync.Mutex
	known atomic.Pointer[map[string]*knownList] // a change replaces the map
}

// knownList is the list of a URI that a token named.
type knownList struct {
	flight endpoint.Flight[*statusList]
	list   atomic.Pointer[statusList]

	mu      sync.Mutex
	failure error
	failed  time.Time
}

func (s *StatusLists) configured() error {
	switch {
	case s == nil:
		return errors.New("the *StatusLists is nil")
	case s.Issuer == "" || s.Keys == nil:
		return errors.New("StatusLists.Issuer is empty or StatusLists.Keys is nil: set both")
	case s.StaleFor < 0:
		return fmt.Errorf("StatusLists.StaleFor is %s, expected 0 or more", jose.Duration(s.StaleFor))
	}
	for _, origin := range s.Origins {
		if endpoint.CheckURL(origin) != nil {
			return errors.New("StatusLists.Origins contains a value that is not an https origin, such as https://status.example")
		}
	}
	return jose.CheckAlgsOf("StatusLists.Algs", s.algs())
}

func (s *StatusLists) algs() []string {
	if len(s.Algs) == 0 {
		return defaultAlgs
	}
	return s.Algs
}

// Ready is [Protection.Ready] for this part only, with the same errors.
func (s *StatusLists) Ready(ctx context.Context) error {
	if err := s.configured(); err != nil {
		return err
	}
	return ready(ctx, s.Keys)
}

// CheckRevocation implements [RevocationCheck]. A [Protection] answers 401 invalid_token if the
// status is not VALID. It does the same if the claim is missing (see Required) or malformed, or the
// list is at another origin (see Origins). It answers 503 if a setting is missing or the list
// cannot be fetched.
func (s *StatusLists) CheckRevocation(ctx context.Context, _ string, p *Principal) error {
	if err := s.configured(); err != nil {
		return &unavailable{err}
	}
	switch {
	case p.Issuer != s.Issuer:
		return nil
	case p.status == nil && s.Required:
		return errors.New("status.status_list is missing, and StatusLists.Required is set")
	case p.status == nil:
		return nil
	case p.status.err != nil:
		return p.status.err
	case !s.allows(p.status.uri):
		return fmt.Errorf("the status list is at %s, expected the issuer's origin: add its origin to StatusLists.Origins if you trust it", jose.Quote(p.status.uri))
	}
	list, err := s.get(ctx, p.status.uri)
	if err != nil {
		count(ctx, s.Counter, StatusFailed)
		return &unavailable{fmt.Errorf("status list: %w", err)}
	}
	return s.judge(ctx, list, p.status.index)
}

func (s *StatusLists) allows(uri string) bool {
	return endpoint.CheckURL(uri) == nil &&
		(endpoint.SameOrigin(uri, s.Issuer) || slices.ContainsFunc(s.Origins, func(o string) bool { return endpoint.SameOrigin(uri, o) }))
}

// judge accepts only VALID, draft-21 §7.1. An unknown status is rejected.
func (s *StatusLists) judge(ctx context.Context, list *statusList, index uint64) error {
	status, err := list.status(index)
	switch {
	case err != nil:
		return err
	case status == 0:
		return nil
	}
	if s.Counter != nil {
		s.Counter.Count(ctx, Revoked, "status")
	}
	switch status {
	case 1:
		return errors.New("the token is revoked (status INVALID)")
	case 2:
		return errors.New("the token is suspended (status SUSPENDED)")
	}
	return fmt.Errorf("the token's status is 0x%02x, expected 0x00 (VALID)", status)
}

// get returns a list that is fresh, or one that may still be used.
func (s *StatusLists) get(ctx context.Context, uri string) (*statusList, error) {
	k, at := s.knownAt(uri), now(s.Now)
	list := k.list.Load()
	if list != nil && at.Before(list.fresh) && list.holds(at) {
		return list, nil
	}
	err := k.recentFailure(at)
	if err == nil {
		var newer *statusList
		if newer, err = k.flight.Do(ctx, func(ctx context.Context) (*statusList, error) { return s.fetch(ctx, uri) }); err == nil {
			k.list.Store(newer)
			return newer, nil
		}
		if ctx.Err() == nil {
			k.fail(err, at)
		}
	}
	if list != nil && at.Before(list.fresh.Add(s.StaleFor)) && list.holds(at) {
		return list, nil
	}
	return nil, err
}

func (l *statusList) holds(at time.Time) bool { return l.until.IsZero() || at.Before(l.until) }

// recentFailure limits the requests to a server that failed a moment ago.
func (k *knownList) recentFailure(at time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failure != nil && at.Sub(k.failed) < statusRetry && !at.Before(k.failed) {
		return k.failure
	}
	return nil
}

func (k *knownList) fail(err error, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failure, k.failed = err, at
}

// knownAt returns the list of a URI. Only verified tokens name URIs, so there are few. If there
// are more than 32, any one is dropped and fetched again later.
func (s *StatusLists) knownAt(uri string) *knownList {
	if m := s.known.Load(); m != nil && (*m)[uri] != nil {
		return (*m)[uri]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := map[string]*knownList{}
	if m := s.known.Load(); m != nil {
		if k := (*m)[uri]; k != nil {
			return k
		}
		maps.Copy(next, *m)
	}
	for other := range next {
		if len(next) < maxStatusLists {
			break
		}
		delete(next, other)
	}
	k := &knownList{}
	next[uri] = k
	s.known.Store(&next)
	return k
}
