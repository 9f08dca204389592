package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/discovery"
)

// maxBody is the maximum size of a document in bytes.
const maxBody = 1 << 20

// client sends the requests of the examination, and of the library.
func (x *examination) client() *http.Client {
	return &http.Client{
		Timeout: x.Timeout,
		Transport: &http.Transport{
			DialContext:         x.dial,
			TLSClientConfig:     &tls.Config{RootCAs: x.RootCAs, GetClientCertificate: x.Certificate},
			TLSHandshakeTimeout: x.Timeout,
			ForceAttemptHTTP2:   true,
			Proxy:               http.ProxyFromEnvironment,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dial reaches the issuer wherever it is. What the metadata names must not lead into a
// private network, unless the issuer itself is there.
func (x *examination) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	if u, err := url.Parse(x.Issuer); err == nil && strings.EqualFold(u.Hostname(), host) {
		return (&net.Dialer{Timeout: x.Timeout}).DialContext(ctx, network, address)
	}
	return (&discovery.Dialer{}).DialContext(ctx, network, address)
}

// A document is one answer of the issuer, whatever it is.
type document struct {
	url         string
	status      int
	contentType string
	location    string
	date        time.Time     // zero without a Date header
	age         time.Duration // in caches on the way
	took        time.Duration
	tls         *tls.ConnectionState
	header      http.Header
	body        []byte
	err         error
}

func (x *examination) get(ctx context.Context, address string) *document {
	ctx, cancel := context.WithTimeout(ctx, x.Timeout)
	defer cancel()
	d := &document{url: address}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		d.err = errors.New("this is not a URL")
		return d
	}
	req.Header.Set("Accept", "application/json")
	start := time.Now()
	resp, err := x.http.Do(req)
	if err != nil {
		d.err = err
		return d
	}
	defer resp.Body.Close()
	d.status, d.contentType, d.location, d.tls = resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("Location"), resp.TLS
	d.date, _ = http.ParseTime(resp.Header.Get("Date"))
	d.header = resp.Header
	d.age = age(resp.Header.Get("Age"))
	d.body, d.err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	d.took = time.Since(start)
	if len(d.body) > maxBody {
		d.err = fmt.Errorf("the document is larger than %d bytes", maxBody)
	}
	return d
}

// timedOut: http.Client and context say it differently.
func (d *document) timedOut() bool {
	var t interface{ Timeout() bool }
	return errors.Is(d.err, context.DeadlineExceeded) || errors.As(d.err, &t) && t.Timeout()
}

// age reads the header of RFC 9111 section 5.1. A cache keeps the Date of the server.
func age(s string) time.Duration {
	seconds, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// fault says what is wrong with an answer that must be JSON, "" for nothing. An answer without
// a type is read as JSON, as the library does.
func (d *document) fault() string {
	media, _, _ := mime.ParseMediaType(d.contentType)
	switch {
	case d.timedOut():
		return "no complete response in time"
	case errors.Is(d.err, io.ErrUnexpectedEOF):
		return "the response is incomplete"
	case d.err != nil:
		return d.err.Error()
	case d.status >= 300 && d.status < 400:
		return fmt.Sprintf("status %d, a redirect to %s", d.status, d.location)
	case d.status != http.StatusOK:
		return fmt.Sprintf("status %d", d.status)
	case d.contentType != "" && media != "application/json" && !strings.HasSuffix(media, "+json"):
		return fmt.Sprintf("Content-Type is %q, expected application/json", d.contentType)
	}
	return ""
}
