package rs

import (
	"net/http"

	"github.com/countersign/countersign/internal/testseam"
)

// For rs/rstest only. It uses the same code for claims and context as for real tokens.
func init() {
	testseam.Principal = func(payload []byte) (any, error) {
		c, err := (&JWT{}).dialect(true).decode(payload)
		if err != nil {
			return nil, err
		}
		return c.finish(payload)
	}
	testseam.WithPrincipal = func(r *http.Request, principal any) *http.Request {
		return r.WithContext(&requestContext{Context: r.Context(), protection: &Protection{}, request: r, principal: principal.(*Principal)})
	}
}
