package tokenview

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/rs"
)

// skew is the module's default.
const skew = 30 * time.Second

// accessCheck is a check of an access token before it was made.
type accessCheck struct {
	test, clause string
	claims       []string
	run          func(ctx context.Context, t *Token, o Options) (Result, string)
}

// accessChecks are the list of RFC 9068 section 4, in its order, and the claims that section
// 2.2 requires. What an API checks in addition comes last.
var accessChecks = []accessCheck{
	{"Readable: a signed JWT without duplicate members", "RFC 7515 section 5.2", nil, readable},
	{"Type (typ) is at+jwt", "RFC 9068 section 4", []string{"typ"}, typ},
	{"Encrypted, if encryption is configured", "RFC 9068 section 4", nil, func(_ context.Context, t *Token, _ Options) (Result, string) { return t.encrypted() }},
	{"Issuer (iss) is the configured one", "RFC 9068 section 4", []string{"iss"}, issuer},
	{"Audience (aud) contains this API", "RFC 9068 section 4", []string{"aud"}, audience},
	{"Algorithm (alg) is an allowed one, and not none", "RFC 9068 section 4", []string{"alg"}, algorithm},
	{"Signature verifies by a key of the issuer", "RFC 9068 section 4", []string{"kid"}, signature},
	{"Not expired (exp)", "RFC 9068 section 4", []string{"exp"}, expiry},
	{"Issued (iat, nbf) not in the future", "RFC 9068 section 2.2", []string{"iat", "nbf"}, issued},
	{"Subject (sub) is named", "RFC 9068 section 2.2", []string{"sub"}, required("sub")},
	{"Client (client_id) is named", "RFC 9068 section 2.2", []string{"client_id"}, required("client_id")},
	{"Identifier (jti) is there", "RFC 9068 section 2.2", []string{"jti"}, required("jti")},
	{"Scope covers the request", "RFC 9068 section 2.2.3", []string{"scope"}, scope},
	{"Sender holds the bound key (cnf)", "RFC 9449 section 7, RFC 8705 section 3", []string{"cnf"}, binding},
}

// AccessTokenRows returns the rows of the list without results.
func AccessTokenRows() (rows []Check) {
	for i, a := range accessChecks {
		rows = append(rows, Check{Number: i + 1, Test: a.test, Clause: a.clause, Claims: a.claims})
	}
	return rows
}

// AccessTokenChecks returns the checks of RFC 9068. If rs.JWT rejects the token for a reason that
// no other row has, the first row has it.
func (t *Token) AccessTokenChecks(ctx context.Context, o Options) (checks []Check) {
	for i, a := range accessChecks {
		result, reason := a.run(ctx, t, o)
		checks = append(checks, Check{i + 1, a.test, a.clause, result, printable(reason), a.claims})
	}
	if !allPassed(checks) {
		return checks
	}
	if err := t.verdict(ctx, o); err != nil {
		checks[0].Result, checks[0].Reason = Failed, "rs.JWT rejects the token: "+reasonOf(err)
	}
	return checks
}

// verdict is the result of the module. A token that is bound to a key needs a proof, which is not
// part of the token.
func (t *Token) verdict(ctx context.Context, o Options) error {
	j := &rs.JWT{
		Issuer: or(o.Issuer, t.text("iss")), Audience: or(o.Audience, t.audience()), Keys: o.keys(), Algs: t.algs(), Typ: o.Typ, Now: o.Now,
		DecryptionKeys: t.keys, InsecureRSAOAEP: t.envelope.sha1(),
	}
	if o.Typ != "" && t.claims["client_id"] == nil && t.claims["azp"] != nil {
		j.ClientIDClaim = "azp"
	}
	_, err := j.VerifyToken(ctx, t.received)
	if errors.Is(err, errNotFetched) || err != nil && strings.Contains(err.Error(), "does not prove possession") {
		return nil
	}
	return err
}

func readable(_ context.Context, t *Token, _ Options) (Result, string) {
	if !t.signed {
		return Failed, "the signature is empty"
	}
	return Valid, ""
}

// plainTyp is the typ without what RFC 7515 section 4.1.9 lets be left out.
func plainTyp(s string) string { return strings.TrimPrefix(strings.ToLower(s), "application/") }

func typ(_ context.Context, t *Token, o Options) (Result, string) {
	got, _ := t.header["typ"].(string)
	switch want := or(o.Typ, "at+jwt"); {
	case plainTyp(got) == plainTyp(want) || got == "" && want == rs.NoTyp:
		return Valid, ""
	case o.Typ != "":
		return Failed, fmt.Sprintf("typ is %q, expected %q", got, want)
	default:
		return Failed, fmt.Sprintf("typ is %q, expected \"at+jwt\": the server does not follow RFC 9068. Set JWT.Typ and JWT.Claims to the values of its access tokens, and pass -typ here", got)
	}
}

func issuer(_ context.Context, t *Token, o Options) (Result, string) {
	switch got := t.text("iss"); {
	case got == "":
		return Failed, "iss is missing"
	case o.Issuer == "":
		return NotChecked, "-issuer is not set: any value is accepted here"
	case got != o.Issuer:
		return Failed, fmt.Sprintf("iss is %q, expected %q", got, o.Issuer)
	}
	return Valid, ""
}

func audience(_ context.Context, t *Token, o Options) (Result, string) {
	all := t.audiences()
	switch {
	case len(all) == 0:
		return Failed, "aud is missing: configure the server to put the API's identifier into its access tokens"
	case o.Audience == "":
		return NotChecked, "-audience is not set: any value is accepted here"
	case !slices.Contains(all, o.Audience):
		return Failed, fmt.Sprintf("aud is %q, expected %q: a token for another API must not be accepted", strings.Join(all, " "), o.Audience)
	}
	return Valid, ""
}

func algorithm(_ context.Context, t *Token, _ Options) (Result, string) {
	switch alg, _ := t.header["alg"].(string); {
	case alg == "" || strings.EqualFold(alg, "none"):
		return Failed, "the token is not signed: anyone can forge it"
	case strings.HasPrefix(alg, "HS"):
		return Failed, fmt.Sprintf("alg is %q: the API would need the secret that signs tokens. Configure the server to sign with RS256 or ES256, or use rs.Introspection", alg)
	case alg == "RS256":
		return Valid, ""
	default:
		return Valid, fmt.Sprintf("alg is %q, and the default accepts only RS256: set JWT.Algs to %[1]q", alg)
	}
}

func signature(ctx context.Context, t *Token, o Options) (Result, string) {
	if o.Keys == nil {
		return NotChecked, reasonOf(errNotFetched)
	}
	if _, err := o.Keys.VerifySignature(ctx, t.raw); err != nil {
		return Failed, reasonOf(err)
	}
	return Valid, ""
}

// time returns a claim that is a NumericDate.
func (t *Token) time(name string) (at time.Time, ok bool) {
	seconds, ok := t.claims[name].(float64)
	if !ok || seconds < 0 || seconds > 1e11 {
		return at, false
	}
	return time.UnixMilli(int64(seconds * 1000)), true
}

func expiry(_ context.Context, t *Token, o Options) (Result, string) {
	exp, ok := t.time("exp")
	switch {
	case !ok:
		return Failed, "exp is missing or not a time"
	case !o.now().Before(exp.Add(skew)):
		return Failed, fmt.Sprintf("the token expired %s ago: if it is new, compare the clocks", jose.Duration(o.now().Sub(exp).Round(time.Second)))
	}
	return Valid, ""
}

func issued(_ context.Context, t *Token, o Options) (Result, string) {
	if _, ok := t.time("iat"); !ok && (o.Typ == "" || t.claims["iat"] != nil) {
		return Failed, "iat is missing or not a time"
	}
	for _, name := range []string{"iat", "nbf"} {
		if at, ok := t.time(name); ok && at.After(o.now().Add(skew)) {
			return Failed, fmt.Sprintf("%s is %s in the future: compare the clocks", name, jose.Duration(at.Sub(o.now()).Round(time.Second)))
		}
	}
	return Valid, ""
}

// required is for a claim of at+jwt. Other access tokens need not have it.
func required(name string) func(context.Context, *Token, Options) (Result, string) {
	return func(_ context.Context, t *Token, o Options) (Result, string) {
		switch {
		case t.text(name) != "":
			return Valid, ""
		case o.Typ != "" && plainTyp(o.Typ) != "at+jwt" && t.claims[name] == nil:
			return NotApplicable, name + " is missing; only typ at+jwt requires it"
		}
		return Failed, name + " is missing or not a string"
	}
}

func scope(_ context.Context, t *Token, _ Options) (Result, string) {
	if s := t.text("scope"); s != "" {
		return NotChecked, "granted: " + s + ". The API compares it with what each route requires (rs.RequireScope)"
	}
	return NotApplicable, "the token has no scope"
}

func binding(_ context.Context, t *Token, _ Options) (Result, string) {
	cnf, _ := t.claims["cnf"].(map[string]any)
	switch {
	case t.claims["cnf"] == nil:
		return NotApplicable, "a bearer token: anyone who has it can use it"
	case cnf["jkt"] != nil:
		return NotChecked, "the API checks the DPoP proof of the request (rs.Protection.DPoP)"
	case cnf["x5t#S256"] != nil:
		return NotChecked, "the API checks the client's certificate (rs.Protection.MTLS)"
	}
	return Failed, "cnf has no member that rs knows: the token cannot be used"
}
