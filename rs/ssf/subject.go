package ssf

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// The formats of subject identifiers: RFC 9493 §3.2 and SSF 1.0 §3.3, §3.5.
const (
	Account     = "account"
	Aliases     = "aliases"
	Complex     = "complex"
	DID         = "did"
	Email       = "email"
	IssuerSub   = "iss_sub"
	JWTID       = "jwt_id"
	Opaque      = "opaque"
	PhoneNumber = "phone_number"
	URI         = "uri"
)

// maxAliases is the maximum number of identifiers of one aliases subject.
const maxAliases = 20

// Subject is a subject identifier (RFC 9493), simple or complex. Format decides which fields
// are set. With a format that is not one of the constants, no other field is set.
type Subject struct {
	Format string // one of the constants, or another name

	Issuer      string // of iss_sub and jwt_id
	Sub         string // of iss_sub
	ID          string // of opaque
	TokenID     string // jti, of jwt_id
	Email       string // of email
	PhoneNumber string // of phone_number
	URI         string // of account, did and uri

	Identifiers []Subject          // of aliases: they all identify the same subject
	Members     map[string]Subject // of complex: "user", "session", "device", "tenant" and others
}

var (
	errNoFormat = errors.New("a subject has no format (RFC 9493 §3)")
	errNested   = errors.New("a subject inside aliases or complex is not simple")
)

// wireSubject is the JSON form of a subject.
type wireSubject struct {
	Format      *string `json:"format"`
	Issuer      *string `json:"iss"`
	Sub         *string `json:"sub"`
	ID          *string `json:"id"`
	TokenID     *string `json:"jti"`
	Email       *string `json:"email"`
	PhoneNumber *string `json:"phone_number"`
	URI         *string `json:"uri"`
	URL         *string `json:"url"`
}

// parseSubject reads one subject identifier. It ignores the members of other formats.
func parseSubject(raw []byte, outer bool) (Subject, error) {
	var head struct {
		Format *string `json:"format"`
	}
	if err := jose.Decode(raw, &head, jose.TokenLimits); err != nil {
		return Subject{}, err
	}
	if head.Format == nil || *head.Format == "" {
		return Subject{}, errNoFormat
	}
	switch *head.Format {
	case Aliases:
		return parseAliases(raw, outer)
	case Complex:
		return parseComplex(raw, outer)
	case Account, DID, Email, IssuerSub, JWTID, Opaque, PhoneNumber, URI:
		return parseSimple(raw, *head.Format)
	}
	return Subject{Format: *head.Format}, nil
}

// parseSimple requires every member of the format to be present and not empty.
func parseSimple(raw []byte, format string) (Subject, error) {
	var w wireSubject
	if err := jose.Decode(raw, &w, jose.TokenLimits); err != nil {
		return Subject{}, err
	}
	s := Subject{Format: format}
	var err error
	need := func(to *string, name string, from *string) {
		if from == nil || *from == "" {
			err = errors.Join(err, fmt.Errorf("a subject of format %s has no %s (RFC 9493 §3.2)", format, name))
			return
		}
		*to = *from
	}
	switch format {
	case IssuerSub:
		need(&s.Issuer, "iss", w.Issuer)
		need(&s.Sub, "sub", w.Sub)
	case JWTID:
		need(&s.Issuer, "iss", w.Issuer)
		need(&s.TokenID, "jti", w.TokenID)
	case Opaque:
		need(&s.ID, "id", w.ID)
	case Email:
		need(&s.Email, "email", w.Email)
	case PhoneNumber:
		need(&s.PhoneNumber, "phone_number", w.PhoneNumber)
	case DID:
		need(&s.URI, "url", w.URL)
	case Account, URI:
		need(&s.URI, "uri", w.URI)
	}
	if err != nil {
		return Subject{}, err
	}
	return s, nil
}

// parseAliases reads RFC 9493 §3.2.8. Aliases must not be nested.
func parseAliases(raw []byte, outer bool) (Subject, error) {
	if !outer {
		return Subject{}, errNested
	}
	var w struct {
		Identifiers []jsontext.Value `json:"identifiers"`
	}
	if err := jose.Decode(raw, &w, jose.TokenLimits); err != nil {
		return Subject{}, err
	}
	if len(w.Identifiers) == 0 || len(w.Identifiers) > maxAliases {
		return Subject{}, fmt.Errorf("a subject of format aliases has %d identifiers, expected 1 to %d", len(w.Identifiers), maxAliases)
	}
	s := Subject{Format: Aliases}
	for _, v := range w.Identifiers {
		one, err := parseSubject(v, false)
		if err != nil {
			return Subject{}, err
		}
		s.Identifiers = append(s.Identifiers, one)
	}
	return s, nil
}

// parseComplex reads SSF 1.0 §3.3. Each member is a simple subject, or aliases.
func parseComplex(raw []byte, outer bool) (Subject, error) {
	if !outer {
		return Subject{}, errNested
	}
	var w map[string]jsontext.Value
	if err := jose.Decode(raw, &w, jose.TokenLimits); err != nil {
		return Subject{}, err
	}
	s := Subject{Format: Complex, Members: map[string]Subject{}}
	for name, v := range w {
		if name == "format" || v.Kind() != '{' { // members that are not subjects are ignored, SSF 1.0 §4.2.3
			continue
		}
		one, err := parseMember(v)
		if err != nil {
			return Subject{}, err
		}
		s.Members[name] = one
	}
	if len(s.Members) == 0 {
		return Subject{}, errors.New("a subject of format complex has no members")
	}
	return s, nil
}

func parseMember(v jsontext.Value) (Subject, error) {
	one, err := parseSubject(v, true)
	if err == nil && one.Format == Complex {
		err = errNested
	}
	return one, err
}
