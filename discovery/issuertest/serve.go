package issuertest

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Endpoint is the path of an endpoint below the issuer's URL.
type Endpoint string

// The endpoints. OAuthMetadata is the metadata path of RFC 8414.
const (
	OpenIDMetadata             Endpoint = "/.well-known/openid-configuration"
	OAuthMetadata              Endpoint = "/.well-known/oauth-authorization-server"
	JWKSEndpoint               Endpoint = "/jwks"
	AuthorizationEndpoint      Endpoint = "/authorize"
	PAREndpoint                Endpoint = "/par"
	TokenEndpoint              Endpoint = "/token"
	UserInfoEndpoint           Endpoint = "/userinfo"
	IntrospectionEndpoint      Endpoint = "/introspect"
	RevocationEndpoint         Endpoint = "/revoke"
	DeviceEndpoint             Endpoint = "/device"      // RFC 8628 §3.1
	DevicePage                 Endpoint = "/activate"    // its verification_uri
	BackchannelEndpoint        Endpoint = "/backchannel" // CIBA
	EndSessionEndpoint         Endpoint = "/logout"
	RegistrationEndpoint       Endpoint = "/register"
	RegisteredClient           Endpoint = "/registered" // RFC 7592
	SignInPage                 Endpoint = "/signin"     // what the page of the authorization endpoint posts to
	ConsentPage                Endpoint = "/consent"    // shows the page for consent after that
	moved                               = "/moved"      // where Redirecting leads, before the endpoint
	maxBody                             = 1 << 20
	contentJSON                         = "application/json"
	contentJWT                          = "application/jwt"
	contentSignedIntrospection          = "application/token-introspection+jwt"
)

var endpoints = []Endpoint{
	OpenIDMetadata, OAuthMetadata, JWKSEndpoint, AuthorizationEndpoint, PAREndpoint, TokenEndpoint, UserInfoEndpoint,
	IntrospectionEndpoint, RevocationEndpoint, DeviceEndpoint, DevicePage, BackchannelEndpoint, EndSessionEndpoint,
	RegistrationEndpoint, RegisteredClient, SignInPage, ConsentPage,
}

func (i *Issuer) handlers() map[Endpoint]http.HandlerFunc {
	return map[Endpoint]http.HandlerFunc{
		OpenIDMetadata: i.metadata, OAuthMetadata: i.metadata, JWKSEndpoint: i.jwks,
		AuthorizationEndpoint: i.authorize, SignInPage: post(i.signedIn), ConsentPage: i.consent, PAREndpoint: post(i.par),
		TokenEndpoint: post(i.token), UserInfoEndpoint: i.userinfo, IntrospectionEndpoint: post(i.introspect),
		RevocationEndpoint: post(i.revoke), DeviceEndpoint: post(i.device), DevicePage: i.devicePage,
		BackchannelEndpoint: post(i.backchannel), EndSessionEndpoint: i.endSession,
		RegistrationEndpoint: post(i.register), RegisteredClient: i.registered,
	}
}

func post(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		h(w, r)
	}
}

// Exchange is one request and its response. It contains secrets, codes and tokens.
type Exchange struct {
	Endpoint     Endpoint      // which endpoint was called
	Time         time.Time     // by the real clock
	Duration     time.Duration // from the request to the end of the response
	Request      *http.Request // its Body was read
	RequestBody  []byte        // the body of Request, as received
	Status       int           // HTTP status, 0 if the connection ended without a response
	Header       http.Header   // the header of the response
	ResponseBody []byte        // the body of the response, as sent
}

// exchanges holds the latest exchanges.
type exchanges struct {
	mu   sync.Mutex
	list []Exchange
}

func (e *exchanges) add(x Exchange, most int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.list) >= most {
		e.list = slices.Delete(e.list, 0, 1+most/10)
	}
	e.list = append(e.list, x)
}

func (e *exchanges) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = nil
}

// Exchanges returns the requests to an endpoint with their responses, oldest first. "" means
// all endpoints. The issuer keeps only the latest, see Config.MaxExchanges.
func (i *Issuer) Exchanges(e Endpoint) []Exchange {
	i.log.mu.Lock()
	defer i.log.mu.Unlock()
	var found []Exchange
	for _, x := range i.log.list {
		if e == "" || x.Endpoint == e {
			found = append(found, x)
		}
	}
	return found
}

// answer buffers a response, so that a fault can change it and Observe can see it.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
	broken bool // the connection ends after half of the body
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// ServeHTTP implements http.Handler.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	endpoint, direct := i.endpoint(r.URL.Path)
	a := &answer{header: http.Header{"Date": {i.Now().UTC().Format(http.TimeFormat)}}}
	x := Exchange{Endpoint: endpoint, Time: begun, Request: r, RequestBody: body}
	defer func() {
		x.Duration, x.Status, x.Header, x.ResponseBody = time.Since(begun), a.status, a.header, a.body.Bytes()
		i.log.add(x, i.config.MaxExchanges)
		if i.config.Observe != nil {
			i.config.Observe(x)
		}
	}()
	i.answer(a, r, endpoint, direct)
	a.send(w)
}

// endpoint returns the endpoint of a path. direct is false for a path that the fault
// Redirecting redirected to.
func (i *Issuer) endpoint(path string) (e Endpoint, direct bool) {
	if path == string(OAuthMetadata)+i.path { // RFC 8414 §3.1
		return OAuthMetadata, true
	}
	rest, ok := strings.CutPrefix(path, i.path)
	if !ok {
		return "", true
	}
	rest, redirected := strings.CutPrefix(rest, moved)
	return Endpoint(rest), !redirected
}

func (i *Issuer) answer(a *answer, r *http.Request, e Endpoint, direct bool) {
	h := i.routes[e]
	if h == nil {
		i.notFound(a, r)
		return
	}
	found := i.faults.at(e)
	if direct && i.instead(a, r, e, found) {
		return
	}
	h(a, r)
	i.spoil(a, found)
}

// instead responds for a fault that replaces the response of the endpoint.
func (i *Issuer) instead(a *answer, r *http.Request, e Endpoint, found map[Fault]bool) bool {
	switch {
	case found[HangUp] || found[Slow] && i.pause(r.Context(), i.config.Delay) != nil:
		panic(http.ErrAbortHandler)
	case found[Redirecting]:
		to := i.URL + moved + string(e)
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		a.header.Set("Location", to)
		a.WriteHeader(http.StatusTemporaryRedirect)
	case found[HTML]:
		a.header.Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(a, "<!DOCTYPE html><title>Welcome</title><p>This page is not the requested document.")
	case found[NotJSON]:
		a.header.Set("Content-Type", contentJSON)
		io.WriteString(a, "access_token=not-json&token_type=Bearer")
	case found[Empty]:
		a.WriteHeader(http.StatusOK)
	case found[ServerError]:
		a.WriteHeader(http.StatusInternalServerError)
	case found[Unavailable]:
		a.header.Set("Retry-After", "1")
		a.WriteHeader(http.StatusServiceUnavailable)
	default:
		return false
	}
	return true
}

// spoil changes the response of an endpoint.
func (i *Issuer) spoil(a *answer, found map[Fault]bool) {
	if found[TooLarge] {
		a.body.Write(bytes.Repeat([]byte(" "), 8<<20))
	}
	a.broken = found[Truncated]
}

func (a *answer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	if a.status == 0 {
		a.status = http.StatusOK
	}
	body := a.body.Bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.status)
	if !a.broken {
		w.Write(body)
		return
	}
	w.Write(body[:len(body)/2])
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	panic(http.ErrAbortHandler)
}

// answerJSON responds with status and v. No response of the issuer may be cached.
func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", contentJSON)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// refusal is an error response of OAuth, RFC 6749 §5.2.
type refusal struct {
	status            int
	code, description string
}

func (e *refusal) Error() string { return e.code + ": " + e.description }

func refuse(code, description string) *refusal {
	status := http.StatusBadRequest
	if code == "invalid_client" || code == "invalid_token" {
		status = http.StatusUnauthorized
	}
	return &refusal{status, code, description}
}

func (e *refusal) answer(w http.ResponseWriter) {
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="issuertest"`)
	}
	answerJSON(w, e.status, map[string]string{"error": e.code, "error_description": e.description})
}
