package tokens

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/idtoken"
)

// Stored is the form in which an application stores Tokens. It encodes as plain JSON and
// contains secrets: store it where only the application can read it. It redacts itself in fmt
// and log/slog, but not in encoding/json.
type Stored struct {
	unprinted[Stored]

	AccessToken  string            `json:"access_token"`            // a secret
	TokenType    string            `json:"token_type"`              // Bearer or DPoP, as the server sent it
	RefreshToken string            `json:"refresh_token,omitempty"` // a secret; "" if the server issued none
	Expiry       time.Time         `json:"expiry,omitzero"`         // of the access token; zero if the server did not say
	ExpiresIn    int64             `json:"expires_in,omitempty"`    // seconds, when the tokens were issued
	Refreshed    bool              `json:"refreshed,omitempty"`     // the tokens come from a refresh, not from a login
	Scopes       []string          `json:"scopes,omitempty"`        // the granted scopes
	Resources    []string          `json:"resources,omitempty"`     // the requested resources, RFC 8707 §2
	IDToken      string            `json:"id_token,omitempty"`      // as the server signed it
	Login        *idtoken.Original `json:"login,omitempty"`         // of the ID token of the login; nil without one
	DPoPKey      string            `json:"dpop_key,omitempty"`      // PKCS #8, base64; "" for a key that cannot be exported
	DPoPAlg      string            `json:"dpop_alg,omitempty"`      // as SigningKey.Alg
}

// ToStore returns what to store of t. It omits a DPoP key that cannot be exported, for example
// from a KMS. The key then comes from Config.DPoP.
func ToStore(t *client.Tokens) *Stored {
	k := &Stored{Refreshed: t.Refreshed, Scopes: slices.Clone(t.Scopes), Resources: slices.Clone(t.Resources), IDToken: t.IDTokenHint, Login: t.Login}
	if t.Token != nil {
		k.AccessToken, k.TokenType, k.RefreshToken = t.AccessToken, t.TokenType, t.RefreshToken
		k.Expiry, k.ExpiresIn = t.Expiry, t.ExpiresIn
	}
	if key, err := t.DPoPKey.Encode(); err == nil {
		k.DPoPKey, k.DPoPAlg = key, t.DPoPKey.Alg
	}
	return k
}

// copied returns a copy that one caller may change without affecting the others.
func copied(t *client.Tokens) *client.Tokens {
	out, token := *t, *t.Token
	out.Token, out.Scopes, out.Resources = &token, slices.Clone(t.Scopes), slices.Clone(t.Resources)
	if t.Login != nil {
		login := *t.Login
		out.Login = &login
	}
	return &out
}

// Tokens returns the tokens, without IDToken and Report. Login identifies the user. An error
// means that the stored DPoP key is unusable.
func (k *Stored) Tokens() (*client.Tokens, error) {
	out := &client.Tokens{
		Token: &oauth2.Token{
			AccessToken: k.AccessToken, TokenType: k.TokenType, RefreshToken: k.RefreshToken, Expiry: k.Expiry, ExpiresIn: k.ExpiresIn,
		},
		Scopes: slices.Clone(k.Scopes), Resources: slices.Clone(k.Resources), Login: k.Login, IDTokenHint: k.IDToken, Refreshed: k.Refreshed,
	}
	if k.DPoPKey == "" {
		return out, nil
	}
	key, err := auth.ParseSigningKey(k.DPoPKey)
	if err != nil {
		return nil, fmt.Errorf("tokens: stored tokens: %w", err)
	}
	key.Alg = k.DPoPAlg
	out.DPoPKey = key
	return out, nil
}
