package rs

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// claims are the claims that this package reads. They are from an access token (RFC 9068 §2.2, RFC
// 9470 §6.1) or an introspection response (RFC 7662 §2.2, RFC 9470 §6.2). They are read in one
// pass, because this is the hot path: a second pass for the configured names would double the cost.
type claims struct {
	dialect dialect
	answer  *answerClaims // of an introspection response; nil for a token

	principal Principal // filled in place

	tenant                      string // tid, of Entra ID
	party                       string // azp
	standardClient              string // client_id, if ClientIDClaim has another name
	expiry, issuedAt, notBefore jose.NumericDate
	authTime                    jose.OptionalDate
	cnf, act, details           jsontext.Value

	wrong   string // the claim that could not be read
	marks   int    // how many of the claims in dialect.claims have the required value
	nonce   bool   // the token has nonce, which some servers also write into access tokens
	idToken bool   // the token has a claim that only ID tokens have
	other   bool   // a claim says that the token is not an access token
	access  bool   // a claim says that the token is not an ID token
	mark    string // the name of auth_time, sid or email if present: ID tokens have these more often
	event   bool   // the token has a claim of security event tokens or of signed introspection responses
	fault   error  // what is wrong with a claim that the configuration names
}

// answerClaims are the members that only introspection responses have.
type answerClaims struct {
	active                   *bool
	tokenType, tokenUse, typ string
	expired                  bool // exp is 0
}

var (
	errType     = errors.New("a claim has the wrong type")
	errSubject  = errors.New("the claim with the user is not a string: correct the server, or set Introspection.SubjectClaim to the claim with the user")
	errClientID = errors.New("the claim with the client ID is missing or not a string: set JWT.ClientIDClaim to the claim that names the client")
)

// UnmarshalJSONFrom implements the strict decoder's interface. The decoder rejects duplicate
// names and invalid UTF-8 at any depth.
func (c *claims) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadValue()
		if err != nil {
			return err
		}
		var buf [64]byte
		unquoted, err := unquote(buf[:0], name)
		if err != nil {
			return err
		}
		v, err := d.ReadValue()
		if err != nil {
			return err
		}
		if err := c.set(unquoted, v); err != nil {
			c.wrong = string(unquoted)
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// decode reads payload, which must be one JSON object.
func (c *claims) decode(payload []byte) error {
	simple, err := c.decodeSimple(payload)
	if !simple {
		err = jose.Decode(payload, c, jose.TokenLimits)
	}
	if err != nil && c.wrong != "" {
		return fmt.Errorf("%s has the wrong type or value", jose.Quote(c.wrong))
	}
	return err
}

// set reads one member. In introspection responses, servers write null for values that they do
// not have. In a token, null is a wrong type.
func (c *claims) set(name []byte, v jsontext.Value) error {
	if c.answer != nil {
		if v.Kind() == 'n' {
			return nil
		}
		if known, err := c.answer.set(name, v); known {
			return err
		}
	}
	c.setDialect(name, v)
	switch string(name) {
	case "iss":
		return setText(&c.principal.Issuer, v, c.dialect.issuer)
	case "sub":
		if c.dialect.subject == "" {
			return setText(&c.principal.Subject, v, "")
		}
	case "jti":
		return setText(&c.principal.ID, v, "")
	case "sid":
		c.mark = "sid"
		c.inform(claimSID, setText(&c.principal.SessionID, v, ""))
	case "acr":
		c.inform(claimACR, setText(&c.principal.ACR, v, ""))
	case "tid":
		if c.dialect.tenants {
			return setText(&c.tenant, v, "")
		}
	case "azp":
		return setText(&c.party, v, c.dialect.audience)
	case "aud":
		return c.setAudience(v)
	case "exp":
		return c.expiry.Parse(v)
	case "iat":
		return c.issuedAt.Parse(v)
	case "nbf":
		if c.answer != nil && string(v) == "0" { // 0 means no nbf
			return nil
		}
		return c.notBefore.Parse(v)
	case "email":
		c.mark = "email"
	case "auth_time":
		c.mark = "auth_time"
		c.inform(claimAuthTime, c.authTime.Parse(v))
	case "amr":
		c.inform(claimAMR, c.setMethods(v))
	case "cnf":
		c.cnf = v.Clone()
	case "act":
		c.act = v.Clone()
	case "authorization_details":
		c.details = v.Clone()
	case "typ", "token_use", "token_class", "tokenName":
		c.other = c.other || names(otherKinds, v)
		c.access = c.access || names(notIDKinds, v)
	case "nonce":
		c.nonce = true
	case "at_hash", "c_hash", "s_hash":
		c.idToken = true
	case "status":
		c.principal.status = statusOf(v)
	case "pi.sri":
		if setText(&c.principal.sri, v, "") != nil {
			c.principal.sri = unreadableSRI
		}
	case "events", "token_introspection":
		c.event = true
	}
	return nil
}

// setDialect reads the claims that the configuration names. It keeps the fault for later,
// because the configuration may be wrong and not the token.
func (c *claims) setDialect(name []byte, v jsontext.Value) {
	if string(name) == c.dialect.scopeName() {
		c.note(c.dialect.readScopes(&c.principal.Scopes, v))
	}
	if c.dialect.subject != "" && string(name) == c.dialect.subject {
		if setText(&c.principal.Subject, v, "") != nil {
			c.note(errSubject)
		}
	}
	if string(name) == c.dialect.clientIDName() {
		if setText(&c.principal.ClientID, v, "") != nil {
			c.note(errClientID)
		}
	}
	if c.dialect.strict && c.dialect.clientID != "" && string(name) == "client_id" && setText(&c.standardClient, v, "") != nil {
		c.note(errClientID)
	}
	if want, ok := c.dialect.claims[string(name)]; ok {
		var got string
		if setText(&got, v, want) == nil && got == want {
			c.marks++
		}
	}
}

func (c *claims) note(err error) {
	if c.fault == nil {
		c.fault = err
	}
}

// setAudience reads aud: a string or an array of strings, RFC 7519 §4.1.3.
func (c *claims) setAudience(v jsontext.Value) error {
	if v.Kind() == '"' {
		c.principal.Audience = make([]string, 1)
		return setText(&c.principal.Audience[0], v, c.dialect.audience)
	}
	return setList(&c.principal.Audience, v)
}

// setMethods reads amr: an array of strings (RFC 8176 §1). One string counts as an array of
// one.
func (c *claims) setMethods(v jsontext.Value) error {
	if v.Kind() != '"' {
		return setList(&c.principal.AMR, v)
	}
	c.principal.AMR = make([]string, 1)
	return setText(&c.principal.AMR[0], v, "")
}

func (a *answerClaims) set(name []byte, v jsontext.Value) (known bool, err error) {
	switch string(name) {
	case "active":
		return true, json.Unmarshal(v, &a.active)
	case "exp":
		a.expired = string(v) == "0"
		return a.expired, nil
	case "iat", "nbf", "auth_time": // some servers write 0 for values that they do not have
		return string(v) == "0", nil
	case "typ":
		return true, setText(&a.typ, v, "")
	case "token_type":
		return true, setText(&a.tokenType, v, "")
	case "token_use", "token_class":
		return true, setText(&a.tokenUse, v, "")
	}
	return false, nil
}

// otherKinds are the names, in a claim, of JWTs that are not access tokens (Keycloak, Cognito,
// idpyoidc, AM).
var otherKinds = [][]byte{[]byte(`"id"`), []byte(`"id_token"`), []byte(`"refresh"`), []byte(`"refresh_token"`), []byte(`"offline"`), []byte(`"logout"`)}

// notIDKinds are the names, in a claim, of JWTs that are not ID tokens.
var notIDKinds = [][]byte{[]byte(`"bearer"`), []byte(`"dpop"`), []byte(`"access"`), []byte(`"access_token"`), []byte(`"at+jwt"`), []byte(`"refresh"`), []byte(`"refresh_token"`), []byte(`"offline"`), []byte(`"logout"`)}

func names(kinds [][]byte, v jsontext.Value) bool {
	return slices.ContainsFunc(kinds, func(kind []byte) bool { return bytes.EqualFold(kind, v) })
}

// setText reads a string. If it equals expected, it uses that string and allocates nothing.
func setText(to *string, v jsontext.Value, expected string) error {
	if err := checkText(v); err != nil {
		return err
	}
	var buf [64]byte
	b, err := unquote(buf[:0], v)
	if string(b) == expected {
		*to = expected
	} else {
		*to = string(b)
	}
	return err
}

func checkText(v jsontext.Value) error {
	if v.Kind() != '"' {
		return errType
	}
	return nil
}

// unquote returns the text of a JSON string, without a copy if nothing in it is escaped.
func unquote(to []byte, v jsontext.Value) ([]byte, error) {
	if raw := v[1 : len(v)-1]; bytes.IndexByte(raw, '\\') < 0 {
		return raw, nil
	}
	return jsontext.AppendUnquote(to, v)
}

// setList reads an array of strings from v. The decoder has checked that v is valid JSON.
func setList(to *[]string, v jsontext.Value) error {
	if v.Kind() != '[' {
		return errType
	}
	list := make([]string, 0, 1+bytes.Count(v, []byte(",")))
	for i := 1; i < len(v)-1; i++ {
		switch v[i] {
		case ' ', '\t', '\n', '\r', ',':
		case '"':
			end := endOfText(v, i)
			list = append(list, "")
			if err := setText(&list[len(list)-1], v[i:end], ""); err != nil {
				return err
			}
			i = end - 1
		default:
			return errType
		}
	}
	*to = list
	return nil
}

// endOfText returns the end of the JSON string that starts at i.
func endOfText(v jsontext.Value, i int) int {
	for i++; v[i] != '"'; i++ {
		if v[i] == '\\' {
			i++
		}
	}
	return i + 1
}
