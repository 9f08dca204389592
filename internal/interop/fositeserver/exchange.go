package fositeserver

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/storage"
)

// The grant types for Client.Grants.
const (
	ClientCredentials = "client_credentials"
	TokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange"
)

const accessTokenType = "urn:ietf:params:oauth:token-type:access_token" // RFC 8693 §3

// exchangeGrant is the token exchange of RFC 8693, which fosite does not implement. An API
// that was called with an access token receives a token for the same user, to call the next
// API. Only the API that the token is for can exchange it.
type exchangeGrant struct {
	server *Server
	config *fosite.Config
	access oauth2.HandleHelper
}

func newExchangeGrant(s *Server, config *fosite.Config, store *storage.MemoryStore, strategy *compose.CommonStrategy) *exchangeGrant {
	return &exchangeGrant{
		server: s, config: config,
		access: oauth2.HandleHelper{AccessTokenStrategy: strategy, AccessTokenStorage: store, Config: config},
	}
}

// CanSkipClientAuth implements fosite.TokenEndpointHandler, as do the others.
func (g *exchangeGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

func (g *exchangeGrant) CanHandleTokenEndpointRequest(_ context.Context, r fosite.AccessRequester) bool {
	return r.GetGrantTypes().ExactOne(TokenExchange)
}

func (g *exchangeGrant) HandleTokenEndpointRequest(ctx context.Context, r fosite.AccessRequester) error {
	if !r.GetGrantTypes().ExactOne(TokenExchange) {
		return fosite.ErrUnknownRequest
	}
	if err := checkExchange(r); err != nil {
		return err
	}
	user, err := g.server.subject(ctx, r.GetClient().GetID(), r.GetRequestForm().Get("subject_token"))
	if err != nil {
		return err
	}
	next := g.server.newSession(user, r.GetClient(), r.GetRequestedAt())
	next.actor = r.GetClient().GetID()
	next.SetExpiresAt(fosite.AccessToken, time.Now().UTC().Add(g.config.AccessTokenLifespan))
	r.SetSession(next)
	grantAsked(r)
	return nil
}

// checkExchange accepts only what this server supports: an access token for another access
// token.
func checkExchange(r fosite.AccessRequester) error {
	form := r.GetRequestForm()
	switch {
	case !r.GetClient().GetGrantTypes().Has(TokenExchange):
		return fosite.ErrUnauthorizedClient.WithHint("The client is not registered for this grant.")
	case form.Get("subject_token_type") != accessTokenType:
		return fosite.ErrInvalidRequest.WithHint("The subject_token must be an access token.")
	case form.Has("actor_token"):
		return fosite.ErrInvalidRequest.WithHint("The client is the actor, and nobody else.")
	case form.Has("requested_token_type") && form.Get("requested_token_type") != accessTokenType:
		return fosite.ErrInvalidRequest.WithHint("Only access tokens are issued.")
	}
	for _, scope := range r.GetRequestedScopes() {
		if !r.GetClient().GetScopes().Has(scope) {
			return fosite.ErrInvalidScope
		}
	}
	return matchResources(r.GetClient().GetAudience(), r.GetRequestedAudience())
}

// errBadExchange is the error response of RFC 8693 §2.2.2.
var errBadExchange = fosite.ErrInvalidRequest.WithHint("The subject_token is not good, or not for this client.")

func (g *exchangeGrant) PopulateTokenEndpointResponse(ctx context.Context, r fosite.AccessRequester, resp fosite.AccessResponder) error {
	if !r.GetGrantTypes().ExactOne(TokenExchange) {
		return fosite.ErrUnknownRequest
	}
	if _, err := g.access.IssueAccessToken(ctx, g.config.AccessTokenLifespan, r, resp); err != nil {
		return err
	}
	resp.SetExtra("issued_token_type", accessTokenType)
	return nil
}

// grantToItself grants a client the scopes that it requests for itself. fosite has checked
// that the client may have them.
func (s *Server) grantToItself(r fosite.AccessRequester) {
	own := r.GetSession().(*session)
	own.Subject, own.issuer, own.clientID, own.tokenID = r.GetClient().GetID(), s.config.Issuer, r.GetClient().GetID(), rand.Text()
	grantAsked(r)
}

// grantAsked grants the requested scopes and the requested APIs. Without requested APIs it
// grants those of the client.
func grantAsked(r fosite.Requester) {
	for _, scope := range r.GetRequestedScopes() {
		r.GrantScope(scope)
	}
	for _, resource := range resourcesOf(r) {
		r.GrantAudience(resource)
	}
}

// subject returns the user of an access token that is for the client's API.
func (s *Server) subject(ctx context.Context, clientID, token string) (*User, error) {
	_, subject, err := s.provider.IntrospectToken(ctx, token, fosite.AccessToken, blank())
	if err != nil {
		return nil, errBadExchange
	}
	resource := s.registered(clientID).Resource
	if resource == "" || !subject.GetGrantedAudience().Has(resource) {
		return nil, errBadExchange
	}
	i := slices.IndexFunc(s.config.Users, func(u User) bool { return u.Subject == subject.GetSession().GetSubject() })
	if i < 0 {
		return nil, errBadExchange
	}
	return &s.config.Users[i], nil
}

// registered returns the registration of a client that fosite has found.
func (s *Server) registered(clientID string) Client {
	i := slices.IndexFunc(s.config.Clients, func(c Client) bool { return c.ID == clientID })
	if i < 0 {
		return Client{}
	}
	return s.config.Clients[i]
}
