package grant

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	strict "github.com/go-json-experiment/json"
)

const maxPing = 16 << 10 // bytes; some servers make an auth_req_id of an encrypted JWT

// Ping is the notification that a user has answered: OpenID Connect CIBA Core 1.0 §10.2. Every
// program can send one. Do not trust it before [Ping.IsFor] has returned true. It redacts itself in
// fmt and log/slog. Encoders such as encoding/json return an error: store AuthReqID.
type Ping struct {
	hidden[Ping]

	AuthReqID string // the auth_req_id of the login that is ready
	token     string
}

// ReadPing reads a ping. It rejects a notification of the push mode, which contains tokens. The
// error says what is missing or malformed; answer it with status 400, as [PingHandler] does.
func ReadPing(r *http.Request) (*Ping, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || len(r.Header.Values("Authorization")) != 1 {
		return nil, errors.New("grant: ping: the request has no bearer token, expected the notification token of the login")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, fmt.Errorf("grant: ping: Content-Type is %.100q, expected application/json", r.Header.Get("Content-Type"))
	}
	if r.Body == nil {
		return nil, errors.New("grant: ping: the request has no body")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPing+1))
	if err != nil || len(body) > maxPing {
		return nil, fmt.Errorf("grant: ping: the body cannot be read or has more than %d bytes", maxPing)
	}
	id, err := readAuthReqID(body)
	if err != nil {
		return nil, fmt.Errorf("grant: ping: %w", err)
	}
	return &Ping{AuthReqID: id, token: token}, nil
}

func readAuthReqID(body []byte) (string, error) {
	var ping struct {
		AuthReqID   string          `json:"auth_req_id"`
		AccessToken json.RawMessage `json:"access_token"`
		IDToken     json.RawMessage `json:"id_token"`
	}
	if err := strict.Unmarshal(body, &ping); err != nil {
		return "", err
	}
	if len(ping.AccessToken) > 0 || len(ping.IDToken) > 0 {
		return "", errors.New("the notification contains tokens, but the push mode is not supported: register the client for the ping mode")
	}
	if ping.AuthReqID == "" {
		return "", errors.New("auth_req_id is missing")
	}
	return ping.AuthReqID, nil
}

// IsFor reports whether p is about b and has b's notification token.
func (p *Ping) IsFor(b *Backchannel) bool {
	if b == nil || b.NotificationToken == "" || b.AuthReqID == "" {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(p.token), []byte(b.NotificationToken)) == 1 && p.AuthReqID == b.AuthReqID
}

// PingHandler is the client's notification endpoint (CIBA Core §9, §10.2). Serve it over TLS at the
// registered address. Both fields must be set. It is safe for concurrent use after the fields are
// set.
type PingHandler struct {
	// Find returns the login that was stored under auth_req_id, or nil if none was stored. Every
	// program can cause a call with any value.
	Find func(ctx context.Context, authReqID string) (*Backchannel, error)

	// Notify is called with a login whose user has answered. The login is a copy with Notified
	// set, for FinishBackchannel. The server waits until Notify returns. A ping can arrive more
	// than once.
	Notify func(ctx context.Context, b *Backchannel)
}

// ServeHTTP implements http.Handler.
func (h *PingHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	status := h.take(r)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(status)
}

// take returns the status of the response. A sender without the notification token learns
// nothing from it.
func (h *PingHandler) take(r *http.Request) int {
	ping, err := ReadPing(r)
	if err != nil {
		return http.StatusBadRequest
	}
	if h.Find == nil || h.Notify == nil {
		return http.StatusInternalServerError
	}
	b, err := h.Find(r.Context(), ping.AuthReqID)
	if err != nil {
		return http.StatusInternalServerError
	}
	if !ping.IsFor(b) {
		return http.StatusUnauthorized
	}
	notified := *b
	notified.Notified = true
	h.Notify(context.WithoutCancel(r.Context()), &notified)
	return http.StatusNoContent
}
