package playground

import (
	"context"
	"net/url"
	"strings"
	"time"
)

// A Switch changes the run.
type Switch struct {
	ID, Name, Text string
	calls          string                             // the calls in Go that it adds; its settings are in settings
	then           func(context.Context, *lab) screen // after the login, nil for nothing
}

// Switches are in the order of the page.
var Switches = []Switch{
	{"par", "PAR", "The application sends its request to the server directly. The browser gets a reference.", "", nil},
	{"jar", "JAR", "The request is a JWT that the application signs.", "", nil},
	{"jarm", "JARM", "The response through the browser is a JWT that the server signs.", "", nil},
	{"formpost", "form_post", "The response comes in the body of a POST, and not in the address.", "", nil},
	{"dpop", "DPoP", "The tokens are bound to a key that only the application has.", "", nil},
	{"mtls", "mTLS", "The tokens are bound to the application's TLS certificate.", "", nil},
	{"opaque", "Opaque access token", "The access token is a random string. The API asks the server about it.", "", nil},
	{"introspection", "Introspection", "The API also asks the server about each JWT, and so learns of revocations.", "", nil},
	{"encryption", "Encrypted ID token", "Only the application can read the ID token.", "", nil},
	{"oauth21", "Profile OAuth 2.1", "The configuration must follow the OAuth 2.1 draft.", "", nil},
	{"fapi2", "Profile FAPI 2.0 Security", "PAR, a private key and bound tokens are required. A weaker configuration is rejected.", "", nil},
	{"signing", "Profile FAPI 2.0 Message Signing", "As the FAPI 2.0 Security profile. Requests and responses are also signed.", "", nil},
	{"refresh", "Refresh", "The access token expires, and the application gets a new one.", "", func(_ context.Context, l *lab) screen {
		l.issuer.Advance(5*time.Minute + 31*time.Second)
		return l.get(l.browser, l.app+"/photos")
	}},
	{"stepup", "Step-up", "The API requires a stronger sign-in for a deletion (RFC 9470). The application requests it.", "rs.RequireACR(\"mfa\")(handler)\n\nl.Begin(w, r, login.BeginOptions{Request: &more, ReturnTo: r.RequestURI})", func(_ context.Context, l *lab) screen {
		return l.get(l.browser, l.app+"/delete")
	}},
	{"exchange", "Token exchange", "The application exchanges its token for another one.", "exchanged, err := grant.TokenExchange(ctx, c, grant.ExchangeRequest{\n\tSubjectToken: t.AccessToken,\n\tAudiences:    []string{\"https://api.example\"},\n})", func(_ context.Context, l *lab) screen {
		return l.get(l.browser, l.app+"/exchange")
	}},
	{"device", "Device", "A television signs in. The user allows the login in a browser.", "device, err := grant.BeginDevice(ctx, c, client.TokenRequest{})\n// show device.UserCode and device.VerificationURI\nissued, err := grant.FinishDevice(ctx, c, device)", func(_ context.Context, l *lab) screen {
		return l.get(l.browser, l.app+"/device")
	}},
	{"revocation", "Revocation", "The application revokes its tokens, and calls the API again. An API that checks JWTs by itself still accepts the token; one that introspects does not.", "if err := c.RevokeTokens(ctx, t); err != nil {\n\treturn err\n}", func(_ context.Context, l *lab) screen {
		l.get(l.browser, l.app+"/revoke")
		return l.get(stopAt(l.browser, l.atServer), l.app+"/photos")
	}},
	{"backchannel", "Back-channel logout", "The server tells the application that the session has ended. The next page needs a new sign-in.", "mux.Handle(\"POST /backchannel-logout\", l.BackchannelLogout())", func(ctx context.Context, l *lab) screen {
		subject := l.subject()
		if _, err := l.issuer.SendLogout(ctx, appID, subject, ""); err != nil {
			return screen{Text: err.Error()}
		}
		return l.get(stopAt(l.browser, l.atServer), l.app+"/photos")
	}},
}

// atServer is true for the authorization endpoint.
func (l *lab) atServer(u *url.URL) bool {
	return strings.HasPrefix(u.String(), l.issuer.URL+"/authorize")
}

func (l *lab) subject() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tokens == nil || l.tokens.IDToken == nil {
		return ""
	}
	return l.tokens.IDToken.Subject
}
