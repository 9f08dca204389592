package issuertest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// registration holds the members of RFC 7591 §2 that the issuer knows.
type registration struct {
	ID                     string          `json:"client_id,omitempty"`
	Secret                 string          `json:"client_secret,omitempty"`
	SecretExpiry           *int64          `json:"client_secret_expires_at,omitempty"`
	Token                  string          `json:"registration_access_token,omitempty"`
	URI                    string          `json:"registration_client_uri,omitempty"`
	Name                   string          `json:"client_name,omitempty"`
	AuthMethod             string          `json:"token_endpoint_auth_method,omitempty"`
	RedirectURLs           []string        `json:"redirect_uris,omitempty"`
	PostLogoutRedirectURLs []string        `json:"post_logout_redirect_uris,omitempty"`
	BackChannelLogoutURL   string          `json:"backchannel_logout_uri,omitempty"`
	FrontChannelLogoutURL  string          `json:"frontchannel_logout_uri,omitempty"`
	Scope                  string          `json:"scope,omitempty"`
	Keys                   json.RawMessage `json:"jwks,omitempty"`
	RequirePAR             bool            `json:"require_pushed_authorization_requests,omitempty"`
	RequireDPoP            bool            `json:"dpop_bound_access_tokens,omitempty"`
}

const maxRegistered = 1000

// register is the client registration endpoint, RFC 7591 §3. It requires no authentication.
func (i *Issuer) register(w http.ResponseWriter, r *http.Request) {
	var asked registration
	if e := unmarshal(r, &asked); e != nil {
		e.answer(w)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.state.clients) >= maxRegistered {
		refuse("invalid_client_metadata", "too many clients are registered").answer(w)
		return
	}
	c := &Client{ID: newID()[:16], registrationToken: i.secret()}
	if e := i.change(c, asked); e != nil {
		e.answer(w)
		return
	}
	i.state.clients = append(i.state.clients, c)
	i.answerClient(w, http.StatusCreated, c)
}

// change applies the members of a registration request to the client.
func (i *Issuer) change(c *Client, asked registration) *refusal {
	c.AuthMethod = or(asked.AuthMethod, "client_secret_basic")
	if !slices.Contains(authMethods, c.AuthMethod) {
		return refuse("invalid_client_metadata", "token_endpoint_auth_method is not supported")
	}
	if c.AuthMethod == "private_key_jwt" && asked.Keys == nil {
		return refuse("invalid_client_metadata", "private_key_jwt needs jwks")
	}
	if strings.HasPrefix(c.AuthMethod, "client_secret") && c.Secret == "" {
		c.Secret = i.secret()
	}
	c.Name, c.RedirectURLs, c.PostLogoutRedirectURLs = asked.Name, asked.RedirectURLs, asked.PostLogoutRedirectURLs
	c.BackChannelLogoutURL, c.FrontChannelLogoutURL = asked.BackChannelLogoutURL, asked.FrontChannelLogoutURL
	c.Scopes, c.Keys = strings.Fields(asked.Scope), asked.Keys
	c.RequirePAR, c.RequireDPoP = asked.RequirePAR, asked.RequireDPoP
	return nil
}

// information is the client information response, RFC 7591 §3.2.1.
func (i *Issuer) information(c *Client) registration {
	out := registration{
		ID: c.ID, Secret: c.Secret, Token: c.registrationToken, URI: i.URL + string(RegisteredClient) + "?client_id=" + c.ID,
		Name: c.Name, AuthMethod: c.AuthMethod, RedirectURLs: c.RedirectURLs, PostLogoutRedirectURLs: c.PostLogoutRedirectURLs,
		BackChannelLogoutURL: c.BackChannelLogoutURL, FrontChannelLogoutURL: c.FrontChannelLogoutURL,
		Scope: strings.Join(c.Scopes, " "), Keys: c.Keys, RequirePAR: c.RequirePAR, RequireDPoP: c.RequireDPoP,
	}
	if c.Secret != "" {
		never := int64(0)
		out.SecretExpiry = &never
	}
	return out
}

func (i *Issuer) answerClient(w http.ResponseWriter, status int, c *Client) {
	var members map[string]any
	must(members, json.Unmarshal(must(json.Marshal(i.information(c))), &members))
	answerJSON(w, status, edited(i.config.Edit.Registration, members))
}

// registered is the client configuration endpoint, RFC 7592 §2.
func (i *Issuer) registered(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c := i.state.client(r.URL.Query().Get("client_id"))
	if c == nil || c.registrationToken == "" || r.Header.Get("Authorization") != "Bearer "+c.registrationToken {
		refuse("invalid_token", "the registration access token is wrong").answer(w)
		return
	}
	switch r.Method {
	case http.MethodGet:
		i.answerClient(w, http.StatusOK, c)
	case http.MethodPut:
		i.update(w, r, c)
	case http.MethodDelete:
		i.state.clients = slices.DeleteFunc(i.state.clients, func(one *Client) bool { return one == c })
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (i *Issuer) update(w http.ResponseWriter, r *http.Request, c *Client) {
	var asked registration
	if e := unmarshal(r, &asked); e != nil {
		e.answer(w)
		return
	}
	if asked.ID != c.ID || asked.Secret != "" && asked.Secret != c.Secret {
		refuse("invalid_request", "client_id and client_secret must be those of the client").answer(w)
		return
	}
	if e := i.change(c, asked); e != nil {
		e.answer(w)
		return
	}
	c.registrationToken = i.secret()
	i.answerClient(w, http.StatusOK, c)
}

// Register adds a client, or replaces the one with its ID.
func (i *Issuer) Register(c Client) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if known := i.state.client(c.ID); known != nil {
		*known = c
		return
	}
	i.state.clients = append(i.state.clients, &c)
}

// Clients returns the registered clients, including those that used the registration
// endpoint.
func (i *Issuer) Clients() []Client {
	i.mu.Lock()
	defer i.mu.Unlock()
	var list []Client
	for _, c := range i.state.clients {
		list = append(list, *c)
	}
	return list
}
