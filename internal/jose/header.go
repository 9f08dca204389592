package jose

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

const maxKeyID = 256

// Header holds the members of a JOSE header that the module uses. Members that contain or point to
// a key (jku, x5u, x5c, x5t) are ignored. A token must not choose the key that verifies it (RFC
// 8725 §3.10).
type Header struct {
	Alg, Kid, Typ, Cty string
	Enc                string         // of a JWE
	JWK                jsontext.Value // of a DPoP proof, RFC 9449 §4.2; ignored elsewhere
	zip                bool
}

// wireHeader is the header in its encoded form.
type wireHeader struct {
	Alg  text           `json:"alg"`
	Kid  text           `json:"kid"`
	Typ  text           `json:"typ"`
	Cty  text           `json:"cty"`
	Enc  text           `json:"enc"`
	JWK  jsontext.Value `json:"jwk"`
	Crit jsontext.Value `json:"crit"`
	B64  jsontext.Value `json:"b64"`
	Zip  jsontext.Value `json:"zip"`
}

// text is a string that may be absent but not null.
type text string

var errNull = errors.New("a member is not a string")

// UnmarshalJSONFrom implements the strict decoder's interface.
func (t *text) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	tok, err := d.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() != '"' {
		return errNull
	}
	*t = text(tok.String())
	return nil
}

func parseHeader(raw []byte) (Header, error) {
	var w wireHeader
	if err := Decode(raw, &w, Limits{Bytes: maxHeader, Depth: 16, Members: 250}); err != nil {
		return Header{}, fmt.Errorf("header: %w", err)
	}
	switch {
	case w.Alg == "":
		return Header{}, errors.New("header: alg is missing")
	case len(w.Kid) > maxKeyID:
		return Header{}, fmt.Errorf("header: kid has %d bytes, expected at most %d", len(w.Kid), maxKeyID)
	case w.Crit != nil: // RFC 7515 §4.1.11: no extension is understood here
		return Header{}, errors.New("header: crit is not supported")
	case w.B64 != nil: // RFC 7797 §6
		return Header{}, errors.New("header: b64 is not supported")
	}
	return Header{
		Alg: string(w.Alg), Kid: string(w.Kid), Typ: string(w.Typ), Cty: string(w.Cty),
		Enc: string(w.Enc), JWK: w.JWK, zip: w.Zip != nil,
	}, nil
}

// Kind is the purpose of a JWT, as the typ values that it may have (RFC 8725 §3.11). The
// first value is used for new tokens. "" means that typ may be absent.
type Kind []string

// The kinds of JWT that the module accepts.
var (
	IDToken     = Kind{"JWT", ""}               // OIDC Core defines no typ
	AccessToken = Kind{"at+jwt"}                // RFC 9068 §2.1
	LogoutToken = Kind{"logout+jwt", ""}        // Back-Channel Logout 2.4 recommends the first
	DraftLogout = Kind{"logout+jwt", "", "JWT"} // the drafts defined no typ
)

// CheckTyp returns an error unless typ is one of the kind's values. It ignores case and a
// leading "application/", RFC 7515 §4.1.9.
func (h Header) CheckTyp(k Kind) error {
	for _, want := range k {
		if h.Typ == want || want != "" && strings.EqualFold(trimMediaType(h.Typ), want) {
			return nil
		}
	}
	return fmt.Errorf("header: typ is %s, expected one of %q", Quote(h.Typ), []string(k))
}

func trimMediaType(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && strings.EqualFold(typ[:len(prefix)], prefix) {
		return typ[len(prefix):]
	}
	return typ
}
