package issuertest

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// SignIn acts as the browser of a user who signs in. It requests the authorization URL that
// the application redirects to, and returns the parameters of the callback. The response mode
// decides whether they come from the query, the fragment or the form. The user is the one in
// login_hint, or the first user.
func (i *Issuer) SignIn(t T, authorizationURL string) url.Values {
	t.Helper()
	return i.SignInAs(t, authorizationURL, "")
}

// SignInAs is SignIn for the user with this subject.
func (i *Issuer) SignInAs(t T, authorizationURL, subject string) url.Values {
	t.Helper()
	callback, err := i.Authorize(context.Background(), authorizationURL, subject)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return callback
}

// Authorize is SignInAs for programs that are not tests. Subject "" selects the same user as
// SignIn. An error response of the issuer is returned as callback parameters, not as an
// error.
func (i *Issuer) Authorize(ctx context.Context, authorizationURL, subject string) (callback url.Values, err error) {
	hc := i.Browser()
	defer hc.CloseIdleConnections()
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, authorizationURL, nil)
	if err != nil {
		return nil, fmt.Errorf("issuertest: %w", err)
	}
	resp, body, err := send(hc, r)
	if err != nil {
		return nil, err
	}
	for range maxPages {
		switch m := waitingID.FindStringSubmatch(body); {
		case strings.HasPrefix(resp.Header.Get("Location"), i.URL+string(ConsentPage)):
			r, err = http.NewRequestWithContext(ctx, http.MethodGet, resp.Header.Get("Location"), nil)
		case resp.StatusCode == http.StatusOK && m != nil && strings.Contains(body, `value="allow"`):
			r, err = i.post(ctx, ConsentPage, url.Values{"id": {m[1]}, "action": {"allow"}})
		case resp.StatusCode == http.StatusOK && m != nil:
			r, err = i.post(ctx, SignInPage, url.Values{"id": {m[1]}, "user": {or(subject, i.config.Users[0].Subject)}})
		default:
			return readCallback(resp, body)
		}
		if err == nil {
			resp, body, err = send(hc, r)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errors.New("issuertest: the pages have no end")
}

const maxPages = 5 // of one authorization request

// post returns the request that submits the form of one of the pages.
func (i *Issuer) post(ctx context.Context, page Endpoint, form url.Values) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, i.URL+string(page), strings.NewReader(form.Encode()))
	if err == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r, err
}

var (
	waitingID = regexp.MustCompile(`name="id" value="([A-Z0-9]+)"`)
	hidden    = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	alert     = regexp.MustCompile(`<p role="alert">([^<]*)</p>`)
)

func send(hc *http.Client, r *http.Request) (*http.Response, string, error) {
	resp, err := hc.Do(r)
	if err != nil {
		return nil, "", fmt.Errorf("issuertest: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return resp, string(body), err
}

func readCallback(resp *http.Response, body string) (url.Values, error) {
	if resp.StatusCode == http.StatusOK {
		callback := url.Values{}
		for _, m := range hidden.FindAllStringSubmatch(body, -1) {
			callback.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
		}
		return callback, nil
	}
	to, err := resp.Location()
	if err != nil {
		reason := resp.Status
		if m := alert.FindStringSubmatch(body); m != nil {
			reason = html.UnescapeString(m[1])
		}
		return nil, fmt.Errorf("issuertest: the issuer does not redirect back: %s", reason)
	}
	if to.Fragment != "" {
		return url.ParseQuery(to.EscapedFragment())
	}
	return to.Query(), nil
}
