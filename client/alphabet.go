package client

import "errors"

// The alphabets of RFC 6749 appendix A. Codes, tokens and identifiers are made of VSCHAR:
// printable ASCII, spaces included. A value that goes into a header is limited to visible
// characters, because a space would end it (RFC 6750 §2.1).

// printable reports whether s consists of VSCHAR (%x20-7E).
func printable(s string) bool { return consistsOf(s, 0x20) }

// visible reports whether s consists of visible ASCII (%x21-7E).
func visible(s string) bool { return consistsOf(s, 0x21) }

func consistsOf(s string, lowest byte) bool {
	for i := range len(s) {
		if s[i] < lowest || s[i] > 0x7e {
			return false
		}
	}
	return true
}

var (
	errAccessTokenAlphabet  = errors.New("access_token contains a space or a character that is not printable ASCII; it could not be sent in a header")
	errIDTokenAlphabet      = errors.New("id_token contains a space or a character that is not printable ASCII; that is not a JWT")
	errRefreshTokenAlphabet = errors.New("refresh_token contains a character that is not printable ASCII")
)

// checkAlphabets checks the tokens of a response. What a token exchange returns as N_A is
// never sent in a header, and may be a refresh token.
func (t *tokenResponse) checkAlphabets() error {
	fits := visible
	if t.kind() == notApplicable {
		fits = printable
	}
	switch {
	case !fits(t.AccessToken):
		return errAccessTokenAlphabet
	case !visible(t.IDToken):
		return errIDTokenAlphabet
	case !printable(t.RefreshToken):
		return errRefreshTokenAlphabet
	}
	return nil
}
