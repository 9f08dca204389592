package login

import (
	"errors"
	"net/url"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
)

// stepUpLifetime is how long a page may wait before it redirects the visitor to the step-up.
const stepUpLifetime = 10 * time.Minute

// stepUp is a login that an API requires (RFC 9470 §4). It is sealed into the address of Start,
// so that no other site can choose what a login requests.
type stepUp struct {
	Client    string         `json:"client"`
	Scopes    []string       `json:"scopes,omitempty"`
	ACRValues []string       `json:"acr_values,omitempty"`
	MaxAge    *time.Duration `json:"max_age,omitempty"`
	At        time.Time      `json:"at"`
}

const stepUpParameter = "step_up"

// stepUpAddress returns the address to which a page sends its visitor. The page appends
// return_to.
func (l *Login) stepUpAddress(name string, e *tokens.ChallengeError) (string, error) {
	sealed, err := l.sealJSON(forStepUp, name, stepUp{name, e.Scopes, e.ACRValues, e.MaxAge, l.config.Now()})
	if err != nil {
		return "", err
	}
	q := url.Values{stepUpParameter: {sealed}}
	if len(l.config.Clients) > 1 {
		q.Set("client", name)
	}
	return withQuery(l.config.StartPath, q), nil
}

// stepUpRequest reads a step_up parameter for a client. It returns nil without an error if the
// parameter is missing.
func (l *Login) stepUpRequest(name string, q url.Values) (*client.Request, error) {
	if !q.Has(stepUpParameter) {
		return nil, nil
	}
	var asked stepUp
	if !l.openJSON(forStepUp, name, q.Get(stepUpParameter), &asked) || asked.Client != name {
		return nil, errors.New("step_up was not created by login.Proxy for this client")
	}
	if l.config.Now().Sub(asked.At) > stepUpLifetime {
		return nil, errors.New("step_up is older than 10 minutes: the page must call the API again")
	}
	request := l.config.Request
	request.Scopes = append(append([]string{}, request.Scopes...), asked.Scopes...)
	if asked.ACRValues != nil {
		request.ACRValues = asked.ACRValues
	}
	if asked.MaxAge != nil {
		request.MaxAge = asked.MaxAge
	}
	return &request, nil
}
