package mcpauth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/rs"
)

const principalKey = "github.com/countersign/countersign/mcpauth.principal"

// Identify passes the caller of a request to the SDK. Put it behind an rs.Protection and before the
// SDK's handler. The SDK then answers a request in the session of another user with 403. Tools get
// the caller from [Caller].
func Identify(next http.Handler) http.Handler {
	return rs.Require(checkCaller)(bearer(withTokenInfo(next)))
}

// Caller returns the user and the client of a call, with the scopes of the access token. extra is
// the field Extra of the request. It returns an error if the handler is not behind [Identify].
func Caller(extra *mcp.RequestExtra) (*rs.Principal, error) {
	if extra != nil && extra.TokenInfo != nil {
		if who, ok := extra.TokenInfo.Extra[principalKey].(*rs.Principal); ok {
			return who, nil
		}
	}
	return nil, errors.New("mcpauth: the call has no caller: wrap the SDK's handler with mcpauth.Identify")
}

var errNobody = errors.New("the access token names neither a user nor a client: its session cannot be bound")

func checkCaller(_ *http.Request, who *rs.Principal) error {
	if who.Subject == "" && who.ClientID == "" {
		return errNobody
	}
	return nil
}

// sessionUser is whom the SDK binds a session to.
func sessionUser(who *rs.Principal) string {
	if who.Subject == "" {
		return who.Issuer + " client " + who.ClientID
	}
	return who.Issuer + " user " + who.Subject
}

// bearer writes the scheme that the SDK reads. The Protection has checked the token, and the
// proof of a DPoP token.
func bearer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := *r
		out.Header = r.Header.Clone()
		token := sentToken(r)
		if token == "" {
			token = "verified" // it came in another header field
		}
		out.Header.Set("Authorization", "Bearer "+token)
		next.ServeHTTP(w, &out)
	})
}

// withTokenInfo puts the Principal where the SDK reads it.
var withTokenInfo = auth.RequireBearerToken(func(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
	who, ok := rs.FromContext(ctx)
	if !ok {
		return nil, auth.ErrInvalidToken
	}
	return &auth.TokenInfo{
		UserID: sessionUser(who), Scopes: who.Scopes, Expiration: who.Expiry,
		Extra: map[string]any{principalKey: who},
	}, nil
}, &auth.RequireBearerTokenOptions{AllowMissingExpiration: true, ClockSkew: 5 * time.Minute}) // the Protection has checked the time
