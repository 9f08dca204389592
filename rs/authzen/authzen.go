package authzen

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/rs"
)

const (
	evaluationPath  = "/access/v1/evaluation"
	evaluationsPath = "/access/v1/evaluations"
	defaultTimeout  = 2 * time.Second
	maxTimeout      = 10 * time.Second
	maxEvaluations  = 100
	requestID       = "X-Request-ID"
)

// PDP is a policy decision point. URL must be set. A PDP is safe for concurrent
// use after the fields are set, and must not be copied after its first use.
type PDP struct {
	// URL is the https URL of the decision point, without a query. /access/v1/evaluation and
	// /access/v1/evaluations are added to it.
	URL string

	// Discover reads the URLs of both endpoints from the metadata of the decision point, at
	// /.well-known/authzen-configuration. Its policy_decision_point must be URL, character by
	// character. Without valid metadata, the PDP sends no question and returns an error. The
	// metadata is fetched without Authorize, and again after an hour.
	Discover bool

	// Authorize authenticates this API to the decision point, for example by an Authorization
	// header. nil means that HTTP authenticates the API, or that the decision point requires no
	// authentication. Authorize may replace the X-Request-ID of r. If a proxy replaces this header,
	// delete it from r: the X-Request-ID of the response is then not compared.
	Authorize func(r *http.Request) error

	// Timeout is how long a request waits for a decision. 0 means 2 seconds; at most 10 seconds.
	Timeout time.Duration

	// StepUp turns a denial into an *rs.Error that requires another token, by the reason in
	// Decision.Context. An example is {Status: 403, Code: rs.InsufficientScope, Scope:
	// "photos.write"}. nil means that every denial is answered with 403. If StepUp returns nil, the
	// response is 403 too.
	StepUp func(Decision) *rs.Error

	// MaxAge limits how long a decision is cached. It is cached only as long as the response
	// allows (Cache-Control: max-age). 0 means one minute; a negative value caches nothing.
	MaxAge time.Duration

	// HTTP sends the requests. nil means the module's own client.
	HTTP *http.Client

	// InsecureHTTP accepts http for URL on every host, in development. Otherwise http is
	// accepted only on loopback.
	InsecureHTTP bool

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	cache    cache
	metadata metadataCache
}

// Subject is the user or the client that asks (Authorization API 1.0, information model).
type Subject struct {
	Type       string         `json:"type"`                 // such as "user"
	ID         string         `json:"id"`                   // unique among subjects of Type
	Properties map[string]any `json:"properties,omitempty"` // attributes for the policy; nil for none
}

// Action is what the subject requests.
type Action struct {
	Name       string         `json:"name"`                 // such as "can_read"
	Properties map[string]any `json:"properties,omitempty"` // attributes for the policy; nil for none
}

// Resource is the object of the action.
type Resource struct {
	Type       string         `json:"type"`                 // such as "document"
	ID         string         `json:"id"`                   // unique among resources of Type
	Properties map[string]any `json:"properties,omitempty"` // attributes for the policy; nil for none
}

// Evaluation is one question. Subject, Action and Resource must have type, id and name.
type Evaluation struct {
	Subject  Subject        `json:"subject"`           // who asks
	Action   Action         `json:"action"`            // what the subject requests
	Resource Resource       `json:"resource"`          // what the action is about
	Context  map[string]any `json:"context,omitempty"` // the environment, such as the time; nil for none
}

// Decision is the answer to an Evaluation.
type Decision struct {
	Allowed bool // the member decision: true permits the action

	// Context is the reason that the decision point returned: a JSON object, or nil. It is not
	// shown to the client.
	Context json.RawMessage

	// RequestID is the X-Request-ID of the request that got this decision. A cached decision keeps
	// the ID of its first request. The log of a denial contains the ID.
	RequestID string
}

// User returns the Subject for an access token. Its type is "user", its ID is the token's subject.
// The issuer, the client and the scopes are properties.
func User(who *rs.Principal) Subject {
	return Subject{Type: "user", ID: who.Subject, Properties: map[string]any{
		"issuer": who.Issuer, "client_id": who.ClientID, "scopes": append([]string{}, who.Scopes...),
	}}
}

// Evaluate asks one question. Without a valid answer it returns an error, and no decision. It
// returns the errors of [PDP.EvaluateAll].
func (p *PDP) Evaluate(ctx context.Context, e Evaluation) (Decision, error) {
	all, err := p.EvaluateAll(ctx, []Evaluation{e})
	if err != nil {
		return Decision{}, err
	}
	return all[0], nil
}

// EvaluateAll asks up to 100 questions in one request, and returns the decisions in the same
// order. One question is sent to the endpoint for single evaluations.
//
// Without a valid answer to all questions it returns an error, and no decision. The error names
// the wrong setting or Evaluation, or says how the decision point answered.
func (p *PDP) EvaluateAll(ctx context.Context, all []Evaluation) ([]Decision, error) {
	if err := p.check(all); err != nil {
		return nil, err
	}
	path, body, err := encode(all)
	if err != nil {
		return nil, fmt.Errorf("authzen: an Evaluation is not JSON: %w", err)
	}
	key := path + string(body)
	if cached := p.cache.get(key, p.now()); cached != nil {
		return cached, nil
	}
	resp, id, err := p.send(ctx, path, body)
	if err != nil {
		return nil, err
	}
	decisions, err := decode(resp.Body, all)
	if err != nil {
		return nil, invalid(id, resp.Refuse(err))
	}
	for i := range decisions {
		decisions[i].RequestID = id
	}
	p.cache.put(key, decisions, p.now(), p.lifetime(resp.Header))
	return decisions, nil
}

func invalid(id string, err error) error {
	return fmt.Errorf("authzen: invalid response of the decision point (X-Request-ID %s): %w", jose.Quote(id), err)
}

func (p *PDP) check(all []Evaluation) error {
	if p.Timeout < 0 || p.Timeout > maxTimeout {
		return fmt.Errorf("authzen: PDP.Timeout is %s, expected 0 to %s", p.Timeout, maxTimeout)
	}
	if len(all) == 0 || len(all) > maxEvaluations {
		return fmt.Errorf("authzen: received %d evaluations, expected 1 to %d", len(all), maxEvaluations)
	}
	for _, e := range all {
		if e.Subject.Type == "" || e.Subject.ID == "" || e.Action.Name == "" || e.Resource.Type == "" || e.Resource.ID == "" {
			return errors.New("authzen: an Evaluation has no type or id of the subject or the resource, or no name of the action")
		}
	}
	return nil
}

func encode(all []Evaluation) (path string, body []byte, err error) {
	if len(all) == 1 {
		body, err = json.Marshal(all[0])
		return evaluationPath, body, err
	}
	body, err = json.Marshal(map[string]any{"evaluations": all})
	return evaluationsPath, body, err
}

// send sends a question, and returns the identifier of the request. Only a JSON response with
// status 200 is an answer.
func (p *PDP) send(ctx context.Context, path string, body []byte) (*endpoint.Response, string, error) {
	ctx, cancel := context.WithTimeout(endpoint.With(ctx, p.policy()), cmp.Or(p.Timeout, defaultTimeout))
	defer cancel()
	r, err := p.request(ctx, path, body)
	if err != nil {
		return nil, "", err
	}
	id := r.Header.Get(requestID)
	resp, err := endpoint.Client{HTTP: p.HTTP}.Do(ctx, r, endpoint.MaxDocument)
	switch {
	case err != nil:
		return nil, id, fmt.Errorf("authzen: the call of the decision point failed (X-Request-ID %s): %w", jose.Quote(id), err)
	case resp.Status != http.StatusOK:
		return nil, id, invalid(id, resp.Refuse(errors.New("expected status 200: check PDP.URL and PDP.Authorize")))
	case resp.MediaType != "application/json":
		return nil, id, invalid(id, resp.NotJSON())
	}
	if err := checkID(id, resp.Header.Values(requestID)); err != nil {
		return nil, id, invalid(id, resp.Refuse(err))
	}
	return resp, id, nil
}

// policy lets requests go to private addresses at the host of URL only.
func (p *PDP) policy() endpoint.Policy {
	return endpoint.Policy{InsecureHTTP: p.InsecureHTTP, Guarded: true, Own: []string{p.URL}}
}

func (p *PDP) request(ctx context.Context, path string, body []byte) (*http.Request, error) {
	u, err := p.endpoint(ctx, path)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u, strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set(requestID, rand.Text())
	if p.Authorize != nil {
		if err := p.Authorize(r); err != nil {
			return nil, fmt.Errorf("authzen: PDP.Authorize: %w", err)
		}
	}
	return r, nil
}

// checkID rejects the response to another request. Many decision points send no identifier back,
// although they must ("Request Identification").
func checkID(sent string, got []string) error {
	if sent == "" || len(got) == 0 || len(got) == 1 && got[0] == sent {
		return nil
	}
	return fmt.Errorf("X-Request-ID of the response is %s: if a proxy replaces it, delete the one of the request in PDP.Authorize", jose.Quote(strings.Join(got, ", ")))
}

// answer is one decision on the wire.
type answer struct {
	Decision *bool          `json:"decision"`
	Context  jsontext.Value `json:"context"`
}

var (
	errShape   = errors.New("expected a boolean decision for each evaluation, in the same order")
	errContext = errors.New("expected an object as the context of a decision")
)

// decision checks the form of an answer (Authorization API 1.0, "Decision").
func (a answer) decision() (Decision, error) {
	if a.Decision == nil {
		return Decision{}, errShape
	}
	switch a.Context.Kind() {
	case '{':
		return Decision{Allowed: *a.Decision, Context: json.RawMessage(a.Context)}, nil
	case 'n', 0: // null, or nothing
		return Decision{Allowed: *a.Decision}, nil
	}
	return Decision{}, errContext
}

// decode reads the decisions by exact names. A member that occurs twice is an error.
func decode(body []byte, asked []Evaluation) ([]Decision, error) {
	var single answer
	var batch struct {
		Evaluations []answer `json:"evaluations"`
	}
	if len(asked) == 1 {
		if err := jose.Decode(body, &single, jose.DocumentLimits); err != nil {
			return nil, err
		}
		batch.Evaluations = []answer{single}
	} else if err := jose.Decode(body, &batch, jose.DocumentLimits); err != nil {
		return nil, err
	}
	if len(batch.Evaluations) != len(asked) {
		return nil, errShape
	}
	var out []Decision
	for _, a := range batch.Evaluations {
		d, err := a.decision()
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

func (p *PDP) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}
