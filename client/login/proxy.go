package login

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/countersign/countersign/client/tokens"
)

// Proxy forwards requests of the application's pages to an API, with the visitor's access token.
// It is the backend for frontend of RFC 10017: the browser never has a token. Target, Prefix and
// Allow must be set.
type Proxy struct {
	// Target is the base URL of the API, such as "https://api.example/v1". It must be https, or
	// http on loopback. No token is sent to another origin.
	Target string

	// Prefix is the path of this site under which the proxy is mounted, such as "/api". It is
	// removed, and the rest of the path is appended to Target.
	Prefix string

	// Allow lists the requests that are forwarded, as patterns of http.ServeMux without Prefix:
	// "GET /photos/{id}", "POST /photos", "GET /events". Each pattern has a method. GET includes
	// HEAD. Every other request is answered with 404.
	Allow []string

	// Transport sends the requests. nil means a transport like http.DefaultTransport that waits
	// at most 30 seconds for the header of the response. Bodies may take longer.
	Transport http.RoundTripper
}

const (
	proxyHeaderTimeout = 30 * time.Second

	// maxReplay is the maximum size of a request body that is kept. It is sent again if the API
	// requires a new token or a DPoP nonce. A longer body is streamed once.
	maxReplay = 64 << 10
)

// proxy is a Proxy that was checked.
type proxy struct {
	login   *Login
	target  *url.URL
	prefix  string
	allowed *http.ServeMux
	base    http.RoundTripper
}

// Proxy returns the handler that forwards requests to the API of p. The error says what is wrong
// with p or with Config, which needs KeepTokens.
//
// A page calls the handler with fetch and the header X-CSRF-Token, whose value comes from
// [Login.Session]. Images, EventSource and WebSockets cannot send it. Therefore GET, HEAD and
// WebSockets are accepted without the header if the browser says that the request is same-origin.
// All others are answered with 403.
//
// Tokens are refreshed, and DPoP proofs are made. The answer is the API's, without its cookies,
// except:
//
//	401 {"error":"login_required"}                      nobody is signed in, or the tokens have ended
//	401 {"error":"insufficient_user_authentication",…}  a step-up: acr_values, max_age, and login, the address that starts it
//	403 {"error":"insufficient_scope",…}                scope, and login
//	400 {"error":"invalid_request"}                     the body of the request cannot be read
//	403 {"error":"cross_origin"}                        another site made the request, or its X-CSRF-Token is missing or wrong
//	404 {"error":"not_allowed"}                         the request is not in Allow
//	502 {"error":"bad_gateway"}                         the API cannot be called: check Target
//	503 {"error":"temporarily_unavailable"}             the API, the server or the Store does not answer
//
// Any other challenge of the API is answered with its status and its error code, or "access_denied"
// if it has none. The codes are CodeSignIn, CodeRequest, CodeCrossOrigin and CodeUnavailable where
// a constant exists.
//
// The API receives no header field that names another method or path than those checked against
// Allow (X-HTTP-Method-Override, X-Original-URL). It receives no header field with an underscore in
// its name, and no Upgrade to another protocol than WebSocket.
//
// The page appends "&return_to=" and its own path to the address in login. Bodies, WebSockets and
// server-sent events are streamed; a connection ends with the session's Lifetime.
func (l *Login) Proxy(p Proxy) (http.Handler, error) {
	made := &proxy{login: l, prefix: strings.TrimSuffix(p.Prefix, "/"), allowed: http.NewServeMux(), base: p.Transport}
	if made.base == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.ResponseHeaderTimeout = proxyHeaderTimeout
		made.base = transport
	}
	var errs []error
	if !l.config.KeepTokens {
		errs = append(errs, errors.New("login: Proxy requires Config.KeepTokens: set it to true"))
	}
	target, err := url.Parse(p.Target)
	if err != nil || !isAPI(target) {
		errs = append(errs, fmt.Errorf("login: Proxy.Target is %q, expected an https URL without query and fragment (or http on loopback)", p.Target))
	}
	made.target = target
	if clean, ok := cleanReturnTo(p.Prefix); !ok || clean != p.Prefix || strings.ContainsAny(clean, "?%") {
		errs = append(errs, fmt.Errorf(`login: Proxy.Prefix is %q, expected a path such as "/api"`, p.Prefix))
	}
	if len(p.Allow) == 0 {
		errs = append(errs, errors.New(`login: Proxy.Allow is empty, expected patterns such as "GET /photos/{id}"`))
	}
	for _, pattern := range p.Allow {
		errs = append(errs, made.allow(pattern))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return made, nil
}

func isAPI(u *url.URL) bool {
	host := u.Hostname()
	loopback := host == "localhost" || host == "127.0.0.1" || host == "::1"
	return u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && !u.ForceQuery && u.RawPath == "" &&
		(u.Scheme == "https" || u.Scheme == "http" && loopback)
}

// allow adds a pattern; ServeMux panics at one that it cannot read.
func (p *proxy) allow(pattern string) (err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("login: Proxy.Allow: %v", problem)
		}
	}()
	method, path, ok := strings.Cut(pattern, " ")
	if !ok || method == "" || !strings.HasPrefix(strings.TrimLeft(path, " \t"), "/") {
		return fmt.Errorf("login: Proxy.Allow has %q, expected a method and a path", pattern)
	}
	p.allowed.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
	return nil
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	private(w.Header())
	if err := p.login.checkOrigin(r); err != nil {
		p.login.answer(w, r, CodeCrossOrigin, err)
		return
	}
	s, err := p.login.session(w, r)
	switch {
	case err != nil:
		p.login.answer(w, r, CodeUnavailable, err)
		return
	case s == nil:
		p.login.answer(w, r, CodeSignIn, errors.New("not signed in: a request to the proxy needs a session"))
		return
	}
	path, ok := p.path(r)
	if !ok {
		p.refuse(w, http.StatusNotFound, map[string]any{"error": "not_allowed"})
		return
	}
	if err := p.login.checkCSRF(r, s); err != nil {
		p.login.answer(w, r, CodeCrossOrigin, err)
		return
	}
	ctx, cancel := context.WithDeadline(r.Context(), time.Now().Add(p.login.until(s).Sub(p.login.config.Now())))
	defer cancel()
	p.forward(w, r.WithContext(ctx), s, path)
}

// path returns the path of a request at the API, if it is allowed. A path that another server
// may decode differently is not allowed.
func (p *proxy) path(r *http.Request) (path *url.URL, ok bool) {
	escaped, ok := strings.CutPrefix(r.URL.EscapedPath(), p.prefix)
	if !ok || !isPlainPath(escaped) || !isPlainDecoded(r.URL.Path) || strings.Contains(escaped, "//") || hasHiddenSeparator(escaped) {
		return nil, false
	}
	stripped, err := url.Parse(escaped)
	if err != nil || stripped.Host != "" || stripped.Scheme != "" {
		return nil, false
	}
	asked := &http.Request{Method: r.Method, URL: stripped, Host: r.Host}
	if _, pattern := p.allowed.Handler(asked); pattern == "" {
		return nil, false
	}
	return stripped, true
}

// hasHiddenSeparator reports an encoded slash, backslash, dot or percent sign.
func hasHiddenSeparator(escaped string) bool {
	lower := strings.ToLower(escaped)
	for _, hidden := range [...]string{"%2f", "%5c", "%2e", "%25", "%3b", ";"} {
		if strings.Contains(lower, hidden) {
			return true
		}
	}
	return false
}

func (p *proxy) forward(w http.ResponseWriter, r *http.Request, s *session, path *url.URL) {
	if err := keepShortBody(w, r); err != nil {
		p.refuse(w, http.StatusBadRequest, map[string]any{"error": CodeRequest})
		return
	}
	user := p.login.user(w, r, s)
	final := &finalWriter{ResponseWriter: w, interim: http.Header{}}
	forwarder := &httputil.ReverseProxy{
		Rewrite:       func(pr *httputil.ProxyRequest) { p.rewrite(pr, path) },
		Transport:     &tokens.Transport{Client: p.login.config.Clients[s.Client], Tokens: user, Origins: []string{p.target.Scheme + "://" + p.target.Host}, Base: p.base},
		FlushInterval: -1,
		ModifyResponse: func(resp *http.Response) error {
			final.interim = nil
			return p.clean(resp)
		},
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) { p.explain(w, r, s, err) },
		ErrorLog:     slog.NewLogLogger(p.login.config.Log.Handler(), slog.LevelInfo),
	}
	forwarder.ServeHTTP(final, r)
}

// finalWriter drops the API's interim responses (1xx). ReverseProxy writes each of them with the
// header of w and then clears that header, so the session's cookies and Cache-Control would be
// lost.
type finalWriter struct {
	http.ResponseWriter
	interim http.Header // collects the headers of interim answers; nil from the final answer on
}

func (w *finalWriter) Header() http.Header {
	if w.interim != nil {
		return w.interim
	}
	return w.ResponseWriter.Header()
}

func (w *finalWriter) WriteHeader(status int) {
	if w.interim == nil {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Unwrap is for http.ResponseController: flushing and WebSockets.
func (w *finalWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// keepShortBody buffers a short body, so that it can be sent again.
func keepShortBody(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength <= 0 || r.ContentLength > maxReplay {
		return nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReplay))
	if err != nil {
		return err
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, err = r.GetBody()
	return err
}

// explain answers a request for which there is no response of the API.
func (p *proxy) explain(w http.ResponseWriter, r *http.Request, s *session, err error) {
	var challenge *tokens.ChallengeError
	switch {
	case errors.As(err, &challenge) && (challenge.Code == tokens.InsufficientUserAuthentication || challenge.Code == tokens.InsufficientScope):
		p.askFor(w, r, s, challenge)
	case errors.Is(err, tokens.ErrLoginRequired), challenge != nil && challenge.Code == tokens.InvalidToken:
		p.login.config.Log.InfoContext(r.Context(), "login: the call of the API requires a new login", "reason", err)
		p.refuse(w, http.StatusUnauthorized, map[string]any{"error": CodeSignIn})
	case challenge != nil:
		p.refuse(w, challenge.Status, map[string]any{"error": cmp.Or(challenge.Code, "access_denied")})
	case isTemporary(err):
		p.login.config.Log.WarnContext(r.Context(), "login: the API, the server or the store does not respond", "reason", err)
		p.refuse(w, http.StatusServiceUnavailable, map[string]any{"error": CodeUnavailable})
	case r.Context().Err() != nil:
		p.refuse(w, http.StatusBadGateway, map[string]any{"error": "bad_gateway"}) // the browser closed the connection
	default:
		p.login.config.Log.ErrorContext(r.Context(), "login: cannot call the API at Proxy.Target", "reason", err)
		p.refuse(w, http.StatusBadGateway, map[string]any{"error": "bad_gateway"})
	}
}

// askFor answers with what the API requires, and with the address to which the page sends its
// visitor for it.
func (p *proxy) askFor(w http.ResponseWriter, r *http.Request, s *session, e *tokens.ChallengeError) {
	body := map[string]any{"error": e.Code}
	if e.Code == tokens.InsufficientUserAuthentication { // the API requires another authentication, not a scope
		e.Scopes = nil
	}
	if len(e.Scopes) > 0 {
		body["scope"] = strings.Join(e.Scopes, " ")
	}
	if len(e.ACRValues) > 0 {
		body["acr_values"] = strings.Join(e.ACRValues, " ")
	}
	if e.MaxAge != nil {
		body["max_age"] = int64(*e.MaxAge / time.Second)
	}
	address, err := p.login.stepUpAddress(s.Client, e)
	if err != nil {
		p.login.answer(w, r, CodeUnavailable, err)
		return
	}
	body["login"] = address
	status := http.StatusUnauthorized
	if e.Code == tokens.InsufficientScope {
		status = http.StatusForbidden
	}
	p.refuse(w, status, body)
}
