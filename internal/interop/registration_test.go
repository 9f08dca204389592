package interop

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/registration"
)

// initialTokens allow a registration. Keycloak checks the address of the sender instead.
var initialTokens = map[string]string{"oidc-provider": "interop-initial-token"}

func (s *server) registrar() *registration.Registrar {
	return &registration.Registrar{Server: s.provider, InitialAccessToken: initialTokens[s.name]}
}

func newRegistration() registration.Metadata {
	return registration.Metadata{
		ClientName: "registered by a test", RedirectURIs: []string{appURL + "/callback"},
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
	}
}

// registerClient registers a client, which ends with the test.
func registerClient(t *testing.T, s *server, metadata registration.Metadata) *registration.Registered {
	t.Helper()
	got, err := s.registrar().Register(t.Context(), metadata)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(got.Changed, "redirect_uris") || slices.Contains(got.Changed, "token_endpoint_auth_method") {
		t.Errorf("the server registered other %q", got.Changed)
	}
	return got
}

// registeredConfig returns the configuration of a client that was registered.
func (s *server) registeredConfig(r *registration.Registered, keys auth.KeySource) client.Config {
	config := r.Config(s.provider, keys)
	config.Scopes = slices.Concat([]string{"openid", "email"}, s.scopes)
	if keys != nil {
		config.Auth = auth.PrivateKeyJWT(keys, s.assertion())
	}
	return config
}

// TestRegistration registers a client, signs in with it, reads and changes it, and deletes it.
func TestRegistration(t *testing.T) {
	registered.each(t, func(t *testing.T, s *server) {
		r := s.registrar()
		metadata := newRegistration()
		metadata.TokenEndpointAuthMethod = "client_secret_basic"
		first := registerClient(t, s, metadata)
		checkKnown(t, s.registeredConfig(first, nil))

		seen, err := r.Read(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		seen.Metadata.ClientName = "changed by a test"
		kept := seen.ClientSecret
		if s.name == hydra.name { // which rejects a request that has the secret
			seen.ClientSecret = ""
		}
		changed, err := r.Update(t.Context(), seen)
		if err != nil {
			t.Fatal(err)
		}
		changed.ClientSecret = cmp.Or(changed.ClientSecret, kept)
		if changed.Metadata.ClientName != "changed by a test" || changed.ClientID != first.ClientID {
			t.Errorf("changed to %v", changed)
		}
		if seen.AccessToken != changed.AccessToken {
			_, err = r.Read(t.Context(), seen)
			checkUnregistered(t, err)
		}
		checkKnown(t, s.registeredConfig(changed, nil))

		if err := r.Delete(t.Context(), changed); err != nil {
			t.Fatal(err)
		}
		_, err = r.Read(t.Context(), changed)
		checkUnregistered(t, err)
		redirect, _, err := newClient(t, s.registeredConfig(changed, nil)).Begin(t.Context(), client.Request{})
		if pushes(s.metadata) {
			checkPush(t, err, "invalid_client", "invalid_request", "unauthorized_client")
		} else if p, visited := newVisitor(t, &landing{}).visit(redirect); err != nil || visited == nil {
			t.Errorf("the browser is at %v, %v", p, err)
		}
	})
}

func checkUnregistered(t *testing.T, err error) {
	t.Helper()
	var e *registration.Error
	if !errors.As(err, &e) || e.Status != http.StatusUnauthorized {
		t.Fatalf("error %v, want status 401", err)
	}
	works(t, "%v", err)
}

// TestRegistrationRefused: registrations that a server rejects.
func TestRegistrationRefused(t *testing.T) {
	registered.each(t, func(t *testing.T, s *server) {
		metadata := newRegistration()
		metadata.RedirectURIs = []string{"https://unknown.example/callback#fragment"}
		_, err := s.registrar().Register(t.Context(), metadata)
		var e *registration.Error
		if !errors.As(err, &e) || e.Status != 400 && e.Status != 403 || e.Code == "" {
			t.Fatalf("got %v", err)
		}
		works(t, "%v", err)

		if s.name == hydra.name { // which requires no token
			return
		}
		r := s.registrar()
		r.InitialAccessToken = "another-token"
		_, err = r.Register(t.Context(), newRegistration())
		checkUnregistered(t, err)
	})
}

// newRing returns a key ring with one key, on a clock that the test sets. add adds another key.
func newRing(t *testing.T, now *time.Time) (ring *auth.KeyRing, add func()) {
	t.Helper()
	ring = &auth.KeyRing{MaxAge: time.Hour, Now: func() time.Time { return *now }}
	add = func() {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err == nil {
			err = ring.Rotate(auth.SigningKey{Key: key}, time.Time{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	add()
	return ring, add
}

// TestKeysRotate: a client serves its next key before it signs with it, so that the servers have
// fetched it.
func TestKeysRotate(t *testing.T) {
	keysRotated.each(t, func(t *testing.T, s *server) {
		now := time.Now()
		ring, add := newRing(t, &now)
		add() // served now, but not used for signatures yet
		web := httptest.NewServer(ring)
		defer web.Close()
		metadata := newRegistration()
		metadata.TokenEndpointAuthMethod, metadata.TokenEndpointAuthSigningAlg = "private_key_jwt", "ES256"
		metadata.JWKSURI = web.URL + "/jwks"
		got := registerClient(t, s, metadata)
		config := s.registeredConfig(got, ring)
		before := ring.Current().KeyID
		checkKnown(t, config)
		now = now.Add(time.Hour + time.Minute)
		if ring.Current().KeyID == before {
			t.Error("the same key signs")
		}
		checkKnown(t, config)

		stranger, _ := newRing(t, &now)
		checkUnknown(t, s.registeredConfig(got, stranger))
	})
}

// TestDocument signs in with a client that only its client ID metadata document describes.
func TestDocument(t *testing.T) {
	documented.each(t, func(t *testing.T, s *server) {
		now := time.Now()
		ring, _ := newRing(t, &now)
		document := &registration.Document{Metadata: newRegistration()}
		mux := http.NewServeMux()
		mux.Handle("/jwks", ring)
		mux.Handle("/client", document)
		web := httptest.NewUnstartedServer(mux)
		web.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t, "server")}}
		web.StartTLS()
		defer web.Close()
		document.ClientID = web.URL + "/client"
		document.Metadata.TokenEndpointAuthMethod, document.Metadata.TokenEndpointAuthSigningAlg = "private_key_jwt", "ES256"
		document.Metadata.JWKSURI = web.URL + "/jwks"
		config := document.Config(s.provider, ring)
		config.Scopes = []string{"openid", "email"}
		checkKnown(t, config)

		config.ClientID = web.URL + "/nobody"
		_, _, err := newClient(t, config).Begin(t.Context(), client.Request{})
		checkPush(t, err, "invalid_client")
	})
}
