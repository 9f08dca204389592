package par_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/par"
)

func object(t *testing.T) (*par.RequestObject, optest.Key) {
	k := optest.NewKey("k1", "PS256")
	signer, err := jose.NewSigner(k.Private, "PS256", "k1")
	if err != nil {
		t.Fatal(err)
	}
	return &par.RequestObject{ClientID: "rp", Audience: "https://as.example", Signer: signer}, k
}

// TestPack: JAR-01.
func TestPack(t *testing.T) {
	o, k := object(t)
	params := url.Values{
		"client_id": {"rp"}, "response_type": {"code"}, "state": {"s"}, "max_age": {"300"}, "resource": {"https://a.example", "https://b.example"},
		"claims": {`{"id_token":{"acr":null}}`}, "authorization_details": {`[{"type":"x"}]`},
	}
	jwt, err := o.Pack(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseSet(optest.JWKS(k))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := set.VerifySignature(t.Context(), jwt)
	if err != nil {
		t.Fatal(err)
	}
	header, _ := base64.RawURLEncoding.DecodeString(jwt[:strings.IndexByte(jwt, '.')])
	if string(header) != `{"alg":"PS256","kid":"k1","typ":"oauth-authz-req+jwt"}` {
		t.Errorf("header %s", header)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	exp, iat := claims["exp"].(float64), claims["iat"].(float64)
	if exp-iat != 60 || claims["nbf"] != iat || len(claims["jti"].(string)) < 16 {
		t.Errorf("claims %s", payload)
	}
	for _, name := range []string{"exp", "iat", "nbf", "jti"} {
		delete(claims, name)
	}
	got, _ := json.Marshal(claims)
	const want = `{"aud":"https://as.example","authorization_details":[{"type":"x"}],"claims":{"id_token":{"acr":null}},"client_id":"rp","iss":"rp","max_age":300,` +
		`"resource":["https://a.example","https://b.example"],"response_type":"code","state":"s"}`
	if string(got) != want {
		t.Errorf("claims %s", got)
	}
	if again, _ := o.Pack(t.Context(), params); again == jwt {
		t.Error("two objects are the same")
	}
}

// TestPackTyp: JAR-01.
func TestPackTyp(t *testing.T) {
	for typ, want := range map[string]string{"": `"typ":"oauth-authz-req+jwt"`, "JWT": `"typ":"JWT"`, "-": ""} {
		o, _ := object(t)
		o.Typ = typ
		jwt, err := o.Pack(t.Context(), url.Values{"client_id": {"rp"}})
		if err != nil {
			t.Fatal(err)
		}
		header, _ := base64.RawURLEncoding.DecodeString(jwt[:strings.IndexByte(jwt, '.')])
		if !strings.Contains(string(header), want) || strings.Contains(string(header), "typ") != (want != "") {
			t.Errorf("Typ %q: header %s", typ, header)
		}
	}
}

func TestPackRefused(t *testing.T) {
	for name, test := range map[string]struct {
		edit   func(*par.RequestObject)
		params url.Values
	}{
		"no client ID":      {edit: func(o *par.RequestObject) { o.ClientID = "" }},
		"no audience":       {edit: func(o *par.RequestObject) { o.Audience = "" }},
		"no signer":         {edit: func(o *par.RequestObject) { o.Signer = nil }},
		"a long lifetime":   {edit: func(o *par.RequestObject) { o.Lifetime = time.Hour }},
		"another client":    {params: url.Values{"client_id": {"other"}}},
		"an object":         {params: url.Values{"client_id": {"rp"}, "request": {"x"}}},
		"a reference":       {params: url.Values{"client_id": {"rp"}, "request_uri": {"x"}}},
		"a secret":          {params: url.Values{"client_id": {"rp"}, "client_secret": {"x"}}},
		"an assertion":      {params: url.Values{"client_id": {"rp"}, "client_assertion": {"x"}}},
		"two clients":       {params: url.Values{"client_id": {"rp", "other"}}},
		"a subject":         {params: url.Values{"client_id": {"rp"}, "sub": {"rp"}}},
		"an audience":       {params: url.Values{"client_id": {"rp"}, "aud": {"https://api.example"}}},
		"an expiry":         {params: url.Values{"client_id": {"rp"}, "exp": {"9999999999"}}},
		"claims not JSON":   {params: url.Values{"client_id": {"rp"}, "claims": {"{"}}},
		"max_age no number": {params: url.Values{"client_id": {"rp"}, "max_age": {"x"}}},
		"encryption fails":  {edit: func(o *par.RequestObject) { o.Encrypter = failing{} }},
	} {
		o, _ := object(t)
		if test.edit != nil {
			test.edit(o)
		}
		if test.params == nil {
			test.params = url.Values{"client_id": {"rp"}}
		}
		if jwt, err := o.Pack(t.Context(), test.params); err == nil || jwt != "" {
			t.Errorf("%s: %q", name, jwt)
		}
	}
}

type failing struct{}

func (failing) Encrypt(context.Context, string) (string, error) { return "x", errors.New("no") }

func TestPublished(t *testing.T) {
	p := &par.Published{BaseURL: "https://rp.example/objects/"}
	uri, err := p.Publish(t.Context(), "a.b.c")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, p); strings.Contains(text, "a.b.c") || strings.Contains(text, path.Base(uri)) {
			t.Errorf("%s prints %s", verb, text)
		}
	}
	if err != nil || !strings.HasPrefix(uri, "https://rp.example/objects/") {
		t.Fatalf("%s, %v", uri, err)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("GET", uri, nil))
	if w.Code != 200 || w.Body.String() != "a.b.c" || w.Header().Get("Content-Type") != "application/oauth-authz-req+jwt" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, target := range []string{"https://rp.example/objects/x", "https://rp.example/", "https://rp.example/objects/"} {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		if w.Code != 404 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	w = httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("POST", uri, nil))
	if w.Code != 404 {
		t.Errorf("POST: %d", w.Code)
	}
	if _, err := (&par.Published{BaseURL: "http://rp.example"}).Publish(t.Context(), "x"); err == nil {
		t.Error("published without TLS")
	}
	for range 10_000 {
		p.Publish(t.Context(), "x")
	}
	if _, err := p.Publish(t.Context(), "x"); err == nil {
		t.Error("no bound on what is kept")
	}
}
