package ssf

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

// The delivery methods, SSF 1.0 §6.1.
const (
	MethodPush = "urn:ietf:rfc:8935"
	MethodPoll = "urn:ietf:rfc:8936"
)

// The statuses of a stream, SSF 1.0 §8.1.2.
const (
	StatusEnabled  = "enabled"
	StatusPaused   = "paused"
	StatusDisabled = "disabled"
)

// Stream is the configuration of an event stream, SSF 1.0 §8.1.1.
type Stream struct {
	ID              string        // stream_id
	Issuer          string        // iss: the transmitter
	Audience        []string      // must contain Receiver.Audience
	EventsSupported []string      // event types that the transmitter can send
	EventsRequested []string      // event types that the receiver requested
	EventsDelivered []string      // event types that the transmitter sends
	Method          string        // MethodPush or MethodPoll
	EndpointURL     string        // of a poll stream: pass it to Receiver.Run
	Description     string        // the receiver's text about the stream; may be empty
	MinVerification time.Duration // minimum time between two verifications
	Inactivity      time.Duration // time after which the transmitter may stop the stream; 0 if unknown
}

// wireStream is the JSON form of a Stream.
type wireStream struct {
	ID              string        `json:"stream_id"`
	Issuer          string        `json:"iss"`
	Audience        jose.Audience `json:"aud"`
	EventsSupported []string      `json:"events_supported"`
	EventsRequested []string      `json:"events_requested"`
	EventsDelivered []string      `json:"events_delivered"`
	Delivery        wireDelivery  `json:"delivery"`
	Description     string        `json:"description"`
	MinVerification float64       `json:"min_verification_interval"`
	Inactivity      float64       `json:"inactivity_timeout"`
}

type wireDelivery struct {
	Method        string `json:"method"`
	EndpointURL   string `json:"endpoint_url,omitempty"`
	Authorization string `json:"authorization_header,omitempty"`
}

// Create creates a stream for the given event types. Without types it requests every type that
// this package knows. pushURL is the URL of [Receiver.Handler]. "" creates a poll stream: pass
// Stream.EndpointURL to [Receiver.Run]. Some transmitters allow only one stream and respond
// with 409 if it exists: see Streams.
//
// An error names the wrong setting, or says how the transmitter answered; Receiver.Token and
// the permissions of the client decide about 401 and 403.
func (r *Receiver) Create(ctx context.Context, pushURL string, types ...string) (*Stream, error) {
	delivery := wireDelivery{Method: MethodPoll}
	if pushURL != "" {
		delivery = wireDelivery{Method: MethodPush, EndpointURL: pushURL, Authorization: r.Authorization}
	}
	if len(types) == 0 {
		types = []string{
			SessionRevoked, CredentialChange, TokenClaimsChange, AssuranceLevelChange, DeviceComplianceChange,
			AccountDisabled, AccountPurged, CredentialCompromise, SessionsRevoked,
		}
	}
	body, err := json.Marshal(map[string]any{"delivery": delivery, "events_requested": types})
	if err != nil {
		return nil, err
	}
	resp, err := r.manage(ctx, http.MethodPost, configurationEndpoint, "", body, http.StatusCreated, http.StatusOK)
	if err != nil {
		return nil, err
	}
	s, err := r.parseStream(resp.Body)
	if err == nil {
		err = s.check(delivery.Method, r.Audience)
	}
	if err != nil {
		return nil, fmt.Errorf("ssf: %w", resp.Refuse(err))
	}
	return s, nil
}

// check compares a new stream with the request, SSF 1.0 §8.1.1.1.1.
func (s *Stream) check(method, audience string) error {
	switch {
	case s.Method != method:
		return fmt.Errorf("the stream's delivery method is %s, expected %q", jose.Quote(s.Method), method)
	case method == MethodPoll && endpoint.CheckURL(s.EndpointURL) != nil:
		return errors.New("endpoint_url of the poll stream is missing or not an https URL")
	case audience != "" && !slices.Contains(s.Audience, audience):
		return fmt.Errorf("the stream's aud is %q, expected %s: set Receiver.Audience, or the audience at the transmitter", quoteAll(s.Audience), jose.Quote(audience))
	}
	return nil
}

// Stream returns the configuration of the stream id.
//
// An error names the wrong setting, or says how the transmitter answered; Receiver.Token and
// the permissions of the client decide about 401 and 403.
func (r *Receiver) Stream(ctx context.Context, id string) (*Stream, error) {
	resp, err := r.manage(ctx, http.MethodGet, configurationEndpoint, id, nil, http.StatusOK)
	if err != nil {
		return nil, err
	}
	s, err := r.parseStream(resp.Body)
	if err == nil && s.ID != id {
		err = errors.New("stream_id of the response is not the requested one")
	}
	if err != nil {
		return nil, fmt.Errorf("ssf: %w", resp.Refuse(err))
	}
	return s, nil
}

// Streams returns the streams of this receiver.
//
// An error names the wrong setting, or says how the transmitter answered; Receiver.Token and
// the permissions of the client decide about 401 and 403.
func (r *Receiver) Streams(ctx context.Context) ([]*Stream, error) {
	resp, err := r.manage(ctx, http.MethodGet, configurationEndpoint, "", nil, http.StatusOK)
	if err != nil {
		return nil, err
	}
	out, err := r.parseStreams(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("ssf: %w", resp.Refuse(err))
	}
	return out, nil
}

// Delete deletes the stream id. The transmitter drops the events that it has not delivered.
//
// An error names the wrong setting, or says how the transmitter answered; Receiver.Token and
// the permissions of the client decide about 401 and 403.
func (r *Receiver) Delete(ctx context.Context, id string) error {
	_, err := r.manage(ctx, http.MethodDelete, configurationEndpoint, id, nil, http.StatusNoContent, http.StatusOK)
	return err
}

// Status returns the status of the stream id: StatusEnabled, StatusPaused or StatusDisabled.
//
// An error names the wrong setting, or says how the transmitter answered; Receiver.Token and
// the permissions of the client decide about 401 and 403.
func (r *Receiver) Status(ctx context.Context, id string) (string, error) {
	resp, err := r.manage(ctx, http.MethodGet, statusEndpoint, id, nil, http.StatusOK)
	if err != nil {
		return "", err
	}
	return parseStatus(resp)
}

// SetStatus changes the status of the stream id. The transmitter keeps the events of a paused
// stream and drops those of a disabled one. If the transmitter has not decided yet (202),
// SetStatus returns an error.
//
// An error names the wrong setting, or says how the transmitter answered; Receiver.Token and
// the permissions of the client decide about 401 and 403.
func (r *Receiver) SetStatus(ctx context.Context, id, status string) error {
	body, err := json.Marshal(map[string]string{"stream_id": id, "status": status})
	if err != nil {
		return err
	}
	resp, err := r.manage(ctx, http.MethodPost, statusEndpoint, "", body, http.StatusOK)
	if err != nil {
		return err
	}
	got, err := parseStatus(resp)
	if err == nil && got != status {
		err = fmt.Errorf("ssf: %w", resp.Refuse(fmt.Errorf("status is %s, expected %s", jose.Quote(got), jose.Quote(status))))
	}
	if err == nil {
		r.mu.Lock()
		r.state.stream = "" // the receiver changed it, not the transmitter
		r.mu.Unlock()
	}
	return err
}

// verifyWait is how often VerifyStream looks for the event.
const verifyWait = 100 * time.Millisecond

// VerifyStream requests a verification event and waits until it has arrived and was verified, or
// until ctx ends. Handler or Run must be running at the same time: in this process, or with Store
// in any process. The error comes from the Store, the request, or the end of ctx.
func (r *Receiver) VerifyStream(ctx context.Context, id string) error {
	state := rand.Text()
	if err := r.save(ctx, r.key("state", state), []byte(requested), r.now().Add(time.Hour)); err != nil {
		return fmt.Errorf("ssf: the Store failed: %w", err)
	}
	body, err := json.Marshal(map[string]string{"stream_id": id, "state": state})
	if err != nil {
		return err
	}
	if _, err := r.manage(ctx, http.MethodPost, verificationEndpoint, "", body, http.StatusNoContent, http.StatusOK, http.StatusAccepted); err != nil {
		return err
	}
	for {
		got, err := r.load(ctx, r.key("state", state))
		if err == nil && string(got) == arrived {
			return nil
		}
		select {
		case <-time.After(verifyWait):
		case <-ctx.Done():
			return fmt.Errorf("ssf: the verification event has not arrived: %w", context.Cause(ctx))
		}
	}
}

// The values of a verification in the Store.
const (
	requested = "requested"
	arrived   = "arrived"
)

// verified checks the state of a verification event, SSF 1.0 §8.1.4.1. The transmitter may send
// an event without state at any time.
func (r *Receiver) verified(ctx context.Context, e Event) error {
	state, _ := e.members().State.(string)
	if e.members().State == nil || state == "" {
		return nil
	}
	key := r.key("state", state)
	got, err := r.load(ctx, key)
	switch {
	case err != nil:
		return &unavailable{fmt.Errorf("ssf: the Store failed: %w", err)}
	case got == nil:
		return reject(InvalidState, errors.New("the state of the verification event was not requested by this receiver"))
	}
	if err := r.save(ctx, key, []byte(arrived), r.now().Add(time.Hour)); err != nil {
		return &unavailable{fmt.Errorf("ssf: the Store failed: %w", err)}
	}
	return nil
}

func parseStatus(resp *endpoint.Response) (string, error) {
	var s struct {
		Status string `json:"status"`
	}
	err := jose.Decode(resp.Body, &s, jose.DocumentLimits)
	switch s.Status {
	case StatusEnabled, StatusPaused, StatusDisabled:
	default:
		err = errors.Join(err, errors.New("status is not enabled, paused or disabled"))
	}
	if err != nil {
		return "", fmt.Errorf("ssf: %w", resp.Refuse(err))
	}
	return s.Status, nil
}

// parseStreams reads an array. Some transmitters send one object if there is one stream.
func (r *Receiver) parseStreams(body []byte) ([]*Stream, error) {
	if jsontext.Value(body).Kind() == '{' {
		s, err := r.parseStream(body)
		return []*Stream{s}, err
	}
	var list struct {
		Streams []jsontext.Value `json:"streams"`
	}
	object := append(append([]byte(`{"streams":`), body...), '}')
	if err := jose.Decode(object, &list, jose.DocumentLimits); err != nil {
		return nil, err
	}
	var out []*Stream
	for _, v := range list.Streams {
		s, err := r.parseStream(v)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// parseStream requires the issuer to be the transmitter's, SSF 1.0 §8.1.1.
func (r *Receiver) parseStream(body []byte) (*Stream, error) {
	var w wireStream
	if err := jose.Decode(body, &w, jose.DocumentLimits); err != nil {
		return nil, err
	}
	switch {
	case w.ID == "":
		return nil, errors.New("stream_id is missing")
	case w.Issuer != r.Issuer:
		return nil, fmt.Errorf("the stream's iss is %s, expected %s: set Receiver.Issuer", jose.Quote(w.Issuer), jose.Quote(r.Issuer))
	}
	return &Stream{
		ID: w.ID, Issuer: w.Issuer, Audience: w.Audience, EventsSupported: w.EventsSupported, EventsRequested: w.EventsRequested,
		EventsDelivered: w.EventsDelivered, Method: w.Delivery.Method, EndpointURL: w.Delivery.EndpointURL, Description: w.Description,
		MinVerification: seconds(w.MinVerification), Inactivity: seconds(w.Inactivity),
	}, nil
}

func seconds(n float64) time.Duration {
	if !(n > 0 && n < 1e9) {
		return 0
	}
	return time.Duration(n * float64(time.Second))
}

// The endpoints of the stream API.
func configurationEndpoint(m *Metadata) (name, u string) {
	return "configuration_endpoint", m.ConfigurationEndpoint
}
func statusEndpoint(m *Metadata) (name, u string) { return "status_endpoint", m.StatusEndpoint }
func verificationEndpoint(m *Metadata) (name, u string) {
	return "verification_endpoint", m.VerificationEndpoint
}

// manage makes one call of the stream API and requires one of the given statuses.
func (r *Receiver) manage(ctx context.Context, method string, which func(*Metadata) (name, u string), streamID string, body []byte, want ...int) (*endpoint.Response, error) {
	m, err := r.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	name, u := which(m)
	if u == "" {
		return nil, fmt.Errorf("ssf: the transmitter's metadata has no %s", name)
	}
	if streamID != "" {
		if u, err = withStream(u, streamID); err != nil {
			return nil, err
		}
	}
	resp, err := r.send(ctx, method, u, body)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(want, resp.Status) {
		return nil, fmt.Errorf("ssf: %s: %w", name, resp.Failure(whyNot(resp.Status)))
	}
	return resp, nil
}

func withStream(endpointURL, id string) (string, error) {
	u, err := url.Parse(endpointURL)
	if err != nil {
		return "", errors.New("ssf: the endpoint's URL is malformed")
	}
	q := u.Query()
	q.Set("stream_id", id)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// whyNot explains the statuses of SSF 1.0 §8.1.
func whyNot(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "the transmitter does not allow this call : check Receiver.Token and its scopes"
	case http.StatusNotFound:
		return "the transmitter has no such stream for this receiver: check the stream ID"
	case http.StatusConflict:
		return "a stream already exists, and the transmitter allows only one: use it or delete it (see Streams)"
	case http.StatusAccepted:
		return "the transmitter has not decided yet: try again later"
	case http.StatusTooManyRequests:
		return "too many requests: wait for Stream.MinVerification"
	}
	return "unexpected response of the transmitter (SSF 1.0 §8.1)"
}

// send sends one request with the access token.
func (r *Receiver) send(ctx context.Context, method, u string, body []byte) (*endpoint.Response, error) {
	token := ""
	if r.Token != nil {
		var err error
		if token, err = r.Token(ctx); err != nil {
			return nil, fmt.Errorf("ssf: Receiver.Token: %w", err)
		}
	}
	resp, err := endpoint.Client{HTTP: r.HTTP}.SendJSON(r.guarded(ctx), method, u, token, body, r.Authorization)
	if err != nil {
		return nil, fmt.Errorf("ssf: %w", err)
	}
	return resp, nil
}
