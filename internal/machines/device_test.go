package machines_test

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"github.com/countersign/countersign/internal/optest"
)

// bound is what a browser knows of a session: its cookies, the challenge of the offer, and the
// identifier of the bound session.
type bound struct{ Cookie, Challenge, ID string }

var (
	offer     = regexp.MustCompile(`challenge="([^"]+)"`)
	challenge = regexp.MustCompile(`^"([^"]+)"`)
)

// withBound reads the argument of the operations with device-bound sessions, and returns the
// changed one.
func withBound(arg string, do func(b *bound) string) string {
	var b bound
	if err := json.Unmarshal([]byte(arg), &b); err != nil {
		return err.Error()
	}
	if wrong := do(&b); wrong != "" {
		return wrong
	}
	text, _ := json.Marshal(b) // strings
	return string(text)
}

// signInOffered signs a user in with a browser that can bind the session.
func (p *program) signInOffered(user string) string {
	done, wrong := p.callback(p.boundMux, user)
	if wrong != "" {
		return wrong
	}
	offered := offer.FindStringSubmatch(done.Header.Get("Secure-Session-Registration"))
	if offered == nil {
		return "the session is not offered to be bound"
	}
	text, _ := json.Marshal(bound{Cookie: sessionCookie(done), Challenge: offered[1]})
	return string(text)
}

// deviceProof signs a challenge with the key of the device.
func (p *program) deviceProof(challenge string, withKey bool) string {
	private, err := x509.ParsePKCS8PrivateKey(p.Device)
	if err != nil {
		return err.Error()
	}
	key, header := optest.Key{Alg: "ES256", Private: private.(crypto.Signer)}, map[string]any{"typ": "dbsc+jwt", "kid": nil}
	if withKey {
		jwk := key.JWK()
		for _, name := range []string{"kid", "alg", "use"} {
			delete(jwk, name)
		}
		header["jwk"] = jwk
	}
	return key.Sign(map[string]any{"jti": challenge}, header)
}

func (p *program) device(header map[string]string) *http.Response {
	r := p.to("POST", "/device-session", nil)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return answer(p.boundMux, r)
}

// bindDevice registers the key of the device.
func (p *program) bindDevice(arg string) string {
	return withBound(arg, func(b *bound) string {
		done := p.device(map[string]string{"Cookie": b.Cookie, "Secure-Session-Response": p.deviceProof(b.Challenge, true)})
		var instructions struct {
			ID string `json:"session_identifier"`
		}
		if err := json.NewDecoder(done.Body).Decode(&instructions); err != nil || done.StatusCode != http.StatusOK {
			return "registration: " + done.Status
		}
		b.ID, b.Cookie = instructions.ID, b.Cookie+"; "+cookies(done)
		return ""
	})
}

// refreshDevice gets a new bound cookie: the first request gets a challenge, and the second one
// proves the key.
func (p *program) refreshDevice(arg string) string {
	return withBound(arg, func(b *bound) string {
		first := p.device(map[string]string{"Sec-Secure-Session-Id": b.ID})
		asked := challenge.FindStringSubmatch(first.Header.Get("Secure-Session-Challenge"))
		if asked == nil {
			return "challenge: " + first.Status
		}
		done := p.device(map[string]string{"Sec-Secure-Session-Id": b.ID, "Secure-Session-Response": p.deviceProof(asked[1], false)})
		if done.StatusCode != http.StatusOK {
			return "refresh: " + done.Status
		}
		session, _, _ := strings.Cut(b.Cookie, ";")
		b.Cookie = session + "; " + cookies(done)
		return ""
	})
}

// requestBound is a request with the bound cookie.
func (p *program) requestBound(arg string) string { return p.asBound(arg, "GET", "/plain") }

func (p *program) signOutBound(arg string) string { return p.asBound(arg, "POST", "/logout") }

func (p *program) asBound(arg, method, path string) string {
	var b bound
	if err := json.Unmarshal([]byte(arg), &b); err != nil {
		return err.Error()
	}
	r := p.to(method, path, nil)
	r.Header.Set("Cookie", b.Cookie)
	return answer(p.boundMux, r).Status
}
