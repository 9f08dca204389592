package rs

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/countersign/countersign/internal/endpoint"
)

// sentAs notes how an Authenticator authenticated a request, for the error of a rejection.
type sentAs struct {
	Authenticator
	text string
}

func (s *sentAs) Authenticate(r *http.Request, form url.Values) error {
	err := s.Authenticator.Authenticate(r, form)
	s.text = sent(r, form)
	return err
}

// sent returns the client and the method of its authentication, without a secret. An assertion need
// not be sent with a client_id (RFC 7523 §2.2).
func sent(r *http.Request, form url.Values) string {
	client, method := form.Get("client_id"), "with a certificate or nothing"
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch id, _, basic := r.BasicAuth(); {
	case basic:
		if plain, err := url.QueryUnescape(id); err == nil {
			id = plain
		}
		client, method = id, "client_secret_basic"
	case scheme != "":
		method = scheme
	case form.Has("client_assertion"):
		method = "with an assertion"
	case form.Has("client_secret"):
		method = "client_secret_post"
	}
	return fmt.Sprintf("sent client_id %q, authentication %s", client, method)
}

// rejectsAPI reports whether the server rejected the credentials of the API (RFC 7662 §2.3).
func rejectsAPI(e *endpoint.Error) bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden || e.Code == "invalid_client" || e.Code == "unauthorized_client"
}
