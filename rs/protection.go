package rs

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
)

// Verifier tells whether an access token is good here, and whose it is. [JWT],
// [Introspection] and [Either] are Verifiers. An error with a method
// Temporary() bool that is true means that it could not tell.
type Verifier interface {
	VerifyToken(ctx context.Context, token string) (*Principal, error)
}

// Protection lets requests with a good access token through. Tokens must be set;
// without it every request is refused.
type Protection struct {
	// Tokens verifies access tokens.
	Tokens Verifier

	// Realm names the protected area in challenges. "" means that none is named.
	Realm string

	// Logger gets a line for every request that is refused. nil means slog.Default.
	Logger *slog.Logger
}

// Check gives who sent r, or an [*Error] that says what to answer.
func (p *Protection) Check(r *http.Request) (*Principal, error) {
	if p.Tokens == nil {
		return nil, &Error{Status: http.StatusServiceUnavailable, Description: "the token cannot be checked now", Err: errors.New("Protection.Tokens is nil")}
	}
	token, err := bearerToken(r)
	if err != nil {
		return nil, err
	}
	principal, verr := p.Tokens.VerifyToken(r.Context(), token)
	if verr != nil {
		return nil, refusal(verr)
	}
	return principal, nil
}

// Handler puts the [Principal] of a good request into its context and calls next;
// any other request it answers itself.
func (p *Protection) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		principal, err := p.Check(r)
		if err != nil {
			p.deny(w, r, err)
			return
		}
		ctx := context.WithValue(withPrincipal(r.Context(), principal), protectionKey{}, p)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// protectionKey leads the guards to the Protection they stand behind.
type protectionKey struct{}

func (p *Protection) deny(w http.ResponseWriter, r *http.Request, err error) {
	e := refusal(err)
	p.logger().LogAttrs(r.Context(), slog.LevelInfo, "request refused",
		slog.Int("status", e.Status), slog.String("error", e.Code), slog.String("reason", e.Error()))
	e.write(w, p.Realm)
}

func (p *Protection) logger() *slog.Logger {
	if p.Logger != nil {
		return p.Logger
	}
	return slog.Default()
}

const maxBearer = 64 << 10

// bearerToken reads the one Authorization header that a request may have, RFC
// 6750 §2.1. Tokens in the query or a form are not taken, and one in the query is
// refused beside a good header too: it has been in logs on its way (§2, §2.3).
func bearerToken(r *http.Request) (string, error) {
	if r.URL.RawQuery != "" && r.URL.Query().Has("access_token") {
		return "", invalidRequest("an access token in the query is not accepted")
	}
	fields := r.Header["Authorization"]
	if len(fields) == 0 {
		return "", &Error{Status: http.StatusUnauthorized, Description: "an access token is needed"}
	}
	if len(fields) > 1 {
		return "", invalidRequest("more than one Authorization header")
	}
	scheme, token, found := strings.Cut(fields[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", &Error{Status: http.StatusUnauthorized, Description: "an access token is needed"}
	}
	if !found || !isB64Token(token) || len(token) > maxBearer {
		return "", invalidRequest("the Authorization header is malformed")
	}
	return token, nil
}

// isB64Token is the b64token of RFC 6750 §2.1.
func isB64Token(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-._~+/", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
