package fositeserver

import (
	"context"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"
)

// deviceGrant handles the token request of a device, RFC 8628 §3.4, as a fosite handler.
type deviceGrant struct {
	devices *devices
	config  *fosite.Config
	access  oauth2.HandleHelper
	id      openid.IDTokenHandleHelper
}

func newDeviceGrant(d *devices, config *fosite.Config, store *storage.MemoryStore, strategy *compose.CommonStrategy) *deviceGrant {
	return &deviceGrant{
		devices: d, config: config,
		access: oauth2.HandleHelper{AccessTokenStrategy: strategy, AccessTokenStorage: store, Config: config},
		id:     openid.IDTokenHandleHelper{IDTokenStrategy: strategy},
	}
}

// CanSkipClientAuth implements fosite.TokenEndpointHandler, as do the others.
func (g *deviceGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

func (g *deviceGrant) CanHandleTokenEndpointRequest(_ context.Context, r fosite.AccessRequester) bool {
	return r.GetGrantTypes().ExactOne(grantDevice)
}

func (g *deviceGrant) HandleTokenEndpointRequest(_ context.Context, r fosite.AccessRequester) error {
	if !r.GetGrantTypes().ExactOne(grantDevice) {
		return fosite.ErrUnknownRequest
	}
	one, err := g.devices.redeem(r.GetRequestForm().Get("device_code"), r.GetClient().GetID())
	if err != nil {
		return err
	}
	for _, scope := range one.scopes {
		r.GrantScope(scope)
	}
	for _, audience := range one.client.GetAudience() {
		r.GrantAudience(audience)
	}
	one.session.SetExpiresAt(fosite.AccessToken, time.Now().UTC().Add(g.config.AccessTokenLifespan))
	r.SetSession(one.session)
	return nil
}

func (g *deviceGrant) PopulateTokenEndpointResponse(ctx context.Context, r fosite.AccessRequester, resp fosite.AccessResponder) error {
	if !r.GetGrantTypes().ExactOne(grantDevice) {
		return fosite.ErrUnknownRequest
	}
	if _, err := g.access.IssueAccessToken(ctx, g.config.AccessTokenLifespan, r, resp); err != nil {
		return err
	}
	if !r.GetGrantedScopes().Has("openid") {
		return nil
	}
	r.GetSession().(*session).IDTokenClaims().AccessTokenHash = g.id.GetAccessTokenHash(ctx, r, resp)
	return g.id.IssueExplicitIDToken(ctx, g.config.IDTokenLifespan, r, resp)
}
