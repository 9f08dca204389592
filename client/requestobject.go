package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/par"
)

// RequestObject sends authorization requests as signed JWTs, RFC 9101. Keys must be set.
type RequestObject struct {
	// Keys sign the object.
	Keys auth.KeySource

	// EncryptionAlg and EncryptionEnc encrypt the signed object to a key of the server's key
	// set. EncryptionAlg is RSA-OAEP-256, ECDH-ES or one of its A*KW forms. EncryptionEnc is
	// A*GCM or A*CBC-HS*. If both are empty, the object is not encrypted.
	EncryptionAlg, EncryptionEnc string

	// Publisher publishes the object at an https request_uri, for requests that are not pushed.
	// nil means that the browser transports the object itself.
	Publisher par.Publisher

	// Audience and Typ are for servers that require another aud than their issuer identifier, or
	// another typ than "oauth-authz-req+jwt". See Assertion.
	Audience, Typ string

	// Lifetime is the lifetime of an object. 0 means one minute. The maximum is 5 minutes.
	Lifetime time.Duration
}

func (o *RequestObject) check() error {
	if o.Keys == nil {
		return errors.New("has no Keys: set them to a signing key")
	}
	if _, err := o.Keys.Current().Algorithm(); err != nil {
		return err
	}
	if o.Lifetime < 0 || o.Lifetime > 5*time.Minute {
		return fmt.Errorf("has a Lifetime of %s, expected 0 to 5m", jose.Duration(o.Lifetime))
	}
	if o.EncryptionAlg != "" || o.EncryptionEnc != "" {
		return jose.CheckEncryption(o.EncryptionAlg, o.EncryptionEnc)
	}
	return nil
}

func (o *RequestObject) alg() string { return algOf(o.Keys) }

// encrypter encrypts to the server's key.
type encrypter struct{ c *Client }

// Encrypt implements par.Encrypter.
func (e encrypter) Encrypt(ctx context.Context, jwt string) (string, error) {
	o := e.c.config.RequestObject
	return e.c.provider.Encrypt(ctx, jwt, o.EncryptionAlg, o.EncryptionEnc)
}

// PackRequest packs the parameters of a request into a request object if Config.RequestObject is
// set. Otherwise it returns the parameters unchanged. It fails if params has a parameter that the
// object sets, if the key cannot sign, or if the server has no encryption key. The error need not
// be an [*Error].
func (c *Client) PackRequest(ctx context.Context, params url.Values) (url.Values, error) {
	if c.config.RequestObject == nil {
		return params, nil
	}
	packed := cloneValues(params)
	packed.Set("client_id", c.config.ClientID)
	return c.pack(ctx, packed)
}

// pack returns the parameters that carry a request object to the server: client_id and request.
// It adds no others, which the server would have to compare with the object (RFC 9101 §5).
func (c *Client) pack(ctx context.Context, params url.Values) (url.Values, error) {
	o := c.config.RequestObject
	signer, err := c.config.Profile.signer(o.Keys.Current())
	if err != nil {
		return nil, err
	}
	packer := &par.RequestObject{
		ClientID: c.config.ClientID, Audience: cmp.Or(o.Audience, c.config.Issuer), Typ: o.Typ, Lifetime: o.Lifetime, Signer: signer, Now: c.config.Now,
	}
	if o.EncryptionAlg != "" {
		packer.Encrypter = encrypter{c}
	}
	object, err := packer.Pack(ctx, params)
	if err != nil {
		return nil, err
	}
	return url.Values{"client_id": params["client_id"], "request": {object}}, nil
}

// refer replaces a request object by its request_uri, if it is published.
func (c *Client) refer(ctx context.Context, packed url.Values) (url.Values, error) {
	publisher := c.config.RequestObject.Publisher
	if publisher == nil {
		return packed, nil
	}
	uri, err := publisher.Publish(ctx, packed.Get("request"))
	if err == nil {
		err = checkRequestURI(uri)
	}
	if err != nil {
		return nil, err
	}
	return url.Values{"client_id": packed["client_id"], "request_uri": {uri}}, nil
}

const maxRequestURI = 512 // characters, RFC 9101 §5.2

// checkRequestURI requires an address at which no attacker on the network can change the
// request.
func checkRequestURI(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(uri) > maxRequestURI {
		return errors.New("RequestObject.Publisher returned an invalid request_uri, expected an https URL of at most 512 characters")
	}
	return nil
}
