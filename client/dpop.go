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

// DPoP has access tokens bound to a key of the client's, RFC 9449: who steals one cannot
// use it. The zero value makes a key for every login.
type DPoP struct {
	// Keys gives the key of this client. nil means a new P-256 key for every login, which
	// goes with its Pending and then with its Tokens. A login that is under way when Keys
	// gives another key is lost: the server has bound its code to the one before (RFC 9449
	// §10).
	Keys auth.KeySource

	// InsecureAllowBearer takes an access token that the server did not bind.
	InsecureAllowBearer bool
}

// UseDPoPNonce is the error code of a server or an API that wants a nonce of its own in DPoP
// proofs (RFC 9449 §8, §9).
const UseDPoPNonce = "use_dpop_nonce"

// newKey gives the key for a new login, and how a Pending keeps it: not at all if it is
// the client's own.
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

// keptKey is the key of a Pending.
func (d *DPoP) keptKey(kept string) (auth.SigningKey, error) {
	if kept == "" {
		if d.Keys == nil {
			return auth.SigningKey{}, errors.New("the login has no DPoP key")
		}
		return d.Keys.Current(), nil
	}
	return auth.ParseSigningKey(kept)
}

// prover is nil where tokens are not bound by DPoP.
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

// bindRequest gives a new login its key, and puts the key's thumbprint into the request
// (RFC 9449 §10).
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

// giveKey gives a login the key that its tokens are to be bound to, if they are.
func (c *Client) giveKey(p *Pending) (key auth.SigningKey, err error) {
	key, p.DPoPKey, err = c.newKey()
	return key, err
}

// NewDPoPKey makes the key that the tokens of a login are bound to, encoded for the
// application to store with the login until [Client.Grant] needs it: it is a secret. It is ""
// without Config.DPoP, and for a key of Config.DPoP.Keys.
func (c *Client) NewDPoPKey() (string, error) {
	_, kept, err := c.newKey()
	return kept, err
}

// newKey is a new key and how it is stored. Both are zero without Config.DPoP.
func (c *Client) newKey() (key auth.SigningKey, kept string, err error) {
	if c.config.DPoP == nil {
		return auth.SigningKey{}, "", nil
	}
	return c.config.DPoP.newKey()
}

// post posts a form, with the client's authentication and, where there is a prover,
// with a proof. A server that wants a nonce of its own in the proof is asked once more:
// it has not looked at the grant yet (RFC 9449 §8).
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

// learn keeps the nonce in the header of an answer, and tells whether it had one. Several, or one
// that is malformed, are none.
func (c *Client) learn(role, u string, h http.Header) bool {
	at, err := url.Parse(u)
	if err != nil {
		return false
	}
	learned, err := c.nonces.Learn(role, at, h)
	return learned && err == nil
}

// Authorize adds the access token of t to a request to an API: as a bearer token, or with a proof
// if it is bound by DPoP. The proof is for this request only, so call Authorize last. If the API
// answers 401 with a DPoP-Nonce, pass the response to [Client.SaveDPoPNonce] and call Authorize for
// a new request. tokens.Transport does this. Every error is an [*Error] with the code "login_failed".
func (c *Client) Authorize(r *http.Request, t *Tokens) error {
	if t == nil || t.Token == nil || t.AccessToken == "" {
		return errors.New("client: there is no access token")
	}
	if err := endpoint.CheckScheme(r.URL); err != nil { // RFC 6750 §5.3
		return fmt.Errorf("client: the request goes to %w, which must not have the token", err)
	}
	switch strings.ToLower(t.TokenType) { // RFC 6749 §7.1: a type that is not understood is not used
	case "dpop":
	case "", "bearer":
		r.Header.Set("Authorization", "Bearer "+t.AccessToken)
		return nil
	default:
		return errors.New("client: the access token is of a type that is not supported")
	}
	prover, err := c.prover(t.DPoPKey)
	if err != nil || prover == nil {
		return errors.Join(errors.New("client: the access token is bound to a key that is not here"), err)
	}
	proof, err := prover.Proof(dpop.Resource, cmp.Or(r.Method, http.MethodGet), r.URL, t.AccessToken)
	if err != nil {
		return fmt.Errorf("client: DPoP proof: %w", err)
	}
	r.Header.Set("Authorization", "DPoP "+t.AccessToken)
	r.Header.Set("DPoP", proof)
	return nil
}

// SaveDPoPNonce keeps the DPoP-Nonce that an API's answer has for the next request there
// (RFC 9449 §9), and tells whether it had one.
func (c *Client) SaveDPoPNonce(resp *http.Response) bool {
	if resp.Request == nil {
		return false
	}
	learned, err := c.nonces.Learn(dpop.Resource, resp.Request.URL, resp.Header)
	return learned && err == nil
}

// tokenType is the token_type to expect.
func (d *DPoP) tokenType() string {
	if d != nil {
		return `"DPoP"`
	}
	return `"Bearer"`
}

// typeHint names the setting for another one.
func (d *DPoP) typeHint() string {
	if d != nil {
		return " (see DPoP.InsecureAllowBearer)"
	}
	return " (see Config.TokenTypes)"
}
