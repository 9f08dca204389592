package client

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/dpop"
	"github.com/countersign/countersign/internal/endpoint"
)

// DPoP binds access tokens to a key of the client, RFC 9449. A stolen token cannot be used
// without the key. The zero value creates a key for every login.
type DPoP struct {
	// Keys provides the client's key. nil means a new P-256 key for every login. It is stored in
	// the Pending and then in the Tokens. If Keys changes its key during a login, that login
	// fails, because the server bound the code to the old key (RFC 9449 §10).
	Keys auth.KeySource

	// InsecureAllowBearer accepts an access token that the server did not bind to the key.
	InsecureAllowBearer bool
}

// UseDPoPNonce is the error code of a server or an API that requires its nonce in DPoP proofs
// (RFC 9449 §8, §9).
const UseDPoPNonce = "use_dpop_nonce"

// newKey returns the key for a new login, and its encoding for the Pending. The encoding is ""
// for a key of Keys.
func (d *DPoP) newKey() (key auth.SigningKey, kept string, err error) {
	if d.Keys != nil {
		return d.Keys.Current(), "", nil
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return auth.SigningKey{}, "", err
	}
	key = auth.SigningKey{Key: private}
	kept, err = key.Encode()
	return key, kept, err
}

// keptKey returns the key of a Pending.
func (d *DPoP) keptKey(kept string) (auth.SigningKey, error) {
	if kept == "" {
		if d.Keys == nil {
			return auth.SigningKey{}, errors.New("the stored login has no DPoP key, and Config.DPoP.Keys is nil: start the login again")
		}
		return d.Keys.Current(), nil
	}
	return auth.ParseSigningKey(kept)
}

// prover returns nil if tokens are not bound by DPoP.
func (c *Client) prover(key auth.SigningKey) (*dpop.Prover, error) {
	if c.config.DPoP == nil {
		return nil, nil
	}
	if key.Key == nil && c.config.DPoP.Keys != nil {
		key = c.config.DPoP.Keys.Current()
	}
	signer, err := c.config.Profile.signer(key)
	if err != nil {
		return nil, fmt.Errorf("DPoP key: %w", err)
	}
	return dpop.NewProver(signer, &c.nonces, c.config.Now)
}

// bindRequest creates the key of a new login, and adds the key's thumbprint to the request (RFC
// 9449 §10).
func (c *Client) bindRequest(p *Pending, params url.Values) error {
	if c.config.DPoP == nil {
		return nil
	}
	key, err := c.giveKey(p)
	if err != nil {
		return err
	}
	prover, err := c.prover(key)
	if err != nil {
		return err
	}
	params.Set("dpop_jkt", prover.Thumbprint())
	return nil
}

// giveKey creates the key that the tokens of a login are bound to. It is zero without
// Config.DPoP.
func (c *Client) giveKey(p *Pending) (key auth.SigningKey, err error) {
	key, p.DPoPKey, err = c.newKey()
	return key, err
}

// NewDPoPKey creates the key that the tokens of a login are bound to, and returns its encoding. The
// encoding is a secret. Store it with the login until [Client.Grant] needs it. It is "" without
// Config.DPoP, and if Config.DPoP.Keys provides the key. An error comes from crypto/ecdsa or
// crypto/x509.
func (c *Client) NewDPoPKey() (string, error) {
	_, kept, err := c.newKey()
	return kept, err
}

// newKey returns a new key and its encoding. Both are zero without Config.DPoP.
func (c *Client) newKey() (key auth.SigningKey, kept string, err error) {
	if c.config.DPoP == nil {
		return auth.SigningKey{}, "", nil
	}
	return c.config.DPoP.newKey()
}

// post posts a form with the client's authentication. If prover is set, it adds a proof. If the
// server requires its nonce in the proof, post repeats the request once: the server has not
// processed the grant yet (RFC 9449 §8).
func (c *Client) post(ctx context.Context, u string, by auth.Authenticator, form url.Values, prover *dpop.Prover) (*endpoint.Response, error) {
	if prover == nil {
		return c.http.PostForm(ctx, u, by, form, "application/json")
	}
	resp, learned, err := c.postProof(ctx, u, by, form, prover)
	if err == nil && learned && resp.Status >= 400 && resp.Failure("").Code == UseDPoPNonce {
		resp, _, err = c.postProof(ctx, u, by, form, prover)
	}
	return resp, err
}

func (c *Client) postProof(ctx context.Context, u string, by auth.Authenticator, form url.Values, prover *dpop.Prover) (resp *endpoint.Response, learned bool, err error) {
	if resp, err = c.http.PostForm(ctx, u, &proving{by, prover}, form, "application/json"); err != nil {
		return nil, false, err
	}
	return resp, c.learn(dpop.Authorization, u, resp.Header), nil
}

// proving adds a DPoP proof to a client's authentication.
type proving struct {
	auth.Authenticator
	prover *dpop.Prover
}

// Authenticate implements auth.Authenticator.
func (p *proving) Authenticate(r *http.Request, form url.Values) error {
	proof, err := p.prover.Proof(dpop.Authorization, r.Method, r.URL, "")
	if err != nil {
		return err
	}
	r.Header.Set("DPoP", proof)
	return p.Authenticator.Authenticate(r, form)
}

// learn stores the nonce of a response header, and reports whether there was one. It ignores
// several nonces and a malformed one.
func (c *Client) learn(role, u string, h http.Header) bool {
	at, err := url.Parse(u)
	if err != nil {
		return false
	}
	learned, err := c.nonces.Learn(role, at, h)
	return learned && err == nil
}

// Authorize adds the access token of t to a request to an API. A token that is bound by DPoP is
// sent with a proof, any other as a bearer token. The proof is for this request only, so call
// Authorize last. If the API answers 401 with a DPoP-Nonce, pass the response to
// [Client.SaveDPoPNonce]. Then call Authorize for a new request. tokens.Transport does both. An
// error need not be an [*Error].
func (c *Client) Authorize(r *http.Request, t *Tokens) error {
	if t == nil || t.Token == nil || t.AccessToken == "" {
		return errors.New("client: the Tokens have no access token: sign the user in again")
	}
	if err := endpoint.CheckScheme(r.URL); err != nil { // RFC 6750 §5.3
		return fmt.Errorf("client: the access token is not sent: the URL of the request is %w", err)
	}
	switch strings.ToLower(t.TokenType) { // RFC 6749 §7.1: a type that is not understood is not used
	case "dpop":
	case "", "bearer":
		r.Header.Set("Authorization", "Bearer "+t.AccessToken)
		return nil
	default:
		return fmt.Errorf("client: the token type is %q, expected Bearer or DPoP", t.TokenType)
	}
	prover, err := c.prover(t.DPoPKey)
	if err != nil || prover == nil {
		return errors.Join(errors.New("client: the access token is bound to a DPoP key: set Config.DPoP, and keep Tokens.DPoPKey with the token"), err)
	}
	proof, err := prover.Proof(dpop.Resource, cmp.Or(r.Method, http.MethodGet), r.URL, t.AccessToken)
	if err != nil {
		return fmt.Errorf("client: DPoP proof: %w", err)
	}
	r.Header.Set("Authorization", "DPoP "+t.AccessToken)
	r.Header.Set("DPoP", proof)
	return nil
}

// SaveDPoPNonce stores the DPoP-Nonce of an API's response for the next request to that API (RFC
// 9449 §9). It reports whether the response had one.
func (c *Client) SaveDPoPNonce(resp *http.Response) bool {
	if resp.Request == nil {
		return false
	}
	learned, err := c.nonces.Learn(dpop.Resource, resp.Request.URL, resp.Header)
	return learned && err == nil
}

// tokenType returns the expected token_type.
func (d *DPoP) tokenType() string {
	if d != nil {
		return `"DPoP"`
	}
	return `"Bearer"`
}

// typeHint names the setting that accepts another token_type.
func (d *DPoP) typeHint() string {
	if d != nil {
		return ": configure the server to bind access tokens (DPoP), or set DPoP.InsecureAllowBearer"
	}
	return ": if it is a bearer token, add the type to Config.TokenTypes"
}
