package rs

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// claims is what the package reads of an access token (RFC 9068 §2.2, RFC 9470 §6.2)
// or of an introspection answer (RFC 7662 §2.2), in one pass over the text: this is
// the hot path, and a second pass for the names that are configuration would double it.
type claims struct {
	dialect *dialect
	answer  *answerClaims // of an introspection answer; nil for a token

	issuer, subject, clientID, id, acr    string
	tenant                                string // of Entra ID
	audience                              jose.Audience
	expiry, issuedAt, notBefore, authTime jose.Instant
	scopes, amr                           []string
	cnf, act, details                     jsontext.Value

	wrong   string // the claim that could not be read
	marks   int    // how many of the dialect's claims are as they must be
	idToken bool   // a claim of ID tokens alone is there
	event   bool   // a claim of security event tokens is there
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
	errClientID = errors.New("the client ID's claim is not a string (see ClientIDClaim)")
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
		unquoted, err := jsontext.AppendUnquote(buf[:0], name)
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
	err := jose.Decode(payload, c, jose.TokenLimits)
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
		return setText(&c.issuer, v, c.dialect.issuer)
	case "sub":
		return setText(&c.subject, v, "")
	case "jti":
		return setText(&c.id, v, "")
	case "acr":
		return setText(&c.acr, v, "")
	case "tid":
		if c.dialect.tenants {
			return setText(&c.tenant, v, "")
		}
	case "aud":
		return c.setAudience(v)
	case "exp":
		return c.expiry.Parse(v)
	case "iat":
		return c.issuedAt.Parse(v)
	case "nbf":
		return c.notBefore.Parse(v)
	case "auth_time":
		return c.authTime.Parse(v)
	case "amr":
		return setList(&c.amr, v)
	case "cnf":
		c.cnf = v.Clone()
	case "act":
		c.act = v.Clone()
	case "authorization_details":
		c.details = v.Clone()
	case "nonce", "at_hash", "c_hash", "s_hash":
		c.idToken = true
	case "events":
		c.event = true
	}
	return nil
}

// setDialect takes what is configuration: a fault in it is told apart, because it is
// the configuration that may be wrong.
func (c *claims) setDialect(name []byte, v jsontext.Value) {
	if string(name) == c.dialect.scopeName() {
		c.note(c.dialect.readScopes(&c.scopes, v))
	}
	if string(name) == c.dialect.clientIDName() {
		if setText(&c.clientID, v, "") != nil {
			c.note(errClientID)
		}
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

// setAudience has a short way for the audience that is expected, alone.
func (c *claims) setAudience(v jsontext.Value) error {
	if inner := bytes.TrimSuffix(bytes.TrimPrefix(v, []byte(`["`)), []byte(`"]`)); len(inner) == len(v)-4 && string(inner) == c.dialect.audience {
		c.audience = jose.Audience{c.dialect.audience}
		return nil
	}
	return json.Unmarshal(v, &c.audience)
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
	case "token_use":
		return true, setText(&a.tokenUse, v, "")
	}
	return false, nil
}

// setText reads a string. Of one that is as expected the text is shared.
func setText(to *string, v jsontext.Value, expected string) error {
	if v.Kind() != '"' {
		return errType
	}
	if raw := v[1 : len(v)-1]; bytes.IndexByte(raw, '\\') < 0 {
		if string(raw) == expected {
			*to = expected
		} else {
			*to = string(raw)
		}
		return nil
	}
	b, err := jsontext.AppendUnquote(nil, v)
	*to = string(b)
	return err
}

func setList(to *[]string, v jsontext.Value) error {
	if v.Kind() != '[' {
		return errType
	}
	var list []*string // a null would become an empty string
	if err := json.Unmarshal(v, &list); err != nil {
		return errType
	}
	for _, s := range list {
		if s == nil {
			return errType
		}
		*to = append(*to, *s)
	}
	return nil
}
