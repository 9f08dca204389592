package internal_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"go/types"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/crossapp"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/par"
	"github.com/countersign/countersign/pkce"
	"github.com/countersign/countersign/rs"
)

// secretValue is a value with a secret that a program may try to store.
type secretValue struct {
	value any
	says  string // in the error of encoders; "" means that the value encodes with its secrets
}

func secretValues(t *testing.T) map[string]secretValue {
	r := httptest.NewRequest("POST", "/", strings.NewReader(`{"auth_req_id":"canary"}`))
	r.Header.Set("Authorization", "Bearer canary")
	r.Header.Set("Content-Type", "application/json")
	ping, err := grant.ReadPing(r)
	if err != nil {
		t.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed([]byte("canary" + strings.Repeat("x", 26)))
	verifier, err := pkce.Parse("canary" + strings.Repeat("x", 60))
	if err != nil {
		t.Fatal(err)
	}
	age := time.Minute
	return map[string]secretValue{
		"client.Tokens":                   {client.Tokens{Token: &oauth2.Token{AccessToken: "canary"}}, "tokens.ToStore"},
		"client.Logout":                   {client.Logout{IDTokenHint: "canary"}, "(IDTokenHint, Hint, UILocales, Extra)"},
		"client.Grant":                    {client.Grant{DPoPKey: "canary"}, "DPoPKey"},
		"client/auth.Method":              {auth.Secret("canary-secret"), "store the secret"},
		"client/auth.SigningKey":          {auth.SigningKey{KeyID: "canary", Key: key}, "SigningKey.Encode"},
		"client/auth.DecryptionKey":       {auth.DecryptionKey{KeyID: "canary", Key: key}, "x509.MarshalPKCS8PrivateKey"},
		"client/crossapp.Subject":         {crossapp.Subject{Token: "canary"}, "(Token, Type)"},
		"client/grant.Ping":               {*ping, "(AuthReqID)"},
		"client/grant.AssertionRequest":   {grant.AssertionRequest{Assertion: "canary"}, "Assertion"},
		"client/grant.ExchangeRequest":    {grant.ExchangeRequest{SubjectToken: "canary"}, "SubjectToken"},
		"client/grant.BackchannelRequest": {grant.BackchannelRequest{LoginHintToken: "canary"}, "LoginHintToken"},
		"idtoken.Expected":                {idtoken.Expected{Nonce: "canary"}, "Nonce"},
		"par.Pushed":                      {par.Pushed{RequestURI: "canary"}, "(RequestURI, ExpiresIn, DPoPNonce)"},
		"pkce.Verifier":                   {verifier, "string(v)"},

		"client.Pending":                   {client.Pending{State: "canary", MaxAge: &age}, ""},
		"client.Request":                   {client.Request{LoginHint: "canary"}, ""},
		"client/grant.Device":              {grant.Device{DeviceCode: "canary"}, ""},
		"client/grant.Backchannel":         {grant.Backchannel{AuthReqID: "canary"}, ""},
		"client/tokens.Stored":             {tokens.Stored{AccessToken: "canary"}, ""},
		"client/registration.Registered":   {registration.Registered{ClientSecret: "canary"}, ""},
		"rs.RevokedAccess":                 {rs.RevokedAccess{Token: "canary"}, ""},
		"discovery/issuertest.AccessToken": {issuertest.AccessToken{Subject: "canary"}, ""},
		"discovery/issuertest.IDToken":     {issuertest.IDToken{Nonce: "canary"}, ""},
		"discovery/issuertest.Client":      {issuertest.Client{Secret: "canary"}, ""},
		"client/registration.Metadata":     {registration.Metadata{SoftwareStatement: "canary"}, ""},
	}
}

// notStored are the types that redact themselves and that no program stores: services and their
// settings.
var notStored = map[string]bool{
	"client.Client": true, "client/auth.KeyRing": true, "client/tokens.Refresher": true, "client/registration.Registrar": true,
	"client/login.Config": true, "client/login.Login": true,
	"client/login.User":        true, // kept in the session
	"discovery/issuertest.Key": true, // of a test server
}

// encoders write a value by its methods.
var encoders = map[string]func(any) ([]byte, error){
	"json":    json.Marshal,
	"json v2": func(v any) ([]byte, error) { return jsonv2.Marshal(v, jsonv1.FormatDurationAsNano(true)) },
	"xml":     xml.Marshal,
	"gob": func(v any) ([]byte, error) {
		var b bytes.Buffer
		err := gob.NewEncoder(&b).Encode(v)
		return b.Bytes(), err
	},
	"text": func(v any) ([]byte, error) { // as encoders of YAML do
		if m, ok := v.(encoding.TextMarshaler); ok {
			return m.MarshalText()
		}
		return json.Marshal(v)
	},
	"map key": func(v any) ([]byte, error) {
		if k, ok := v.(pkce.Verifier); ok {
			return json.Marshal(map[pkce.Verifier]int{k: 1})
		}
		return json.Marshal([]any{v})
	},
}

// TestNoPlaceholderIsStored: an encoder writes a value with its secrets, or returns an error that
// says what to encode instead. It never writes a placeholder, and the error has no secret.
func TestNoPlaceholderIsStored(t *testing.T) {
	values := secretValues(t)
	for name, v := range values {
		pointer := reflect.New(reflect.TypeOf(v.value))
		pointer.Elem().Set(reflect.ValueOf(v.value))
		for encoder, encode := range encoders {
			for _, value := range []any{v.value, pointer.Interface()} {
				out, err := encode(value)
				switch {
				case err != nil && (v.says == "" && encoder != "xml" || strings.Contains(err.Error(), "canary") || v.says != "" && !strings.Contains(err.Error(), v.says)):
					t.Errorf("%s, %s: %v, expected %q", name, encoder, err, v.says)
				case err == nil && (!bytes.Contains(out, []byte("canary")) || v.says != "" && name != "pkce.Verifier"):
					t.Errorf("%s, %s: %s", name, encoder, out)
				}
			}
		}
	}
	for path, p := range exportedPackages(t) {
		for _, id := range p.Scope().Names() {
			name := strings.TrimPrefix(path, module+"/") + "." + id
			named, ok := p.Scope().Lookup(id).(*types.TypeName)
			if !ok || !named.Exported() || named.IsAlias() || values[name].value != nil || notStored[name] {
				continue
			}
			if o, _, _ := types.LookupFieldOrMethod(named.Type(), false, p, "Format"); isMethod(o) {
				t.Errorf("%s redacts itself: add it to secretValues, or to notStored", name)
			}
		}
	}
}

func isMethod(o types.Object) bool { _, ok := o.(*types.Func); return ok }
