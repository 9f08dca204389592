package jose

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

const maxKeyID = 256

// Header holds the members of a JOSE header that the module acts on. Members
// that carry or point to a key (jku, x5u, x5c, x5t) are read by nobody:
// a token does not choose who vouches for it (RFC 8725 §3.10).
type Header struct {
	Alg, Kid, Typ, Cty string
	Enc                string         // of a JWE
	JWK                jsontext.Value // of a DPoP proof, RFC 9449 §4.2; nobody else looks at it
	zip                bool
}

// wireHeader is the header as it stands on the wire.
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

// text is a string that may be left out but not be null.
type text string

var errNull = errors.New("null where a string must be")

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
		return Header{}, fmt.Errorf("header: a kid of %d bytes", len(w.Kid))
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

// Kind says what a JWT is used for, by the typ values that it may carry
// (RFC 8725 §3.11). The first value is the one to write; "" means that typ may
// be left out.
type Kind []string

// The kinds of JWT that the module reads.
var (
	IDToken     = Kind{"JWT", ""}               // OIDC Core names no typ
	AccessToken = Kind{"at+jwt"}                // RFC 9068 §2.1
	LogoutToken = Kind{"logout+jwt", ""}        // Back-Channel Logout 2.4 recommends the first
	DraftLogout = Kind{"logout+jwt", "", "JWT"} // its drafts had no typ of their own
)

// CheckTyp reports an error unless typ is one of the kind's. Media types are
// compared without regard to case and with "application/" left out, RFC 7515 §4.1.9.
func (h Header) CheckTyp(k Kind) error {
	for _, want := range k {
		if h.Typ == want || want != "" && strings.EqualFold(trimMediaType(h.Typ), want) {
			return nil
		}
	}
	return fmt.Errorf("header: typ %s is not one of %q", Quote(h.Typ), []string(k))
}

func trimMediaType(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && strings.EqualFold(typ[:len(prefix)], prefix) {
		return typ[len(prefix):]
	}
	return typ
}
