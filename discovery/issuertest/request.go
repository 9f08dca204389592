package issuertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// readRequest returns the parameters of an authorization request from the query, from a
// pushed request (RFC 9126) or from a request object (RFC 9101). The caller holds i.mu.
func (i *Issuer) readRequest(r *http.Request, q url.Values) (*Client, url.Values, error) {
	c := i.state.client(q.Get("client_id"))
	if c == nil {
		return nil, nil, refuse("invalid_request", "no client with this client_id is registered")
	}
	if uri := q.Get("request_uri"); uri != "" {
		pushed, ok := i.state.pushed.get(uri, i.Now())
		if !ok || pushed.Get("client_id") != c.ID {
			return nil, nil, refuse("invalid_request_uri", "request_uri is unknown, expired, used, or another client's")
		}
		pushed = maps.Clone(pushed)
		pushed.Set("request_uri", uri) // kept until the request is answered, so that the page can be reloaded, RFC 9126 §4
		return c, pushed, i.checkRequest(c, pushed)
	}
	if c.RequirePAR {
		return nil, nil, refuse("invalid_request", "this client must push its requests (RFC 9126)")
	}
	q, err := i.unpack(r, c, q)
	if err != nil {
		return nil, nil, err
	}
	return c, q, i.checkRequest(c, q)
}

// unpack decodes a request object. Its claims replace the parameters, RFC 9101 §6.3.
func (i *Issuer) unpack(r *http.Request, c *Client, q url.Values) (url.Values, error) {
	raw := q.Get("request")
	if raw == "" {
		return q, nil
	}
	raw, err := i.keys.open(raw)
	var t *jose.Token
	if err == nil {
		t, err = jose.Parse(raw, jose.MaxSize)
	}
	if err == nil {
		err = c.verify(r, t)
	}
	var claims map[string]any
	if err == nil {
		err = json.Unmarshal(t.Payload, &claims)
	}
	if err != nil {
		return nil, refuse("invalid_request_object", err.Error())
	}
	if claims["client_id"] != c.ID || claims["iss"] != c.ID {
		return nil, refuse("invalid_request_object", "client_id and iss must be the client_id of the request")
	}
	return parameters(claims), nil
}

// parameters returns the claims of a request object without the claims of the JWT itself.
func parameters(claims map[string]any) url.Values {
	out := url.Values{}
	for name, value := range claims {
		if slices.Contains([]string{"iss", "aud", "exp", "iat", "nbf", "jti"}, name) {
			continue
		}
		switch v := value.(type) {
		case string:
			out.Set(name, v)
		case float64:
			out.Set(name, fmt.Sprintf("%.0f", v))
		case []any:
			if name != "authorization_details" {
				for _, one := range v {
					out.Add(name, fmt.Sprint(one))
				}
				continue
			}
			out.Set(name, string(must(json.Marshal(v))))
		default:
			out.Set(name, string(must(json.Marshal(v))))
		}
	}
	return out
}

// checkRequest returns an error that must not be sent to the redirect URI.
func (i *Issuer) checkRequest(c *Client, q url.Values) error {
	redirect := q.Get("redirect_uri")
	if redirect == "" && len(c.RedirectURLs) == 1 {
		redirect = c.RedirectURLs[0]
	}
	u, err := url.Parse(redirect)
	if err != nil || u.Scheme == "" || u.Fragment != "" {
		return refuse("invalid_request", "redirect_uri is missing, is not absolute, or has a fragment")
	}
	if len(c.RedirectURLs) > 0 && !slices.ContainsFunc(c.RedirectURLs, func(one string) bool { return c.sameRedirect(one, redirect) }) {
		return refuse("invalid_request", "redirect_uri is not registered for the client "+c.ID)
	}
	return nil
}

// sameRedirect compares redirect URIs exactly, except for the port on loopback (RFC 8252
// §7.3). A web application, which is confidential, has one port.
func (c *Client) sameRedirect(registered, sent string) bool {
	if registered == sent {
		return true
	}
	a, errA := url.Parse(registered)
	b, errB := url.Parse(sent)
	if errA != nil || errB != nil || a.Scheme != "http" || net.ParseIP(a.Hostname()) == nil || !net.ParseIP(a.Hostname()).IsLoopback() {
		return false
	}
	if !c.public() && a.Port() != "" {
		return false
	}
	a.Host, b.Host = a.Hostname(), b.Hostname()
	return *a == *b
}

// checkParameters returns an error that is sent to the redirect URI.
func (i *Issuer) checkParameters(c *Client, q url.Values) *refusal {
	for name, values := range q {
		if len(values) > 1 && name != "resource" && name != "audience" {
			return refuse("invalid_request", "the parameter "+name+" is there more than once")
		}
	}
	method := q.Get("code_challenge_method")
	switch {
	case !slices.Contains([]string{"code", "code id_token", "id_token code", "id_token"}, q.Get("response_type")):
		return refuse("unsupported_response_type", "response_type must be code, code id_token or id_token")
	case strings.Contains(q.Get("response_type"), "id_token") && q.Get("nonce") == "":
		return refuse("invalid_request", "nonce is required for an ID token in the authorization response")
	case q.Get("code_challenge") != "" && method != "" && method != "S256" && method != "plain":
		return refuse("invalid_request", "code_challenge_method must be S256 or plain")
	case c.public() && strings.Contains(q.Get("response_type"), "code") && q.Get("code_challenge") == "":
		return refuse("invalid_request", "a public client must send a code_challenge (RFC 7636)")
	}
	if e := c.allowed(strings.Fields(q.Get("scope"))); e != nil {
		return e
	}
	return c.allowedResources(q["resource"])
}

// allowedResources checks the resources that are requested for access tokens, RFC 8707 §2.
func (c *Client) allowedResources(resources []string) *refusal {
	for _, r := range resources {
		if len(c.Audience) > 0 && !slices.Contains(c.Audience, r) {
			return refuse("invalid_target", "the client may not get tokens for the resource "+r)
		}
	}
	return nil
}

func (c *Client) allowed(scopes []string) *refusal {
	for _, s := range scopes {
		if len(c.Scopes) > 0 && !slices.Contains(c.Scopes, s) {
			return refuse("invalid_scope", "the client may not get the scope "+s)
		}
	}
	return nil
}

// par accepts a pushed authorization request, RFC 9126 §2.
func (i *Issuer) par(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c, e := i.authenticate(r)
	if e != nil {
		e.answer(w)
		return
	}
	thumbprint, e := i.proof(w, r, "")
	if e != nil {
		e.answer(w)
		return
	}
	uri, err := i.push(r, c, thumbprint)
	if err != nil {
		err.answer(w)
		return
	}
	answer := map[string]any{"request_uri": uri, "expires_in": 60}
	if i.faults.has(PushedURIMissing) {
		delete(answer, "request_uri")
	}
	answerJSON(w, http.StatusCreated, answer)
}

func (i *Issuer) push(r *http.Request, c *Client, thumbprint string) (string, *refusal) {
	q := maps.Clone(r.PostForm)
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type"} {
		q.Del(name)
	}
	if q.Has("request_uri") {
		return "", refuse("invalid_request", "request_uri may not be pushed")
	}
	q.Set("client_id", c.ID)
	q, err := i.unpack(r, c, q)
	if err == nil {
		err = i.checkRequest(c, q)
	}
	if err != nil {
		return "", err.(*refusal)
	}
	if e := i.checkParameters(c, q); e != nil {
		return "", e
	}
	if thumbprint != "" {
		q.Set("dpop_jkt", thumbprint)
	}
	uri := pushedURIPrefix + i.secret()
	i.state.pushed.put(uri, q, i.Now().Add(time.Minute))
	return uri, nil
}
