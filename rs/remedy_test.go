package rs_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// settings are the types whose fields an error may contain.
var settings = map[string]reflect.Type{
	"Protection": reflect.TypeFor[rs.Protection](), "JWT": reflect.TypeFor[rs.JWT](), "IDToken": reflect.TypeFor[rs.IDToken](),
	"Introspection": reflect.TypeFor[rs.Introspection](), "SignedAnswers": reflect.TypeFor[rs.SignedAnswers](), "Cache": reflect.TypeFor[rs.Cache](),
	"DPoP": reflect.TypeFor[rs.DPoP](), "MTLS": reflect.TypeFor[rs.MTLS](), "PingValidateBearer": reflect.TypeFor[rs.PingValidateBearer](),
	"DynamicIssuers": reflect.TypeFor[rs.DynamicIssuers](), "AWSLoadBalancer": reflect.TypeFor[rs.AWSLoadBalancer](),
}

// TestRemedies: if a setting can fix a rejection, the error contains its name, and the field
// exists. LOG-04.
func TestRemedies(t *testing.T) {
	s := optest.New(t)
	now := time.Now().Unix()
	jwt := func(edit func(*rs.JWT), claims, header m) error {
		j := jwtVerifier(s)
		if edit != nil {
			edit(j)
		}
		_, err := j.VerifyToken(t.Context(), s.AccessToken(claims, header))
		return err
	}
	asked := func(edit func(*rs.Introspection), answer m) error {
		s.Active = answer
		i := introspection(s)
		if edit != nil {
			edit(i)
		}
		_, err := i.VerifyToken(t.Context(), "canary-opaque")
		return err
	}
	id := func(claims m) error {
		all := m{"iss": s.URL, "sub": "alice", "aud": "web", "iat": now, "exp": now + 60}
		for name, value := range claims {
			all[name] = value
		}
		v := &rs.IDToken{Issuer: s.URL, ClientIDs: []string{"web"}, Keys: static(t, s.Keys[0], nil)}
		_, err := v.VerifyToken(t.Context(), s.Keys[0].Sign(all, nil))
		return err
	}
	typJWT := func(j *rs.JWT) { j.Typ = "JWT" }
	alb := &rs.AWSLoadBalancer{Signers: []string{albARN}, Issuer: "https://as.example", ClientID: "web", KeysURL: s.URL}
	balanced := func(header m) error {
		_, err := alb.VerifyToken(t.Context(), albToken(optest.NewKey("k", "ES256"), base64.URLEncoding, header, nil))
		return err
	}
	h := newHolder(t)
	proof := func(iat int64) error {
		token := s.AccessToken(m{"cnf": m{"jkt": h.thumbprint}}, nil)
		var log strings.Builder
		p := &rs.Protection{Tokens: jwtVerifier(s), Logger: slog.New(slog.NewTextHandler(&log, nil))}
		p.DPoP = &rs.DPoP{BaseURL: base}
		ask(p, dpopHeader(token, h.proof(token, base+"/", m{"iat": iat})), "/")
		return errors.New(log.String())
	}
	noAudience := func(i *rs.Introspection) { i.Audience = "" }
	for _, test := range []struct {
		field string
		err   error
	}{
		{"JWT.AudienceClients", jwt(typJWT, m{"aud": nil}, m{"typ": "JWT"})},
		{"Introspection.Audience", asked(nil, m{"active": true, "sub": "a", "token_type": "Bearer"})},
		{"Introspection.InsecureMissingTokenType", asked(noAudience, m{"active": true, "sub": "a"})},
		{"use Introspection", jwt(typJWT, m{"scope": nil, "email": "a@example.org"}, m{"typ": "JWT"})},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.field) {
			t.Errorf("%s is not named: %v", test.field, test.err)
		}
	}
	for field, err := range map[string]error{
		"JWT.Issuer":        jwt(nil, m{"iss": "https://other.example"}, nil),
		"JWT.Audience":      jwt(nil, m{"aud": "other"}, nil),
		"JWT.Typ":           jwt(nil, nil, m{"typ": "JWT"}),
		"JWT.Algs":          jwt(nil, nil, m{"alg": "ES256"}),
		"JWT.Skew":          jwt(nil, m{"iat": now + 90}, nil),
		"JWT.Claims":        jwt(typJWT, m{"scope": nil, "client_id": nil}, m{"typ": "JWT"}),
		"JWT.ScopeClaim":    jwt(typJWT, m{"scope": nil, "sid": "s"}, m{"typ": "JWT"}),
		"JWT.InsecureNonce": jwt(typJWT, m{"nonce": "n"}, m{"typ": "JWT"}),
		"JWT.ClientIDClaim": jwt(func(j *rs.JWT) { j.Typ, j.ClientIDClaim = "JWT", "azp" }, nil, m{"typ": "JWT"}),
		"JWT.AudienceClients": jwt(func(j *rs.JWT) {
			j.Audience, j.AudienceClients, j.Typ, j.Claims = "", []string{"x"}, "JWT", map[string]string{"use": "a"}
		}, m{"aud": nil, "use": "a"}, m{"typ": "JWT"}),
		"JWT.Keys":                  jwt(func(j *rs.JWT) { j.Keys = nil }, nil, nil),
		"JWT.Tenants":               jwt(func(j *rs.JWT) { j.Issuer = "https://as.example/{tenantid}" }, nil, nil),
		"Introspection.Issuer":      asked(nil, m{"active": true, "iss": "https://other.example", "sub": "a", "aud": optest.Audience}),
		"Introspection.Audience":    asked(nil, m{"active": true, "sub": "a", "aud": "other"}),
		"Introspection.Skew":        asked(nil, m{"active": true, "sub": "a", "aud": optest.Audience, "nbf": now + 90}),
		"Introspection.URL":         asked(func(i *rs.Introspection) { i.URL = "" }, nil),
		"Introspection.Auth":        asked(func(i *rs.Introspection) { i.Auth = nil }, nil),
		"IDToken.Issuer":            id(m{"iss": "https://other.example"}),
		"IDToken.ClientIDs":         id(m{"aud": "other"}),
		"IDToken.TrustedAudiences":  id(m{"aud": []string{"web", "other"}, "azp": "web"}),
		"IDToken.AuthorizedParties": id(m{"azp": "other"}),
		"IDToken.IssuedWithin":      id(m{"iat": now - 90_000}),
		"AWSLoadBalancer.Signers":   balanced(m{"signer": "other"}),
		"AWSLoadBalancer.Issuer":    balanced(m{"iss": "https://other.example"}),
		"AWSLoadBalancer.ClientID":  balanced(m{"client": "other"}),
		"DPoP.MaxAge":               proof(now - 90),
		"DPoP.MaxAhead":             proof(now + 60),
		"Cache.SharedKey":           (&rs.Cache{Tokens: introspection(s), Shared: newStore()}).Ready(t.Context()),
		"DynamicIssuers.Find":       (&rs.DynamicIssuers{}).Ready(t.Context()),
		"MTLS.Proxies":              (&rs.Protection{Tokens: jwtVerifier(s), MTLS: &rs.MTLS{Header: "X"}}).Ready(t.Context()),
		"Protection.Tokens":         (&rs.Protection{}).Ready(t.Context()),
	} {
		checkField(t, field)
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not named: %v", field, err)
			continue
		}
		for _, named := range regexp.MustCompile(`\b([A-Z]\w+)\.([A-Z]\w+)\b`).FindAllString(err.Error(), -1) {
			checkField(t, named)
		}
	}
}

// TestTrueReasons: where a setting cannot help, the error names none. It never says that the
// response lacks something that it has.
func TestTrueReasons(t *testing.T) {
	s := optest.New(t)
	if _, err := jwtVerifier(s).VerifyToken(t.Context(), s.AccessToken(m{"aud": nil}, nil)); err == nil || strings.Contains(err.Error(), "JWT.AudienceClients") {
		t.Errorf("an RFC 9068 token without aud: %v", err)
	}
	for name, test := range map[string]struct {
		answer m
		reason string
	}{
		"token_type":  {m{"token_type": "refresh_token"}, `token_type is "refresh_token"`},
		"token_use":   {m{"token_use": "refresh_token", "token_type": "Bearer"}, `token_use or token_class is "refresh_token"`},
		"typ":         {m{"typ": "Refresh", "token_type": "Bearer"}, `typ is "Refresh"`},
		"token class": {m{"token_class": "refresh_token"}, `token_use or token_class is "refresh_token"`},
	} {
		for _, audience := range []string{"", optest.Audience} {
			s.Active = m{"active": true, "sub": "a"}
			if audience != "" {
				s.Active["aud"] = audience
			}
			for member, value := range test.answer {
				s.Active[member] = value
			}
			i := introspection(s)
			i.Audience = audience
			_, err := i.VerifyToken(t.Context(), "canary-opaque")
			if err == nil || !strings.Contains(err.Error(), test.reason) || strings.Contains(err.Error(), "InsecureMissingTokenType") {
				t.Errorf("%s, audience %q: %v", name, audience, err)
			}
		}
	}
}

// checkField reports a name that is not an exported field of the settings.
func checkField(t *testing.T, name string) {
	t.Helper()
	typ, field, _ := strings.Cut(name, ".")
	if of, ok := settings[typ]; ok {
		if _, ok := of.FieldByName(field); !ok {
			t.Errorf("there is no field %s", name)
		}
	}
}

// TestReadyImpossible: Ready reports configurations that accept no token, or that contradict
// themselves.
func TestReadyImpossible(t *testing.T) {
	s := optest.New(t)
	twice := jwtVerifier(s)
	for name, v := range map[string]rs.Verifier{
		"no issuer":                 &rs.JWT{Audience: "a", Keys: jwtVerifier(s).Keys},
		"no audience":               &rs.JWT{Issuer: s.URL, Keys: jwtVerifier(s).Keys},
		"no audience, in Issuers":   rs.Issuers{jwtVerifier(s), {Issuer: "https://b.example", Keys: twice.Keys}},
		"one issuer twice":          rs.Issuers{twice, jwtVerifier(s)},
		"no audience, in an Either": &rs.JWTOrOpaque{JWT: &rs.JWT{Issuer: s.URL, Keys: twice.Keys}, Opaque: introspection(s)},
		"nothing, in an Either":     &rs.JWTOrOpaque{JWT: twice, Opaque: &rs.Introspection{}},
		"no audience, in a Cache":   &rs.Cache{Tokens: &rs.JWTOrOpaque{JWT: rs.Issuers{{Issuer: s.URL, Keys: twice.Keys}}, Opaque: introspection(s)}},
		"a Cache of nothing":        &rs.Cache{Tokens: &rs.Cache{}},
		"an IDToken of no client":   &rs.IDToken{Issuer: s.URL, Keys: twice.Keys},
	} {
		if err := quiet(v).Ready(context.Background()); err == nil {
			t.Errorf("%s: ready", name)
		} else if strings.Contains(fmt.Sprint(err), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := quiet(&rs.Cache{Tokens: &rs.JWTOrOpaque{JWT: rs.Issuers{jwtVerifier(s)}, Opaque: introspection(s)}}).Ready(context.Background()); err != nil {
		t.Error(err)
	}
}
