package authzen

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/rs"
)

const denied = "the policy denies this request"

// Require guards routes behind an rs.Protection: every question that ask returns must be
// answered with decision true. Other requests are answered as follows:
//
//   - 403 without a code: a question was denied, ask returned no question, or ask returned an error
//     that is not an [*rs.Error]. The log has the error.
//   - The error of ask, if it is an [*rs.Error], and the error of PDP.StepUp for a denial.
//   - 503: ask is nil, or the decision point sent no valid response in time. The log says which
//     setting to check.
//
// Without a token the answer is 401, as for [rs.Require].
func (p *PDP) Require(ask func(*http.Request, *rs.Principal) ([]Evaluation, error)) func(http.Handler) http.Handler {
	return rs.Require(func(r *http.Request, who *rs.Principal) error {
		if ask == nil {
			return unavailable(errors.New("authzen: the function passed to PDP.Require is nil: pass a function"))
		}
		all, err := ask(r, who)
		switch e := (*rs.Error)(nil); {
		case errors.As(err, &e):
			return e
		case err != nil:
			return forbidden(err)
		case len(all) == 0:
			return forbidden(errors.New("authzen: the function of PDP.Require returned no evaluation for this request"))
		}
		decisions, err := p.EvaluateAll(r.Context(), all)
		if err != nil {
			return unavailable(err)
		}
		return p.judge(decisions)
	})
}

// judge rejects the request by the first denial.
func (p *PDP) judge(decisions []Decision) error {
	for i, d := range decisions {
		if d.Allowed {
			continue
		}
		why := fmt.Errorf("authzen: the decision point denied evaluation %d of %d (X-Request-ID %s)", i+1, len(decisions), jose.Quote(d.RequestID))
		if p.StepUp != nil {
			if e := p.StepUp(d); e != nil && e.Status >= http.StatusBadRequest {
				return because(e, why)
			}
		}
		return forbidden(why)
	}
	return nil
}

// because adds the cause for the log to an error without one. The error may be shared.
func because(e *rs.Error, why error) *rs.Error {
	if e.Err != nil {
		return e
	}
	out := *e
	out.Err = why
	return &out
}

func forbidden(err error) *rs.Error {
	return &rs.Error{Status: http.StatusForbidden, Description: denied, Err: err}
}

func unavailable(err error) *rs.Error {
	return &rs.Error{Status: http.StatusServiceUnavailable, Description: "the request cannot be authorized now", Err: err}
}
