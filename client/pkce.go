package client

import (
	"errors"
	"net/url"

	"github.com/countersign/countersign/pkce"
)

// PKCE is always sent, unless InsecureNoPKCE replaces it by the nonce.

func (c *Client) newVerifier() string {
	if c.config.InsecureNoPKCE {
		return ""
	}
	return string(pkce.New())
}

func (c *Client) challenge(p *Pending) string {
	if c.config.InsecureNoPKCE {
		return ""
	}
	return pkce.Verifier(p.CodeVerifier).Challenge(c.config.PKCE)
}

func (c *Client) challengeMethod() string {
	if c.config.InsecureNoPKCE {
		return ""
	}
	return c.config.PKCE.String()
}

// checkVerifier requires a stored login to have a verifier, or a nonce with InsecureNoPKCE.
func (c *Client) checkVerifier(p *Pending) error {
	if c.config.InsecureNoPKCE {
		if p.CodeVerifier != "" {
			return errors.New("the login began with PKCE, but Config.InsecureNoPKCE is now true: start the login again")
		}
		if p.Nonce == "" || !p.wantsIDToken() {
			return errors.New("the stored login has neither a code_verifier nor a nonce: start the login again")
		}
		return nil
	}
	_, err := pkce.Parse(p.CodeVerifier)
	return err
}

// addVerifier adds the code_verifier to a request for tokens (RFC 7636 §4.5).
func (p *Pending) addVerifier(form url.Values) {
	if p.CodeVerifier != "" {
		form.Set("code_verifier", p.CodeVerifier)
	}
}
