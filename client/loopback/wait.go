package loopback

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/jose"
)

// maxStrangers is how many callbacks of other logins are rejected before the login ends.
const maxStrangers = 100

// wait is a login that waits for its callback.
type wait struct {
	client   *client.Client
	pending  *client.Pending
	redirect *url.URL
	limit    time.Duration // how long the user may take
	done     chan outcome  // the first outcome

	mu        sync.Mutex // one callback at a time
	over      bool
	strangers int
	last      error // why the last of them was rejected
}

type outcome struct {
	tokens *client.Tokens
	err    error
}

func newWait(c *client.Client, p *client.Pending, redirect *url.URL, limit time.Duration) *wait {
	return &wait{client: c, pending: p, redirect: redirect, limit: limit, done: make(chan outcome, 1)}
}

// server answers at the port. The work of a request continues when the browser disconnects, and
// ends with the login's ctx.
func (w *wait) server(ctx context.Context) *http.Server {
	s := &http.Server{
		Handler:     http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.serve(ctx, rw, r) }),
		ReadTimeout: 5 * time.Second, WriteTimeout: time.Minute,
		MaxHeaderBytes: 32 << 10, ErrorLog: log.New(io.Discard, "", 0), // its messages may contain a code
	}
	s.SetKeepAlivesEnabled(false)
	return s
}

// open shows the address. If that fails, the login ends.
func (w *wait) open(ctx context.Context, open func(context.Context, string) error, address string) {
	if open == nil {
		open = Browser
	}
	if err := open(ctx, address); err != nil {
		w.end(outcome{err: failed(client.StepRequest, fmt.Errorf("cannot open the browser: %w", err))})
	}
}

// end stores the first outcome.
func (w *wait) end(o outcome) {
	select {
	case w.done <- o:
	default:
	}
}

func (w *wait) result(ctx context.Context) (*client.Tokens, error) {
	select {
	case o := <-w.done:
		return o.tokens, o.err
	case <-ctx.Done():
		return nil, failed(client.StepCallback, errors.Join(w.unanswered(ctx.Err()), w.refused()))
	}
}

// unanswered is the error of a login whose ctx ended before the response arrived.
func (w *wait) unanswered(cause error) error {
	if errors.Is(cause, context.Canceled) {
		return &endedError{"the login was canceled before its response arrived", cause}
	}
	return &endedError{fmt.Sprintf("the user did not finish the sign-in in the browser within %s: start again, or give ctx a later deadline (at most %d minutes)", jose.Duration(w.limit), longest/time.Minute), cause}
}

// endedError replaces the text of a context's error.
type endedError struct {
	text  string
	cause error
}

func (e *endedError) Error() string { return e.text }

// Unwrap returns the error of the context.
func (e *endedError) Unwrap() error { return e.cause }

// refused returns why the last callback was rejected. That callback may have been the user's.
func (w *wait) refused() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.strangers == 0 {
		return nil
	}
	return fmt.Errorf("%d callbacks were rejected. Error of the last callback: %w", w.strangers, w.last)
}

// serve answers requests at the port. It rejects other host names: a page of another site could
// read the answer under a name that resolves to this machine (DNS rebinding).
func (w *wait) serve(ctx context.Context, rw http.ResponseWriter, r *http.Request) {
	switch {
	case r.Host != w.redirect.Host && r.Host+":80" != w.redirect.Host: // which browsers leave out
		refusal.write(rw, http.StatusMisdirectedRequest)
	case r.URL.Path != w.redirect.Path:
		refusal.write(rw, http.StatusNotFound)
	case r.Method != http.MethodGet:
		rw.Header().Set("Allow", http.MethodGet)
		refusal.write(rw, http.StatusMethodNotAllowed)
	default:
		w.callback(ctx, rw, r)
	}
}

// callback finishes the login. It writes the page last, because the page says how the login ended.
func (w *wait) callback(ctx context.Context, rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		refusal.write(rw, http.StatusGone)
		return
	}
	tokens, err := w.finish(ctx, r.URL.Query())
	if w.isStranger(err) {
		w.strangers, w.last = w.strangers+1, err
		refusal.write(rw, http.StatusBadRequest)
		if w.strangers < maxStrangers {
			return
		}
		err = failed(client.StepCallback, fmt.Errorf("rejected %d callbacks that do not belong to this login: start the login again", w.strangers))
	} else {
		pageFor(err).write(rw, http.StatusOK)
	}
	w.over = true
	http.NewResponseController(rw).Flush() // Login closes the server when it has the outcome
	w.end(outcome{tokens, err})
}

var errState = errors.New("state does not match this login")

// finish completes the login, unless the state is of another login. In a signed response (JARM)
// only Finish can read the state.
func (w *wait) finish(ctx context.Context, q url.Values) (*client.Tokens, error) {
	if !w.signed() && subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(w.pending.State)) != 1 {
		return nil, errState
	}
	return w.client.Finish(ctx, w.pending, q)
}

// isStranger reports whether a callback was for another login. Either its state differs, or it is a
// signed response that Finish did not accept as a response.
func (w *wait) isStranger(err error) bool {
	var e *client.Error
	var answer *client.CallbackError
	if !w.signed() || !errors.As(err, &e) {
		return errors.Is(err, errState)
	}
	return e.Step == client.StepCallback && !errors.As(err, &answer) && !e.Temporary()
}

func (w *wait) signed() bool { return strings.HasSuffix(w.pending.ResponseMode, "jwt") }
