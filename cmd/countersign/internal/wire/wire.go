// Package wire records the requests of an HTTP client, and shows them without their secrets.
package wire

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/countersign/countersign/discovery"
)

// MaxBody is how many bytes of a body are recorded.
const MaxBody = 256 << 10

// Exchange is one request and its response, as sent. It holds secrets.
type Exchange struct {
	Time        time.Time
	Method, URL string
	Header      http.Header
	Body        []byte
	Status      int // 0 when no response came
	Answer      http.Header
	AnswerBody  []byte
	Failure     string        // why no response came
	Took        time.Duration // until the header of the response
}

// NewTransport returns the Transport of a command. A server's metadata cannot make it connect to
// another private address than the server's own.
func NewTransport(config *tls.Config) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig, t.DialContext = config, (&discovery.Dialer{}).DialContext
	return t
}

// Recorder is an http.RoundTripper that passes every exchange to Record.
type Recorder struct {
	Base   http.RoundTripper
	Record func(*Exchange)
}

// RoundTrip implements http.RoundTripper. The bodies are read here, so that they can be
// recorded; callers limit what they read, and a body beyond MaxBody is passed on unrecorded.
func (t *Recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	x := &Exchange{Time: time.Now(), Method: r.Method, URL: r.URL.String(), Header: r.Header.Clone()}
	if r.Body != nil && r.Body != http.NoBody {
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body, x.Body = io.NopCloser(bytes.NewReader(body)), body
	}
	resp, err := t.Base.RoundTrip(r)
	x.Took = time.Since(x.Time)
	if err != nil {
		x.Failure = fmt.Sprintf("%T: no response", err)
		t.Record(x)
		return nil, err
	}
	x.Status, x.Answer = resp.StatusCode, resp.Header.Clone()
	x.keep(resp)
	t.Record(x)
	return resp, nil
}

// keep reads the body of a response, and puts the same back.
func (x *Exchange) keep(resp *http.Response) {
	head, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody))
	x.AnswerBody = head
	rest := io.Reader(resp.Body)
	if err != nil {
		rest = failing{err}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), rest), resp.Body}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
