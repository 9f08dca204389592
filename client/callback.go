package client

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

const maxCode = 8 << 10 // characters of an authorization code; the RFC names no limit

// once are the response parameters that must not come twice (RFC 6749 §3.1).
var once = []string{"code", "state", "iss", "error", "error_description", "error_uri", "response", "id_token", "access_token"}

// foreign are the parameters of response types and modes that were not asked for.
var foreign = []string{"response", "id_token", "access_token"}

// readCallback gives the code of an authorization response that answers p, or an
// error: a [*CallbackError] if that is what the server sent. State and issuer are
// checked first, for an error as for a code.
func readCallback(q url.Values, p *Pending, m *discovery.Metadata) (code string, err error) {
	if err := checkShape(q); err != nil {
		return "", err
	}
	if err := checkState(q, p); err != nil {
		return "", err
	}
	if err := checkIss(q, p, m); err != nil {
		return "", err
	}
	if q.Has("error") {
		return "", &CallbackError{
			Code:        endpoint.CleanCode(q.Get("error")),
			Description: endpoint.Clean(q.Get("error_description")),
			URI:         endpoint.Clean(q.Get("error_uri")),
		}
	}
	return checkCode(q.Get("code"))
}

func checkShape(q url.Values) error {
	for _, name := range once {
		if len(q[name]) > 1 {
			return fmt.Errorf("parameter %s came %d times", name, len(q[name]))
		}
	}
	for _, name := range foreign {
		if q.Has(name) {
			return fmt.Errorf("parameter %s was not asked for", name)
		}
	}
	if q.Has("code") && q.Has("error") {
		return errors.New("code and error came together")
	}
	return nil
}

// checkState applies RFC 6749 §10.12.
func checkState(q url.Values, p *Pending) error {
	state := q.Get("state")
	switch {
	case state == "" || p.State == "":
		return errors.New("state is missing")
	case subtle.ConstantTimeCompare([]byte(state), []byte(p.State)) != 1:
		return errors.New("state is not that of this browser's login")
	}
	return nil
}

// checkIss applies RFC 9207 §2.4: an iss that is there must be right, whether
// the server announced it or not; one that was announced must be there.
func checkIss(q url.Values, p *Pending, m *discovery.Metadata) error {
	switch {
	case !q.Has("iss") && m.AuthorizationResponseIssParameterSupported:
		return errors.New("iss is missing, which the server's metadata announces")
	case q.Has("iss") && q.Get("iss") != p.Issuer:
		return fmt.Errorf("iss is %s, and the login was begun at %s", jose.Quote(q.Get("iss")), jose.Quote(p.Issuer))
	}
	return nil
}

// checkCode takes what RFC 6749 §A.11 allows: visible characters and spaces.
func checkCode(code string) (string, error) {
	if code == "" {
		return "", errors.New("code is missing")
	}
	if len(code) > maxCode {
		return "", fmt.Errorf("a code of %d characters", len(code))
	}
	for i := range len(code) {
		if code[i] < 0x20 || code[i] > 0x7e {
			return "", errors.New("code has a character that a code cannot have")
		}
	}
	return code, nil
}
