// Package authzen asks a policy decision point whether a request is allowed: the OpenID
// Authorization API 1.0 (AuthZEN). It guards routes behind an rs.Protection:
//
//	pdp := &authzen.PDP{URL: "https://pdp.example"}
//	guard := pdp.Require(func(r *http.Request, who *rs.Principal) ([]authzen.Evaluation, error) {
//		return []authzen.Evaluation{{
//			Subject:  authzen.User(who),
//			Action:   authzen.Action{Name: "read"},
//			Resource: authzen.Resource{Type: "photo", ID: r.PathValue("id")},
//		}}, nil
//	})
//	http.Handle("GET /photos/{id}", api.Handler(guard(photo)))
//
// A request is passed on only if the decision point answers decision true, in time and in the form
// that the specification requires. Everything else is rejected: 403, 503, or what StepUp or ask
// returns.
package authzen
