package client_test

import (
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/pkce"
)

// named returns the settings in an error's text.
var named = regexp.MustCompile(`\b(Config|DPoP|Assertion|FederatedAssertion)\.([A-Z]\w*)`)

// TestRemedies: if a setting can fix an error, the error contains its name, and the setting
// exists. LOG-04.
func TestRemedies(t *testing.T) {
	structs := map[string]reflect.Type{
		"Config": reflect.TypeFor[client.Config](), "DPoP": reflect.TypeFor[client.DPoP](),
		"Assertion": reflect.TypeFor[auth.Assertion](), "FederatedAssertion": reflect.TypeFor[auth.FederatedAssertion](),
	}
	token := func(edit m) func(*optest.Server) {
		return func(s *optest.Server) {
			s.Token = func(out map[string]any) {
				for name, value := range edit {
					out[name] = value
					if value == nil {
						delete(out, name)
					}
				}
			}
		}
	}
	claims := func(edit m) func(*optest.Server) {
		return func(s *optest.Server) {
			s.EditID = func(out map[string]any) {
				for name, value := range edit {
					out[name] = value
					if value == nil {
						delete(out, name)
					}
				}
			}
		}
	}
	metadata := func(edit m) func(*optest.Server) {
		return func(s *optest.Server) {
			s.Edit = func(md map[string]any) {
				for name, value := range edit {
					md[name] = value
				}
			}
		}
	}
	key := auth.SigningKey{KeyID: "k", Alg: "RS256", Key: optest.NewKey("k", "RS256").Private}
	for _, test := range []struct {
		field  string // with its struct
		server func(*optest.Server)
		config func(*client.Config)
	}{
		{"Config.InsecureMissingTokenType", token(m{"token_type": nil}), nil},
		{"Config.TokenTypes", token(m{"token_type": "mac"}), nil},
		{"DPoP.InsecureAllowBearer", nil, func(c *client.Config) { c.DPoP = &client.DPoP{} }},
		{"Config.InsecureMissingNonce", claims(m{"nonce": nil}), nil},
		{"Config.TrustedAudiences", claims(m{"aud": []string{optest.ClientID, "other"}, "azp": optest.ClientID}), nil},
		{"Config.AuthorizedParties", claims(m{"azp": "other"}), nil},
		{"Config.IDTokenAlgs", nil, func(c *client.Config) { c.IDTokenAlgs = []string{"PS256"} }},
		{"Config.Skew", claims(m{"iat": time.Now().Add(time.Minute).Unix()}), nil},
		{"Config.PKCE", metadata(m{"code_challenge_methods_supported": []string{"plain"}}), nil},
		{"Config.PAR", metadata(m{"require_pushed_authorization_requests": true}), func(c *client.Config) { c.PAR = client.PAROff }},
		{"Config.RequestObject", metadata(m{"require_signed_request_object": true}), nil},
		{"Config.RequireIss", func(s *optest.Server) {
			metadata(m{"authorization_response_iss_parameter_supported": false})(s)
			s.Callback = func(q url.Values) { q.Del("iss") }
		}, func(c *client.Config) { c.RequireIss = true }},
		{"Config.InsecureNoPKCE", func(s *optest.Server) {
			s.Replace("/token", func(w http.ResponseWriter, _ *http.Request) { optest.JSON(w, 401, m{"error": "invalid_client"}) })
		}, nil},
		{"Assertion.Audience", func(s *optest.Server) {
			s.Asserted = true
			s.Replace("/token", func(w http.ResponseWriter, _ *http.Request) { optest.JSON(w, 401, m{"error": "invalid_client"}) })
		}, func(c *client.Config) { c.Auth = auth.PrivateKeyJWT(key, auth.Assertion{}) }},
		{"Config.PAR", func(s *optest.Server) {
			s.Replace("/par", func(w http.ResponseWriter, _ *http.Request) { optest.JSON(w, 401, m{"error": "invalid_client"}) })
		}, func(c *client.Config) { c.ClientID, c.Auth = optest.PublicID, auth.Public() }},
		{"Config.RedirectURL", nil, func(c *client.Config) { c.RedirectURL = "" }},
		{"Config.InsecureNoPKCE", nil, func(c *client.Config) { c.InsecureNoPKCE, c.InsecureMissingNonce = true, true }},
		{"Config.InsecureMissingNonce", nil, func(c *client.Config) { c.InsecureMissingNonce, c.PKCE = true, pkce.Plain }},
		{"Config.MaxSize", claims(m{"padding": strings.Repeat("x", 20<<10)}), nil},
	} {
		s := optest.New(t)
		if test.server != nil {
			test.server(s)
		}
		cfg := config(s)
		if test.config != nil {
			test.config(&cfg)
		}
		err := attempt(t, s, cfg)
		if err == nil {
			t.Errorf("%s: nothing was rejected", test.field)
			continue
		}
		_, field, _ := strings.Cut(test.field, ".")
		if !strings.Contains(err.Error(), field) {
			t.Errorf("the error does not name %s: %v", test.field, err)
		}
		for _, match := range named.FindAllStringSubmatch(err.Error(), -1) {
			if _, ok := structs[match[1]].FieldByName(match[2]); !ok {
				t.Errorf("%s is not a setting: %v", match[0], err)
			}
		}
	}
}

// attempt is a login up to its first error.
func attempt(t *testing.T, s *optest.Server, cfg client.Config) error {
	t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		return err
	}
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		return err
	}
	_, err = c.Finish(t.Context(), pending, s.Visit(t, redirect))
	return err
}
