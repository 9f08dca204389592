package rs

import (
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Protection lets requests with a good access token through. Tokens must be set;
// without it every request is refused. Routes that need no token are not wrapped: there
// are no exceptions by path, which attackers know how to write in other ways.
type Protection struct {
	// Tokens verifies access tokens.
	Tokens Verifier

	// DPoP takes tokens that are bound to a key of the client's (RFC 9449). nil means
	// that they are refused.
	DPoP *DPoP

	// MTLS says where certificates come from that tokens are bound to (RFC 8705). nil
	// means the TLS connection.
	MTLS *MTLS

	// Revocation rejects tokens that have been revoked since they were issued, on every request. Empty means
	// that a token is accepted until it expires, or as long as the server says that it is active.
	Revocation []RevocationCheck

	// Optional lets requests without a token through too; FromContext then says false.
	// A bad token is refused all the same, and so is, by the guards, a request without one.
	Optional bool

	// Realm names the protected area in challenges. "" means that none is named.
	Realm string

	// Scopes is what challenges say is needed here at least (RFC 6750 §3). It checks
	// nothing: that is what guards are for. Empty means that nothing is said.
	Scopes []string

	// ResourceMetadata is the URL of this resource's metadata, for challenges (RFC 9728
	// §5.1). "" means that none is named.
	ResourceMetadata string

	// Deny writes the body of refusals instead of the package: status, content type and
	// body, when the header fields that the RFCs want are set. It gets what may be shown,
	// and in Err what may not. nil means a JSON body.
	Deny func(http.ResponseWriter, *http.Request, *Error)

	// TokenHeader is the name of the header field that has the token, in place of
	// Authorization, for proxies that sign users in: "X-Amzn-Oidc-Data",
	// "Cf-Access-Jwt-Assertion", "X-Goog-Iap-Jwt-Assertion". Its value is the token alone.
	// "" means Authorization.
	TokenHeader string

	// InsecureQuery takes tokens from the query too, where logs and Referer headers see
	// them (RFC 6750 §2.3); answers then say Cache-Control: private. InsecureForm takes
	// them from a posted form, and reads its body for that (§2.2).
	InsecureQuery, InsecureForm bool

	// InsecureCookie is the name of a cookie that tokens are taken from too. Browsers
	// send cookies along with requests that other sites begin, so that state-changing
	// routes need a defence against that (http.CrossOriginProtection). "" means none.
	InsecureCookie string

	// Counter hears of every request. nil means nobody.
	Counter Counter

	// Logger gets a line for every request that is rejected: INFO for what the client did,
	// such as a bad token, and ERROR for what only the operator can repair. nil means
	// slog.Default.
	Logger *slog.Logger

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// Check gives who sent r, or an [*Error] that says what to answer. It does not look
// at Optional.
func (p *Protection) Check(r *http.Request) (*Principal, error) {
	principal, err := p.check(&requestContext{Context: r.Context(), protection: p, request: r}, r)
	switch {
	case err != nil:
		return nil, err
	case principal == nil:
		return nil, noToken()
	}
	return principal, nil
}

// check is Check, but returns nil and nil for a request that has no token.
func (p *Protection) check(ctx *requestContext, r *http.Request) (*Principal, *Error) {
	if p.Tokens == nil {
		return nil, notAvailable(errors.New("Protection.Tokens is nil"))
	}
	c, err := p.credentials(r)
	if err != nil || c.token == "" {
		return nil, err
	}
	principal, verr := verify(ctx, p.Tokens, c.token)
	if verr != nil {
		err = refusal(verr)
		if p.TokenHeader == "" && !isB64Token(c.token) { // RFC 6750 §2.1
			err = errMalformed()
		}
		err.dpop = c.dpop
		return nil, err
	}
	if err := p.checkRevocation(r, c, principal); err != nil {
		return nil, err
	}
	if err := p.checkBinding(r, c, principal.Cnf); err != nil {
		err.who = principal
		return nil, err
	}
	return principal, nil
}

// checkRevocation asks whether a good token was revoked since it was issued.
func (p *Protection) checkRevocation(r *http.Request, c credentials, principal *Principal) *Error {
	for _, check := range p.Revocation {
		if check == nil {
			return notAvailable(errors.New("Protection.Revocation has a nil in it"))
		}
		if err := check.CheckRevocation(r.Context(), c.token, principal); err != nil {
			e := refusal(err)
			e.dpop = c.dpop
			return e
		}
	}
	return nil
}

// checkBinding wants the proof that the sender holds what the token is bound to (cnf):
// by whatever scheme it comes, and whether or not this API asks for such tokens.
func (p *Protection) checkBinding(r *http.Request, c credentials, cnf Confirmation) *Error {
	switch bound := cnf.KeyThumbprint != ""; {
	case bound && !c.dpop: // RFC 9449 §7.2
		e := invalidToken(errBound)
		e.dpop = p.DPoP != nil
		return e
	case !bound && (c.dpop || p.DPoP.required()): // RFC 9449 §7.1
		e := invalidToken(errors.New("the token is bound to no key, and DPoP is used or required"))
		e.dpop = true
		return e
	case bound:
		if err := p.DPoP.check(r, c.token, cnf.KeyThumbprint); err != nil {
			return err
		}
	}
	return p.MTLS.check(r, cnf.CertificateThumbprint)
}

// Handler puts the [Principal] of a good request into its context and calls next;
// any other request it answers itself.
func (p *Protection) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := &requestContext{Context: r.Context(), protection: p, request: r}
		principal, err := p.check(ctx, r)
		if err == nil && principal == nil && !p.Optional {
			err = noToken()
		}
		if err != nil {
			p.deny(w, r, err)
			return
		}
		if p.InsecureQuery {
			w.Header().Set("Cache-Control", "private") // RFC 6750 §2.3
		}
		count(r.Context(), p.Counter, Accepted)
		p.DPoP.offerNonce(w)
		ctx.principal = principal
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (p *Protection) deny(w http.ResponseWriter, r *http.Request, e *Error) {
	if p.Counter != nil {
		p.Counter.Count(r.Context(), Refused, e.reason())
	}
	p.log(r, e)
	p.answer(w, r, e)
}
