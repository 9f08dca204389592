package rs

import (
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Protection is the middleware: it accepts requests with a valid access token and rejects all
// others. Tokens must be set; otherwise every request is answered with 503. It has no exceptions by
// path, because attackers can write a path in many ways. Do not wrap routes that need no token. It
// is safe for concurrent use after the fields are set.
type Protection struct {
	// Tokens verifies access tokens.
	Tokens Verifier

	// DPoP accepts tokens that are bound to a key of the client (RFC 9449). nil means that such
	// tokens are rejected.
	DPoP *DPoP

	// MTLS says where the client certificate comes from (RFC 8705). nil means the TLS
	// connection.
	MTLS *MTLS

	// Revocation rejects tokens that were revoked after they were issued. It is asked on every
	// request. If it is empty, a token is accepted until it expires, or until the server says
	// that it is not active.
	Revocation []RevocationCheck

	// Optional also accepts requests without a token. [FromContext] then returns false. A bad
	// token is still rejected. Guards still reject a request without a token.
	Optional bool

	// Realm names the protected area in challenges. "" means that challenges have no realm.
	Realm string

	// Scopes are the scopes that challenges name as required (RFC 6750 §3). They are not
	// checked: use guards such as [RequireScope]. Empty means that challenges name no scope.
	Scopes []string

	// ResourceMetadata is the URL of this API's metadata, for challenges (RFC 9728 §5.1). Mount
	// the [Metadata] outside of Handler: clients read it without a token. "" means that
	// challenges name no URL.
	ResourceMetadata string

	// Deny writes the response of a rejected request: content type, status and body. The header
	// fields that the RFCs require are already set. Do not show Error.Err to the client. nil
	// means a JSON body.
	Deny func(http.ResponseWriter, *http.Request, *Error)

	// TokenHeader is the name of the header field that contains the token, instead of Authorization.
	// It is for proxies that sign users in: "X-Amzn-Oidc-Data", "Cf-Access-Jwt-Assertion",
	// "X-Goog-Iap-Jwt-Assertion". The value must be only the token. "" means Authorization.
	TokenHeader string

	// InsecureQuery also accepts tokens in the query, where logs and Referer headers expose
	// them (RFC 6750 §2.3). Responses then have Cache-Control: private. InsecureForm also
	// accepts tokens in a posted form and reads the body for this (§2.2).
	InsecureQuery, InsecureForm bool

	// InsecureCookie is the name of a cookie in which tokens are also accepted. Browsers send
	// cookies with requests that other sites start, so protect state-changing routes with
	// http.CrossOriginProtection. "" means that no cookie is read.
	InsecureCookie string

	// Counter counts every request. nil means that nothing is counted.
	Counter Counter

	// Logger logs every rejected request. The level is INFO for a fault of the client, such as a bad
	// token, and ERROR for what only the operator can fix. nil means slog.Default.
	Logger *slog.Logger

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// Check verifies the token of r and returns its Principal. A request without a token is an
// error, whatever Optional says. Every error is an [*Error] with the status to respond with:
//
//   - 400 invalid_request: the header is malformed, or the request has more than one token or a
//     token in the query. The client must send one token in Authorization.
//   - 401 without a code: the request has no token.
//   - 401 invalid_token: the token is rejected, revoked, or bound to a key or certificate that
//     the request does not prove. The log names the claim and the setting to change. The client
//     gets a new token.
//   - 401 invalid_dpop_proof: the DPoP proof is rejected. Compare DPoP.BaseURL with the URL
//     that clients use, and the clocks.
//   - 401 use_dpop_nonce: the client repeats the request with the nonce of the response.
//   - 429 without a code: Limit of a Verifier asks the client to wait for RetryAfter.
//   - 503 without a code: a setting is missing, or the keys, the server or a store are not
//     available. [Protection.Ready] reports the settings.
func (p *Protection) Check(r *http.Request) (*Principal, error) {
	principal, err := p.check(&requestContext{Context: r.Context(), protection: p, request: r}, r)
	switch {
	case err != nil:
		return nil, err
	case principal == nil:
		return nil, p.noToken(r)
	}
	return principal, nil
}

// check is Check, but returns nil and nil for a request that has no token.
func (p *Protection) check(ctx *requestContext, r *http.Request) (*Principal, *Error) {
	if p.Tokens == nil {
		return nil, notAvailable(errors.New("Protection.Tokens is nil: set it to a Verifier, such as *rs.JWT"))
	}
	c, err := p.credentials(r)
	if err != nil || c.token == "" {
		return nil, err
	}
	principal, verr := verify(ctx, p.Tokens, c.token)
	if verr != nil {
		err = refusal(verr)
		if p.TokenHeader == "" && !isB64Token(c.token) { // RFC 6750 §2.1
			err = errMalformed(c.token)
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
			return notAvailable(errors.New("Protection.Revocation contains nil: remove it"))
		}
		if err := check.CheckRevocation(r.Context(), c.token, principal); err != nil {
			e := refusal(err)
			e.dpop = c.dpop
			return e
		}
	}
	return nil
}

// checkBinding requires proof that the sender has the key or certificate that the token is bound to
// (cnf). It does so for every scheme, and also if this API does not require bound tokens.
func (p *Protection) checkBinding(r *http.Request, c credentials, cnf Confirmation) *Error {
	switch bound := cnf.KeyThumbprint != ""; {
	case bound && !c.dpop: // RFC 9449 §7.2
		e := invalidToken(errBound)
		e.dpop = p.DPoP != nil
		return e
	case !bound && (c.dpop || p.DPoP.required()): // RFC 9449 §7.1
		e := invalidToken(errors.New("the token is not bound to a key (cnf.jkt is missing), but the request uses DPoP or Protection.DPoP requires it"))
		e.dpop = true
		return e
	case bound:
		if err := p.DPoP.check(r, c.token, cnf.KeyThumbprint); err != nil {
			return err
		}
	}
	return p.MTLS.check(r, cnf.CertificateThumbprint)
}

// Handler returns middleware that puts the [Principal] of an accepted request into its context
// and calls next. It responds to every other request itself, as [Protection.Check] lists: 400
// invalid_request, 401 without a code, 401 invalid_token, 401 invalid_dpop_proof, 401
// use_dpop_nonce, 429 and 503. It calls Deny if that is set.
func (p *Protection) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := &requestContext{Context: r.Context(), protection: p, request: r}
		principal, err := p.check(ctx, r)
		if err == nil && principal == nil && !p.Optional {
			err = p.noToken(r)
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
