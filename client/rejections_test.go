package client_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
)

// TestRejections: the error of each endpoint names the setting to compare with the registration. It
// contains the value that was sent, but no secret, code or token.
func TestRejections(t *testing.T) {
	const settings, sent = "Config.ClientID and Config.Auth", `sent client_id "rp", authentication client_secret_post`
	const redirect, registered = `redirect_uri "` + optest.RedirectURL + `"`, "the server does not know this redirect_uri: set Config.RedirectURL to the registered URL, or register this URL; both must be equal, including a final slash"
	for _, test := range []struct {
		path, code string
		texts      []string
	}{
		{"/par", "invalid_client", []string{sent, settings, redirect}},
		{"/par", "unauthorized_client", []string{sent, settings, "allow this grant or endpoint"}},
		{"/par", "invalid_request", []string{sent, registered, redirect}},
		{"/par", "invalid_redirect_uri", []string{sent, registered, redirect}},
		{"/par", "invalid_scope", []string{"Config.Scopes"}},
		{"/token", "invalid_client", []string{sent, settings, redirect}},
		{"/token", "unauthorized_client", []string{sent, settings}},
		{"/token", "invalid_request", []string{registered, redirect}},
		{"/token", "invalid_grant", []string{"the code has expired", "Config.RedirectURL", redirect}},
		{"/token", "incorrect_client_credentials", []string{sent, settings}},
		{"/token", "redirect_uri_mismatch", []string{registered, redirect}},
		{"200", "invalid_client", []string{sent, settings, redirect}},
		{"200", "redirect_uri_mismatch", []string{registered, redirect}},
		{"/token", "unsupported_grant_type", []string{"enable this grant"}},
		{"refresh", "invalid_client", []string{sent, settings}},
		{"refresh", "invalid_grant", []string{sent, "the refresh token has expired", "sign in again"}},
		{"/token", "server_error", []string{sent, redirect, "read the server's log"}},
		{"/par", "server_error", []string{"read the server's log"}},
		{"/introspect", "invalid_client", []string{sent, settings}},
		{"/revoke", "invalid_client", []string{sent, settings}},
		{"/device", "invalid_client", []string{sent, settings}},
		{"/device", "invalid_scope", []string{sent, "Config.Scopes"}},
	} {
		err := rejectedAt(t, test.path, test.code)
		if err == nil {
			t.Fatalf("%s, %s: no error", test.path, test.code)
		}
		for _, text := range append(test.texts, test.code) {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s, %s: %q is missing in %v", test.path, test.code, text, err)
			}
		}
		if strings.Contains(err.Error(), "canary") || !strings.Contains(redirect, optest.RedirectURL) {
			t.Errorf("%s, %s: a secret is in %v", test.path, test.code, err)
		}
		if test.path == "refresh" && strings.Contains(err.Error(), "RedirectURL") {
			t.Errorf("a refresh sends no redirect URI: %v", err)
		}
	}
}

// rejectedAt returns the error when the server rejects a request at path with an error code.
func rejectedAt(t *testing.T, path, code string) error {
	s := optest.New(t)
	c := newClient(t, client.Config{
		Issuer: s.URL, ClientID: optest.ClientID, Auth: auth.SecretPost(optest.ClientSecret), RedirectURL: optest.RedirectURL,
	})
	status := http.StatusBadRequest
	if path == "200" { // as GitHub does
		status = http.StatusOK
	}
	s.Replace(strings.NewReplacer("refresh", "/token", "200", "/token").Replace(path), func(w http.ResponseWriter, _ *http.Request) {
		optest.JSON(w, status, map[string]any{"error": code})
	})
	switch path {
	case "/introspect":
		_, err := c.Introspect(t.Context(), "canary-token", "")
		return err
	case "/revoke":
		return c.Revoke(t.Context(), "canary-token", "")
	case "/device":
		return c.PostForm(t.Context(), client.Step("x"), func(*discovery.Metadata) string { return s.URL + "/device" }, url.Values{}, &struct{}{})
	case "refresh":
		_, err := c.Refresh(t.Context(), &client.Tokens{Token: &oauth2.Token{RefreshToken: "canary-refresh"}})
		return err
	}
	address, pending, err := c.Begin(t.Context(), client.Request{})
	if err == nil {
		_, err = c.Finish(t.Context(), pending, s.Visit(t, address))
	}
	return err
}

// TestDeniedByTheUser: outside of a login, access_denied says that the user denied the request (RFC
// 8628 §3.5). A login has no such response, except from servers that reject the secret so.
func TestDeniedByTheUser(t *testing.T) {
	for path, advised := range map[string]bool{"/device": false, "refresh": false, "/token": true, "/par": true} {
		err := rejectedAt(t, path, "access_denied")
		if err == nil || strings.Contains(err.Error(), "Config.Auth") != advised {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestRejectionByCallback: an error that the server sends through the browser names the setting.
func TestRejectionByCallback(t *testing.T) {
	for code, text := range map[string]string{
		"unauthorized_client": "allow this grant or endpoint for the client", "invalid_scope": "Config.Scopes", "unsupported_response_type": "Config.ResponseType",
		"access_denied": `access_denied ("")`, "invalid_request": `invalid_request ("")`,
	} {
		err := &client.CallbackError{Code: code}
		if !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "RedirectURL") {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// TestRejectedRequestObject: the error also contains the redirect URI of a pushed request object.
func TestRejectedRequestObject(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, client.Config{
		Issuer: s.URL, ClientID: optest.ClientID, Auth: auth.SecretPost(optest.ClientSecret), RedirectURL: optest.RedirectURL,
		RequestObject: &client.RequestObject{Keys: auth.SigningKey{Key: optest.NewKey("k", "ES256").Private}},
	})
	s.Replace("/par", func(w http.ResponseWriter, _ *http.Request) {
		optest.JSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_request"})
	})
	_, _, err := c.Begin(t.Context(), client.Request{})
	if err == nil || !strings.Contains(err.Error(), optest.RedirectURL) || !strings.Contains(err.Error(), "set Config.RedirectURL to the registered URL, or register this URL") {
		t.Errorf("%v", err)
	}
}
