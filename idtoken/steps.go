package idtoken

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// The numbers of the steps.
const (
	stepRead      = 1
	stepIssuer    = 2
	stepAudience  = 3
	stepParties   = 4
	stepParty     = 5
	stepSignature = 6
	stepAlg       = 7
	stepKey       = 8
	stepExpiry    = 9
	stepIssued    = 10
	stepNonce     = 11
	stepACR       = 12
	stepAuthTime  = 13
	stepHashes    = 14
)

// tests describes what each step checks. The index is the step's number minus one.
var tests = [14]string{
	"Readable: a signed JWT, decrypted if encryption is configured",
	"Issuer (iss) is the configured one; a subject (sub) is named",
	"Audience (aud) contains our client_id and no unknown audience",
	"Several audiences: the authorized party (azp) is named",
	"Authorized party (azp) is our client_id",
	"Signature verifies",
	"Algorithm (alg) is an allowed one",
	"Key belongs to the issuer and fits the algorithm",
	"Not expired (exp)",
	"Issued (iat, nbf) not in the future and not too long ago",
	"Nonce matches our request",
	"Authentication context (acr) is a requested one",
	"Authentication (auth_time) is recent enough",
	"Hashes (at_hash, c_hash, s_hash) match the received values",
}

// errNotReached marks a step that was not run because an earlier step failed.
var errNotReached = errors.New("not checked because an earlier check failed")

func newReport() *Report {
	r := &Report{Steps: make([]Step, len(tests))}
	for i := range r.Steps {
		r.Steps[i] = Step{Number: i + 1, Test: tests[i], Err: errNotReached}
	}
	return r
}

func (r *Report) valid(n int) { r.set(n, Valid, "", nil) }

func (r *Report) skip(n int, reason string) { r.set(n, Skipped, reason, nil) }

func (r *Report) inapplicable(n int, reason string) { r.set(n, NotApplicable, reason, nil) }

func (r *Report) fail(n int, err error) { r.set(n, Failed, "", err) }

func (r *Report) set(n int, result Result, reason string, err error) {
	s := &r.Steps[n-1]
	s.Result, s.Reason, s.Err = result, reason, err
}

// judge records the step as valid if err is nil, and as failed otherwise.
func (r *Report) judge(n int, err error) {
	if err != nil {
		r.fail(n, err)
		return
	}
	r.valid(n)
}

func (r *Report) passed(numbers ...int) bool {
	for _, n := range numbers {
		if r.Steps[n-1].Result == Failed {
			return false
		}
	}
	return true
}

// check is the state of the validation of one token.
type check struct {
	v      *Verifier
	ctx    context.Context
	raw    string // as received, then the inner token if it was encrypted
	kind   jose.Kind
	want   Expected
	now    time.Time
	jws    *jose.Token
	claims claims
	report *Report
}

func (c *check) run() {
	if err := c.v.configured(); err != nil {
		c.report.fail(stepRead, err)
		return
	}
	if !c.read() {
		return
	}
	c.issuer()
	c.subject()
	c.audience()
	c.parties()
	c.party()
	c.alg()
	c.expiry()
	c.issued()
	c.nonce()
	c.acr()
	c.authTime()
	c.hashes()
	c.original()
	c.signature()
}

// read is step 1, and every check that must pass before a claim can be decoded.
func (c *check) read() bool {
	encrypted, err := c.decrypt()
	if err == nil {
		err = c.parse()
	}
	switch {
	case err != nil:
		c.report.fail(stepRead, err)
		return false
	case encrypted:
		c.report.valid(stepRead)
	default:
		c.report.inapplicable(stepRead, "the token is not encrypted")
	}
	return true
}

func (c *check) parse() (err error) {
	if c.jws, err = jose.Parse(c.raw, c.v.MaxSize); err != nil {
		return err
	}
	if err := c.jws.Header.CheckTyp(c.kind); err != nil {
		if c.report.token != "" && !c.v.InsecureDraftLogout {
			err = fmt.Errorf("%w: for servers that implement a draft set InsecureDraftLogout", err)
		}
		return err
	}
	if err := jose.Decode(c.jws.Payload, &c.claims, jose.TokenLimits); err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	return nil
}

// subject is the rest of step 2: the pair of iss and sub identifies the user. A logout token
// is rejected here, because it must not start a session.
func (c *check) subject() {
	err := c.claims.checkSubject()
	if err == nil && c.claims.Events.Logout != nil {
		err = errors.New("this is a logout token, expected an ID token")
	}
	if err != nil {
		c.report.fail(stepIssuer, err)
	}
}

// audience is step 3.
func (c *check) audience() {
	switch {
	case len(c.claims.Audience) == 0:
		c.report.fail(stepAudience, fmt.Errorf("aud is missing or empty, expected %s", jose.Quote(c.v.ClientID)))
		return
	case !slices.Contains(c.claims.Audience, c.v.ClientID):
		c.report.fail(stepAudience, fmt.Errorf("aud is %s, expected the client_id %s: the token is for another client, or ClientID is wrong",
			jose.Quote(strings.Join(c.claims.Audience, " ")), jose.Quote(c.v.ClientID)))
		return
	}
	for _, aud := range c.claims.Audience {
		if aud != c.v.ClientID && !slices.Contains(c.v.TrustedAudiences, aud) {
			c.report.fail(stepAudience, fmt.Errorf("aud also contains %s: if you trust this audience, add it to TrustedAudiences", jose.Quote(aud)))
			return
		}
	}
	c.report.valid(stepAudience)
}

// parties is step 4.
func (c *check) parties() {
	switch {
	case len(c.claims.Audience) < 2:
		c.report.inapplicable(stepParties, "there is only one audience")
	case c.claims.AuthorizedParty == nil:
		c.report.fail(stepParties, errors.New("azp is missing, but aud has several values"))
	default:
		c.report.valid(stepParties)
	}
}

// party is step 5.
func (c *check) party() {
	azp := c.claims.AuthorizedParty
	switch {
	case azp == nil:
		c.report.inapplicable(stepParty, "the token has no azp")
	case *azp != c.v.ClientID && !slices.Contains(c.v.AuthorizedParties, *azp):
		c.report.fail(stepParty, fmt.Errorf("azp is %s, expected the client_id %s: if you trust this client, add it to AuthorizedParties", jose.Quote(*azp), jose.Quote(c.v.ClientID)))
	default:
		c.report.valid(stepParty)
	}
}

// alg is step 7. It runs before step 6 because it needs no key.
func (c *check) alg() {
	err := c.jws.Header.CheckAlg(c.v.algs())
	switch {
	case err != nil && c.jws.Header.IsHMAC():
		err = fmt.Errorf("%w: it is signed with the client secret. Configure the server to sign with RS256 or ES256. Otherwise set Config.IDTokenAlgs, and set Config.IDTokenKeys to idtoken.SecretKeys (Verifier.Algs and Verifier.Keys)", err)
	case err != nil:
		err = fmt.Errorf("%w: change Config.IDTokenAlgs (Verifier.Algs) or the server", err)
	}
	c.report.judge(stepAlg, err)
}

// signature is steps 6 and 8. If an earlier step has failed, it does not use the keys, so
// that such a token causes no request for them.
func (c *check) signature() {
	if !c.report.passed(stepIssuer, stepAudience, stepParties, stepParty, stepAlg) {
		return
	}
	if c.v.InsecureSkipSignature && c.want.FromTokenEndpoint && !c.want.FrontChannel {
		const reason = "TLS to the token endpoint authenticates the token (InsecureSkipSignature)"
		c.report.skip(stepSignature, reason)
		if err := c.v.acceptTenant(c.ctx, c.claims.TenantID.value); err != nil {
			c.report.fail(stepKey, err)
			return
		}
		c.report.skip(stepKey, reason)
		return
	}
	err := jose.VerifyWith(c.ctx, c.v.Keys, c.raw, c.jws)
	if err == nil {
		err = c.keyIssuer()
	}
	switch {
	case err == nil:
		c.report.valid(stepSignature)
		c.report.valid(stepKey)
	case errors.Is(err, jose.ErrSignature):
		c.report.fail(stepSignature, err)
		c.report.valid(stepKey)
	default:
		c.report.fail(stepKey, err)
	}
}

// expiry is step 9.
func (c *check) expiry() {
	exp := c.claims.Expiry.Time
	switch {
	case exp.IsZero():
		c.report.fail(stepExpiry, errors.New("exp is missing: correct the server (OpenID Connect Core §2)"))
	case !c.now.Before(exp.Add(c.v.skew())):
		c.report.fail(stepExpiry, c.expired(exp))
	case jose.IsMilliseconds(exp):
		c.report.fail(stepExpiry, fmt.Errorf("exp is %s, more than ten years after now (%s): this is a number of milliseconds, expected seconds: correct the server", stamp(exp), stamp(c.now)))
	case exp.After(c.now.AddDate(10, 0, 0)):
		c.report.fail(stepExpiry, fmt.Errorf("exp is %s, more than ten years after now (%s)%s", stamp(exp), stamp(c.now), c.clocks()))
	default:
		c.report.valid(stepExpiry)
	}
}

// issued is step 10.
func (c *check) issued() {
	iat, latest := c.claims.IssuedAt.Time, c.now.Add(c.v.skew())
	switch {
	case iat.IsZero():
		c.report.fail(stepIssued, errors.New("iat is missing: correct the server (OpenID Connect Core §2)"))
	case iat.After(latest):
		c.report.fail(stepIssued, c.ahead("iat", iat))
	case c.now.Sub(iat)-c.v.skew() > c.v.issuedWithin(): // subtracted, for a sum could overflow
		c.report.fail(stepIssued, c.tooOld(c.v.issuedWithin(), ": if the server issues tokens so early, increase IssuedWithin"))
	case c.claims.NotBefore.After(latest):
		c.report.fail(stepIssued, c.ahead("nbf", c.claims.NotBefore.Time))
	default:
		c.report.valid(stepIssued)
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
