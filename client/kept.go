package client

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/idtoken"
)

// Kept is what an application stores of Tokens. It is plain JSON and holds secrets: keep it
// where nobody else reads. It redacts itself in fmt and log/slog, but not in encoding/json.
type Kept struct {
	AccessToken  string            `json:"access_token"`
	TokenType    string            `json:"token_type"`
	RefreshToken string            `json:"refresh_token,omitempty"`
	Expiry       time.Time         `json:"expiry,omitzero"`
	ExpiresIn    int64             `json:"expires_in,omitempty"` // seconds, when the tokens were new
	Refreshed    bool              `json:"refreshed,omitempty"`  // and not those of a login
	Scopes       []string          `json:"scopes,omitempty"`
	IDToken      string            `json:"id_token,omitempty"` // as the server signed it
	Login        *idtoken.Original `json:"login,omitempty"`
	DPoPKey      string            `json:"dpop_key,omitempty"` // PKCS #8, base64; "" for a key that cannot leave its place
	DPoPAlg      string            `json:"dpop_alg,omitempty"` // as SigningKey.Alg
}

// Format implements fmt.Formatter: no verb prints a token.
func (k Kept) Format(f fmt.State, _ rune) { io.WriteString(f, k.redacted()) }

// LogValue implements slog.LogValuer.
func (k Kept) LogValue() slog.Value { return slog.StringValue(k.redacted()) }

func (k Kept) redacted() string {
	if k.Login == nil {
		return "[kept tokens]"
	}
	return fmt.Sprintf("[kept tokens of %q at %s]", k.Login.Subject, k.Login.Issuer)
}

// Keep gives what to store of t. A DPoP key that cannot be read (in a KMS, say) stays
// where it is: it is then the client's own, of Config.DPoP.
func (t *Tokens) Keep() *Kept {
	k := &Kept{Refreshed: t.refreshed, Scopes: slices.Clone(t.Scopes), IDToken: t.idToken, Login: t.Login}
	if t.Token != nil {
		k.AccessToken, k.TokenType, k.RefreshToken = t.AccessToken, t.TokenType, t.RefreshToken
		k.Expiry, k.ExpiresIn = t.Expiry, t.ExpiresIn
	}
	if der, err := x509.MarshalPKCS8PrivateKey(t.DPoPKey.Key); t.DPoPKey.Key != nil && err == nil {
		k.DPoPKey, k.DPoPAlg = base64.StdEncoding.EncodeToString(der), t.DPoPKey.Alg
	}
	return k
}

// copied is what one caller may change without another's seeing it.
func (t *Tokens) copied() *Tokens {
	out, token := *t, *t.Token
	out.Token, out.Scopes = &token, slices.Clone(t.Scopes)
	if t.Login != nil {
		login := *t.Login
		out.Login = &login
	}
	return &out
}

// Tokens gives the tokens back, without IDToken and Report: who signed in is in Login.
func (k *Kept) Tokens() (*Tokens, error) {
	out := &Tokens{
		Token: &oauth2.Token{
			AccessToken: k.AccessToken, TokenType: k.TokenType, RefreshToken: k.RefreshToken, Expiry: k.Expiry, ExpiresIn: k.ExpiresIn,
		},
		Scopes: slices.Clone(k.Scopes), Login: k.Login, idToken: k.IDToken, refreshed: k.Refreshed,
	}
	if k.DPoPKey == "" {
		return out, nil
	}
	key, err := parseKey(k.DPoPKey)
	if err != nil {
		return nil, fmt.Errorf("client: kept tokens: %w", err)
	}
	key.Alg = k.DPoPAlg
	out.DPoPKey = key
	return out, nil
}
