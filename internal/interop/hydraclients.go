package interop

import (
	"encoding/json"
	"os"
	"sync"
	"time"
)

// hydraClient is a client registration in hydra's format.
type hydraClient map[string]any

// with returns the registration with changes.
func (c hydraClient) with(changes hydraClient) hydraClient {
	out := hydraClient{}
	for name, value := range c {
		out[name] = value
	}
	for name, value := range changes {
		out[name] = value
	}
	return out
}

// hydraClients registers the clients of the tests at hydra, once.
var hydraClients = sync.OnceValue(func() error {
	keys, err := os.ReadFile(keyPath("clients.jwks"))
	if err != nil {
		return err
	}
	for _, client := range hydraRegistrations(keys) {
		if err := callHydra("POST", "/admin/clients", client, nil); err != nil {
			return err
		}
	}
	return callHydra("POST", "/admin/trust/grants/jwt-bearer/issuers", hydraClient{
		"issuer": "https://assertions.example", "subject": "alice at work", "scope": []string{"openid", "photos.read"},
		"expires_at": time.Now().Add(time.Hour).Format(time.RFC3339), "jwk": hydraKey(keys),
	}, nil)
})

// hydraKey returns the clients' signing key.
func hydraKey(jwks []byte) any {
	var set struct{ Keys []map[string]any }
	if json.Unmarshal(jwks, &set) != nil || len(set.Keys) == 0 {
		return nil
	}
	return set.Keys[0]
}

// hydraApp is a web application.
func hydraApp() hydraClient {
	return hydraClient{
		"client_secret": secret, "redirect_uris": []string{appURL + "/callback", loopbackURL}, "post_logout_redirect_uris": []string{appURL + "/bye"},
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
		"token_endpoint_auth_method": "client_secret_basic", "access_token_strategy": "jwt",
		"scope": "openid offline_access email photos.read photos.write printer", "audience": []string{apiID, printerID},
	}
}

func hydraRegistrations(keys []byte) []hydraClient {
	app := hydraApp()
	daemon := app.with(hydraClient{"grant_types": []string{"client_credentials"}, "redirect_uris": []string{}, "post_logout_redirect_uris": []string{}, "response_types": []string{}})
	signs := hydraClient{"jwks": json.RawMessage(keys)}
	return []hydraClient{
		app.with(hydraClient{"client_id": "basic"}),
		app.with(hydraClient{"client_id": "post", "token_endpoint_auth_method": "client_secret_post"}),
		app.with(hydraClient{"client_id": "public", "client_secret": "", "token_endpoint_auth_method": "none"}),
		app.with(hydraClient{"client_id": "opaque", "access_token_strategy": "opaque"}),
		app.with(signs).with(hydraClient{
			"client_id": "private-key-jwt", "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "PS256",
		}),
		app.with(signs).with(hydraClient{"client_id": "jar", "request_object_signing_alg": "PS256"}),
		app.with(hydraClient{"client_id": "signed-userinfo", "userinfo_signed_response_alg": "RS256"}),
		app.with(hydraClient{
			"client_id": "hybrid", "response_types": []string{"code id_token"},
			"grant_types": []string{"authorization_code", "refresh_token", "implicit"},
		}),
		app.with(hydraClient{
			"client_id": "backchannel", "backchannel_logout_session_required": true,
			"backchannel_logout_uri": "http://" + os.Getenv("COUNTERSIGN_INTEROP_ELSEWHERE") + "/backchannel-logout",
		}),
		daemon.with(hydraClient{"client_id": "daemon"}),
		daemon.with(hydraClient{"client_id": "assertions", "grant_types": []string{"urn:ietf:params:oauth:grant-type:jwt-bearer"}}),
	}
}
