package endpoint

import (
	"context"
	"errors"
	"net/http"
)

// SendJSON sends a JSON document, which may be nil, with a bearer token, which may be "". It
// sends it once. secrets are values in the document that no error may contain.
func (c Client) SendJSON(ctx context.Context, method, u, bearer string, document []byte, secrets ...string) (*Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, u, nil)
	if err != nil {
		return nil, &Error{Err: errors.New("the endpoint's URL is malformed")}
	}
	r.Header.Set("Accept", "application/json")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	if document != nil {
		r.Header.Set("Content-Type", "application/json")
		setBody(r, string(document))
	}
	resp, err := c.Do(ctx, r, MaxDocument)
	if resp != nil {
		resp.secrets = append(secrets, bearer)
	}
	return resp, err
}
