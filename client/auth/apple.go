package auth

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// AppleSecret authenticates to Apple. The client secret is a JWT signed with the team's key
// (ES256), sent as client_secret_post. Every request has a new one.
func AppleSecret(teamID string, key SigningKey) Method {
	_, err := jose.NewSigner(key.Key, "ES256", key.KeyID)
	if err == nil && teamID == "" {
		err = errors.New("has an empty team ID: pass the Team ID of the Apple developer account")
	}
	return Method{name: "client_secret_post", err: err, bind: func(b Binding) Authenticator {
		return authenticatorFunc(func(_ *http.Request, form url.Values) error {
			secret, err := appleSecret(teamID, key, b)
			if err != nil {
				return err
			}
			form.Set("client_id", b.ClientID)
			form.Set("client_secret", secret)
			return nil
		})
	}}
}

func appleSecret(teamID string, key SigningKey, b Binding) (string, error) {
	signer, err := jose.NewSigner(key.Key, "ES256", key.KeyID)
	if err != nil {
		return "", err
	}
	now := b.now()
	return signer.Sign(nil, map[string]any{
		"iss": teamID, "sub": b.ClientID, "aud": "https://appleid.apple.com", "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	})
}
