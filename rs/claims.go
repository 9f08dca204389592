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

// claims is what the package reads of an access token (RFC 9068 §2.2, RFC 9470 §6.1)
// or of an introspection answer (RFC 7662 §2.2, RFC 9470 §6.2), in one pass over the
// text: this is the hot path, and a second pass for the names that are configuration would
// double it.
type claims struct {
	dialect dialect
	answer  *answerClaims // of an introspection answer; nil for a token

	principal Principal // filled in place: it is what remains

	tenant                      string // of Entra ID
	party                       string // azp
	standardClient              string // client_id, where ClientIDClaim is another one
	expiry, issuedAt, notBefore jose.NumericDate
	authTime                    jose.OptionalDate
	cnf, act, details           jsontext.Value

	wrong   string // the claim that could not be read
	marks   int    // how many of the dialect's claims are as they must be
	nonce   bool   // nonce is there, which some servers write into access tokens too
	idToken bool   // a claim of ID tokens alone is there
	other   bool   // the token says itself that it is no access token
	access  bool   // the token says itself that it is no ID token
	mark    string // auth_time, sid or email is there, which ID tokens have more often
	event   bool   // a claim of security event tokens, or of signed introspection answers
	fault   error  // a claim whose name or form is configuration is not as configured
}

// answerClaims are those that only the introspection endpoint adds.
type answerClaims struct {
	active                   *bool
	tokenType, tokenUse, typ string
	expired                  bool // exp is 0
}

var (
	errType     = errors.New("a claim of the wrong type")
	errSubject  = errors.New("the user's claim is not a string: set SubjectClaim to the claim that names the user")
	errClientID = errors.New("the client ID's claim is missing or not a string: set JWT.ClientIDClaim to the claim that names the client")
)

// UnmarshalJSONFrom implements the strict decoder's interface. The decoder itself
// refuses duplicate names and invalid UTF-8 at any depth.
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

// decode reads the one object that payload must be.
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

// set takes one member. Servers write null for what they have not into introspection
// answers; in a token it is a wrong type.
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
		if c.answer != nil && string(v) == "0" { // for none
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

// setDialect takes what is configuration: a fault in it is told apart, because it is
// the configuration that may be wrong.
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

// setAudience reads a string or an array of strings, RFC 7519 §4.1.3.
func (c *claims) setAudience(v jsontext.Value) error {
	if v.Kind() == '"' {
		c.principal.Audience = make([]string, 1)
		return setText(&c.principal.Audience[0], v, c.dialect.audience)
	}
	return setList(&c.principal.Audience, v)
}

// setMethods reads an array of strings (RFC 8176 §1). One string is a list of one.
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
	case "iat", "nbf", "auth_time": // of servers that write 0 for what they have not
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

// otherKinds are what servers (Keycloak, Cognito, idpyoidc, AM) call their JWTs that are no
// access tokens, in a claim.
var otherKinds = [][]byte{[]byte(`"id"`), []byte(`"id_token"`), []byte(`"refresh"`), []byte(`"refresh_token"`), []byte(`"offline"`), []byte(`"logout"`)}

// notIDKinds are what servers call their JWTs that are no ID tokens.
var notIDKinds = [][]byte{[]byte(`"bearer"`), []byte(`"dpop"`), []byte(`"access"`), []byte(`"access_token"`), []byte(`"at+jwt"`), []byte(`"refresh"`), []byte(`"refresh_token"`), []byte(`"offline"`), []byte(`"logout"`)}

func names(kinds [][]byte, v jsontext.Value) bool {
	return slices.ContainsFunc(kinds, func(kind []byte) bool { return bytes.EqualFold(kind, v) })
}

// setText reads a string. Of one that is as expected the text is shared.
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

// unquote gives the text of a JSON string: where it stands, if nothing in it is escaped.
func unquote(to []byte, v jsontext.Value) ([]byte, error) {
	if raw := v[1 : len(v)-1]; bytes.IndexByte(raw, '\\') < 0 {
		return raw, nil
	}
	return jsontext.AppendUnquote(to, v)
}

// setList reads an array of strings out of v, which the decoder has found to be JSON.
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

// endOfText is where the JSON string ends that begins at i.
func endOfText(v jsontext.Value, i int) int {
	for i++; v[i] != '"'; i++ {
		if v[i] == '\\' {
			i++
		}
	}
	return i + 1
}
