package interop

import (
	"testing"

	"github.com/countersign/countersign/client"
)

func TestUserInfoSigned(t *testing.T) {
	userInfoSigned.each(t, func(t *testing.T, s *server) {
		config := s.config("signed-userinfo")
		config.UserInfoAlgs = []string{s.signingAlg()}
		c := newClient(t, config)
		tokens := logIn(t, c, client.Request{})
		checkAbout(t, c, tokens)
		works(t, "an answer that is a JWT")

		config.UserInfoAlgs = nil
		_, err := newClient(t, config).UserInfo(t.Context(), tokens)
		checkStep(t, err, client.StepUserInfo, "login_failed")
		config = s.config("basic")
		config.UserInfoAlgs = []string{s.signingAlg()}
		c = newClient(t, config)
		_, err = c.UserInfo(t.Context(), logIn(t, c, client.Request{}))
		checkStep(t, err, client.StepUserInfo, "login_failed")
	})
}

// encryptedConfig configures a client to whose key ID tokens and UserInfo are encrypted.
func encryptedConfig(t *testing.T, s *server) client.Config {
	t.Helper()
	config := s.config("encrypted")
	config.IDTokenAlgs, config.UserInfoAlgs = []string{"PS256"}, []string{"PS256"}
	config.DecryptionKeys, config.UserInfoDecryptionKeys = decryptionKeys(t), decryptionKeys(t)
	return config
}

func TestIDTokenEncrypted(t *testing.T) {
	idTokenEncrypted.each(t, func(t *testing.T, s *server) {
		c := newClient(t, encryptedConfig(t, s))
		refresh(t, c, logIn(t, c, client.Request{}))
		works(t, "ID tokens of a login and of a refresh")

		config := encryptedConfig(t, s)
		config.DecryptionKeys = nil
		checkIDTokenRefused(t, config)
		config = s.config("basic") // whose ID tokens are not encrypted
		config.DecryptionKeys = decryptionKeys(t)
		checkIDTokenRefused(t, config)
	})
}

func checkIDTokenRefused(t *testing.T, config client.Config) {
	t.Helper()
	c := newClient(t, config)
	l := authorize(t, c, client.Request{}, false)
	_, err := c.Finish(t.Context(), l.pending, l.callback)
	checkStep(t, err, client.StepIDToken, "login_failed")
}

func TestUserInfoEncrypted(t *testing.T) {
	userInfoEncrypted.each(t, func(t *testing.T, s *server) {
		config := encryptedConfig(t, s)
		c := newClient(t, config)
		tokens := logIn(t, c, client.Request{})
		checkAbout(t, c, tokens)
		works(t, "an answer signed, then encrypted")

		config.UserInfoDecryptionKeys = nil
		_, err := newClient(t, config).UserInfo(t.Context(), tokens)
		checkStep(t, err, client.StepUserInfo, "login_failed")
	})
}
