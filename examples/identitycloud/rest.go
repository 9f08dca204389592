package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// REST is the interface of a realm that replaces the browser.
type REST struct {
	Host  string // with a port, if it is not 443
	Realm string
	HTTP  http.RoundTripper // nil means http.DefaultTransport
}

// Authenticate starts a session for the user by the realm's default journey, and returns its token.
// A journey that requires more than name and password is an error.
func (r *REST) Authenticate(ctx context.Context, name, password string) (session string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.json("/realms/root/realms/"+url.PathEscape(r.Realm)+"/authenticate"), http.NoBody)
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept-API-Version", "resource=2.0, protocol=1.0")
	request.Header.Set("X-OpenAM-Username", name)
	request.Header.Set("X-OpenAM-Password", password)
	var answer struct {
		TokenID string `json:"tokenId"`
	}
	if err := r.read(request, &answer); err != nil {
		return "", fmt.Errorf("authenticate: %w", err)
	}
	if answer.TokenID == "" {
		return "", errors.New("authenticate: tokenId is missing: the realm's journey asks for more than name and password")
	}
	return answer.TokenID, nil
}

// Authorize sends an authorization request as the user of the session, who allows it. address is
// what client.Begin returned. It returns the parameters of the callback: code, state, iss.
func (r *REST) Authorize(ctx context.Context, address, redirectURL, session string) (url.Values, error) {
	cookie, err := r.sessionCookie(ctx)
	if err != nil {
		return nil, err
	}
	endpoint, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	form := endpoint.Query()
	form.Set("csrf", session)
	form.Set("decision", "allow")
	endpoint.RawQuery = ""
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.AddCookie(&http.Cookie{Name: cookie, Value: session})
	response, err := r.client().Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return callback(response, redirectURL)
}

// callback reads the parameters from a redirect to the application. Any other answer is an
// error: a redirect to a login page means that the server did not accept the session.
func callback(response *http.Response, redirectURL string) (url.Values, error) {
	location, err := response.Location()
	if err != nil {
		return nil, fmt.Errorf("authorize: status %d, expected a redirect", response.StatusCode)
	}
	query := location.Query()
	location.RawQuery = ""
	if location.String() != redirectURL {
		return nil, fmt.Errorf("authorize: redirected to %s%s, expected REDIRECT_URL %s", location.Host, location.Path, redirectURL)
	}
	return query, nil
}

// sessionCookie requests the name of the session cookie, which differs between tenants.
func (r *REST) sessionCookie(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.json("/serverinfo/*"), nil)
	if err != nil {
		return "", err
	}
	var info struct {
		CookieName string `json:"cookieName"`
	}
	if err := r.read(request, &info); err != nil {
		return "", fmt.Errorf("serverinfo: %w", err)
	}
	if info.CookieName == "" {
		return "", errors.New("serverinfo: cookieName is missing")
	}
	return info.CookieName, nil
}

// read sends a request and decodes the JSON of the answer.
func (r *REST) read(request *http.Request, into any) error {
	response, err := r.client().Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d from %s, expected 200", response.StatusCode, request.URL.Path)
	}
	return json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(into)
}

func (r *REST) json(path string) string { return "https://" + r.Host + "/am/json" + path }

// client follows no redirect: the code is in the Location.
func (r *REST) client() *http.Client {
	return &http.Client{Transport: r.HTTP, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}
