package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
)

const (
	maxBody   = 32 << 10
	maxTokens = 4 << 10 // characters of state and nonce
)

// backend serves one app. The client is its registration at the server, whose redirect
// URI leads to the app.
type backend struct {
	client   *client.Client
	config   client.Config
	sessions sessions
	limit    limit
	log      *slog.Logger
}

func (b *backend) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login/exchange", b.exchange)
	mux.HandleFunc("POST /logout", b.logout)
	mux.HandleFunc("GET /me", b.me)
	return mux
}

// callback is what the app sends: the parameters at its redirect URI, and the values of its
// request. The app has to check state, because only the app has the value. The nonce, and iss if
// the server sends it, are checked here.
type callback struct {
	Code         string `json:"code"`
	State        string `json:"state"`
	Issuer       string `json:"iss"`
	CodeVerifier string `json:"code_verifier"`
	Nonce        string `json:"nonce"`
	RedirectURI  string `json:"redirect_uri"`
}

// exchange is the second leg of a login.
func (b *backend) exchange(w http.ResponseWriter, r *http.Request) {
	if !b.limit.allow(r.RemoteAddr, time.Now()) {
		w.Header().Set("Retry-After", "60")
		b.fail(w, r, http.StatusTooManyRequests, "slow_down", errors.New("too many logins from one address"))
		return
	}
	cb, err := readCallback(w, r)
	if err == nil {
		err = b.check(cb)
	}
	if err != nil {
		b.fail(w, r, http.StatusBadRequest, "invalid_request", err)
		return
	}
	tokens, err := b.finish(r, cb)
	if err != nil {
		b.failLogin(w, r, err)
		return
	}
	token, err := b.sessions.begin(r.Context(), tokens.IDToken.Issuer, tokens.IDToken.Subject)
	if err != nil {
		b.fail(w, r, http.StatusServiceUnavailable, "temporarily_unavailable", err)
		return
	}
	reply(w, http.StatusOK, map[string]any{"token": token, "token_type": "Bearer", "expires_in": int(lifetime / time.Second)})
}

// finish completes the login as if it had begun here. The SDK posts the code with the verifier, and
// checks iss and the ID token.
func (b *backend) finish(r *http.Request, cb *callback) (*client.Tokens, error) {
	pending := &client.Pending{
		Issuer: b.config.Issuer, ClientID: b.config.ClientID, RedirectURL: b.config.RedirectURL, Scopes: []string{"openid"},
		State: cb.State, Nonce: cb.Nonce, CodeVerifier: cb.CodeVerifier, CreatedAt: time.Now(),
	}
	answer := url.Values{"code": {cb.Code}, "state": {cb.State}}
	if cb.Issuer != "" {
		answer.Set("iss", cb.Issuer)
	}
	return b.client.Finish(r.Context(), pending, answer)
}

// readCallback reads the body: one JSON object of these names and no others.
func readCallback(w http.ResponseWriter, r *http.Request) (*callback, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, errors.New("Content-Type is not application/json")
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	cb := &callback{}
	if err := d.Decode(cb); err != nil {
		return nil, errors.New("the body is too long, or is not a JSON object with only the expected members")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("the body has text after the JSON object")
	}
	return cb, nil
}

// check makes the checks that the SDK does not need for a login of the same process.
func (b *backend) check(cb *callback) error {
	switch {
	case cb.RedirectURI != b.config.RedirectURL:
		return errors.New("redirect_uri is not the app's")
	case len(cb.State) < 22 || len(cb.Nonce) < 22: // of 128 bits, in base64url
		return errors.New("state or nonce is missing or short")
	case len(cb.State) > maxTokens || len(cb.Nonce) > maxTokens:
		return errors.New("state or nonce is too long")
	}
	return nil
}

// me is a route for apps that are signed in.
func (b *backend) me(w http.ResponseWriter, r *http.Request) {
	s, err := b.sessions.find(r.Context(), bearer(r))
	if err != nil {
		b.fail(w, r, http.StatusServiceUnavailable, "temporarily_unavailable", err)
		return
	}
	if s == nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		b.fail(w, r, http.StatusUnauthorized, "login_required", errors.New("no session"))
		return
	}
	reply(w, http.StatusOK, map[string]any{"iss": s.Issuer, "sub": s.Subject})
}

func (b *backend) logout(w http.ResponseWriter, r *http.Request) {
	if err := b.sessions.end(r.Context(), bearer(r)); err != nil {
		b.fail(w, r, http.StatusServiceUnavailable, "temporarily_unavailable", err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func bearer(r *http.Request) string {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || len(r.Header["Authorization"]) != 1 {
		return ""
	}
	return token
}

// failLogin: the server could not be reached, or the login is not good. After either the
// app begins a new login: the code has been used.
func (b *backend) failLogin(w http.ResponseWriter, r *http.Request, err error) {
	var failed *client.Error
	switch {
	case !errors.As(err, &failed):
		b.fail(w, r, http.StatusBadRequest, "login_failed", err)
	case failed.Temporary():
		b.fail(w, r, http.StatusServiceUnavailable, failed.Code, err)
	default:
		b.fail(w, r, http.StatusBadRequest, failed.Code, err)
	}
}

// fail tells the app a code and an id, and the log the reason under the same id.
func (b *backend) fail(w http.ResponseWriter, r *http.Request, status int, code string, err error) {
	id := rand.Text()[:10]
	b.log.LogAttrs(r.Context(), slog.LevelWarn, "request failed",
		slog.String("id", id), slog.String("code", code), slog.String("path", r.URL.Path), slog.Any("reason", err))
	reply(w, status, map[string]string{"error": code, "id": id})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}
