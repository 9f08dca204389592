package endpoint

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	maxRetries = 2
	retryDelay = 100 * time.Millisecond // doubled each time, with jitter
)

// Get fetches u. prepare, which may be nil, completes the request before each try. A temporary
// failure is retried at most twice, within ctx. If the server sends Retry-After, it is not
// asked again, unless the body is too large or has an unknown Content-Encoding.
func (c Client) Get(ctx context.Context, u, accept string, prepare func(*http.Request) error, max int) (*Response, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	for try := 0; ; try++ {
		resp, err := c.get(ctx, u, accept, prepare, max)
		if !worthRetrying(resp, err) || try == maxRetries || !wait(ctx, try) {
			return resp, err
		}
	}
}

func (c Client) get(ctx context.Context, u, accept string, prepare func(*http.Request) error, max int) (*Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, &Error{Err: errors.New("the endpoint's URL is malformed")}
	}
	r.Header.Set("Accept", accept)
	if prepare != nil {
		if err := prepare(r); err != nil {
			return nil, &Error{URL: location(r.URL), Err: err}
		}
	}
	resp, err := c.Do(ctx, r, max)
	if resp != nil {
		resp.secrets, resp.credentials = secretsOf(r, nil), credentialsOf(r, nil)
	}
	return resp, err
}

func worthRetrying(resp *Response, err error) bool {
	if err != nil {
		var e *Error
		return errors.As(err, &e) && e.Temporary()
	}
	return resp.Status >= 500 && retryAfter(resp.Header) == 0
}

// wait sleeps before the next try. It returns false if ctx ends.
func wait(ctx context.Context, try int) bool {
	base := retryDelay << try
	timer := time.NewTimer(base/2 + rand.N(base))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
