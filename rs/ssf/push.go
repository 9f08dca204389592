package ssf

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/countersign/countersign/internal/jose"
)

// Handler receives events by push, RFC 8935. It is the delivery endpoint of a stream. It
// responds with 202 after the events were applied. Its other responses are:
//
//   - 400 with the code of a rejected token, as for [Receiver.Apply]: invalid_request,
//     invalid_issuer, invalid_audience, invalid_key or invalid_state. The log has the reason.
//   - 401 authentication_failed: Authorization is missing or wrong. Set Receiver.Authorization,
//     and create the stream with it.
//   - 405: the method is not POST.
//   - 503: an effect or the Store failed, or a setting is wrong. The transmitter sends the
//     token again.
func (r *Receiver) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if req.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		raw, err := r.pushed(w, req)
		if err != nil {
			r.note(req.Context(), err)
		} else {
			err = r.Apply(req.Context(), raw)
		}
		answer(w, err)
	})
}

// pushed reads the token of the request, RFC 8935 §2.1.
func (r *Receiver) pushed(w http.ResponseWriter, req *http.Request) (string, error) {
	if !r.isAuthorized(req.Header.Values("Authorization")) {
		return "", reject(AuthenticationFailed, errors.New("the Authorization of the push request is missing or does not match Receiver.Authorization"))
	}
	if typ, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err != nil || typ != "application/secevent+jwt" {
		return "", reject(InvalidRequest, errors.New("Content-Type is not application/secevent+jwt (RFC 8935 §2.1)"))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, jose.MaxSize))
	if err != nil {
		return "", reject(InvalidRequest, errors.New("the body cannot be read or is larger than 64 KiB"))
	}
	return string(body), nil
}

func (r *Receiver) isAuthorized(fields []string) bool {
	if r.Authorization == "" {
		return true
	}
	if len(fields) != 1 {
		return false
	}
	got, want := sha256.Sum256([]byte(fields[0])), sha256.Sum256([]byte(r.Authorization))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// answer writes the response of RFC 8935 §2.2 and §2.3.
func answer(w http.ResponseWriter, err error) {
	var rejected *Error
	switch {
	case err == nil:
		w.WriteHeader(http.StatusAccepted)
	case !errors.As(err, &rejected):
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		status := http.StatusBadRequest
		if rejected.Code == AuthenticationFailed {
			status = http.StatusUnauthorized
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Language", "en")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(rejected.wire())
	}
}

// wire is what the transmitter gets.
func (e *Error) wire() map[string]string {
	return map[string]string{"err": e.Code, "description": e.Description}
}
