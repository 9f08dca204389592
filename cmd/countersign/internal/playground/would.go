package playground

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
)

// The functions of this file do what a library without a check does, with the messages of the run.
// The page shows only what they find.

// wouldAccept is for an ID token whose signature passes a weaker check.
func wouldAccept(weak func(context.Context, *lab, string) bool) func(context.Context, *lab) string {
	return func(ctx context.Context, l *lab) string {
		raw := l.lastIDToken()
		claims := payloadOf(raw)
		if claims == nil || !weak(ctx, l, raw) || !l.fits(claims) {
			return ""
		}
		return fmt.Sprintf("In this run it would have signed in %q: iss, aud and exp of the token are correct.", claims["sub"])
	}
}

// The weaker checks of a signature.
func unsigned(context.Context, *lab, string) bool { return true }

func signed(ctx context.Context, l *lab, raw string) bool {
	keys := (&discovery.Provider{Issuer: l.issuer.URL, HTTP: l.issuer.Client()}).Keys()
	_, err := keys.VerifySignature(ctx, raw)
	return err == nil
}

// signedWithPublicKey uses the server's public key as an HMAC secret.
func signedWithPublicKey(_ context.Context, l *lab, raw string) bool {
	end := strings.LastIndexByte(raw, '.')
	resp, err := l.issuer.Client().Get(l.issuer.URL + string(issuertest.JWKSEndpoint))
	if err != nil || end < 0 {
		return false
	}
	defer resp.Body.Close()
	var set struct{ Keys []map[string]any }
	if json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&set) != nil || len(set.Keys) == 0 {
		return false
	}
	public, _ := json.Marshal(set.Keys[0])
	mac := hmac.New(sha256.New, public)
	mac.Write([]byte(raw[:end]))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) == raw[end+1:]
}

// fits checks only iss, aud and exp, with a tolerance of an hour.
func (l *lab) fits(claims map[string]any) bool {
	exp, _ := claims["exp"].(float64)
	aud, _ := json.Marshal(claims["aud"])
	return claims["iss"] == l.issuer.URL && strings.Contains(string(aud), `"`+appID+`"`) &&
		l.now().Add(-time.Hour).Before(time.Unix(int64(exp), 0))
}

// lastIDToken is the ID token that came to the application last.
func (l *lab) lastIDToken() (raw string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.arrows {
		for _, t := range tokensIn(a.x) {
			if t.Name == "id_token" {
				raw = t.raw
			}
		}
	}
	return raw
}

// payloadOf are the claims of a JWT, unchecked; nil for anything else.
func payloadOf(raw string) (claims map[string]any) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil
	}
	data, _ := base64.RawURLEncoding.DecodeString(parts[1])
	_ = json.Unmarshal(data, &claims)
	return claims
}

// stillWorks opens the response in the browser that it belongs to.
func stillWorks(whose string) func(context.Context, *lab) string {
	return func(_ context.Context, l *lab) string {
		if !l.signedIn(l.deliver(l.attacker, l.stolen)) {
			return ""
		}
		return "In this run the code still worked afterwards: " + whose + " signed in with it."
	}
}

func wouldSendCode(_ context.Context, l *lab) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.arrows {
		if a.To == laneServer && a.x.Method == http.MethodPost && strings.HasSuffix(a.x.URL, string(issuertest.TokenEndpoint)) {
			return ""
		}
	}
	return "In this run it would have sent the code to " + l.issuer.URL + string(issuertest.TokenEndpoint) + ". The application sent it nowhere."
}

// wouldAnswer checks the stolen token as a plain bearer token.
func wouldAnswer(ctx context.Context, l *lab) string {
	l.mu.Lock()
	raw := l.tokens.AccessToken
	l.mu.Unlock()
	claims := payloadOf(raw)
	aud, _ := json.Marshal(claims["aud"])
	if claims == nil || !signed(ctx, l, raw) || !strings.Contains(string(aud), l.api) {
		return ""
	}
	return fmt.Sprintf("In this run signature and aud of the token are correct: it would have responded with the photos of %q.", claims["sub"])
}

func wouldFetch(_ context.Context, l *lab) string {
	return fmt.Sprintf("In this run it would have fetched them %d times. This API did so %d times.", floodSize, l.keyFetches())
}
