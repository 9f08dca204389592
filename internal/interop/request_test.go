package interop

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/par"
)

// withObject configures a client that signs its requests.
func withObject(t *testing.T, s *server, clientID string, mode client.PARMode) client.Config {
	t.Helper()
	config := s.config(clientID)
	config.PAR = mode
	config.RequestObject = &client.RequestObject{Keys: signingKey(t)}
	return config
}

// TestObjectPushed pushes a signed request, one that an unknown key signed, and an unsigned one.
func TestObjectPushed(t *testing.T) {
	objectPushed.each(t, func(t *testing.T, s *server) {
		config := withObject(t, s, "jar", client.PARRequired)
		logIn(t, newClient(t, config), client.Request{})
		works(t, "a signed request that is pushed")

		config.RequestObject.Keys = strangeKey(t)
		_, _, err := newClient(t, config).Begin(t.Context(), client.Request{})
		checkPush(t, err, "invalid_request_object", "invalid_request")
		config.RequestObject = nil
		_, _, err = newClient(t, config).Begin(t.Context(), client.Request{})
		checkPush(t, err, "invalid_request", "invalid_request_object")
	})
}

func TestObjectByValue(t *testing.T) {
	objectByValue.each(t, func(t *testing.T, s *server) {
		config := withObject(t, s, "jar", client.PAROff)
		c := newClient(t, config)
		finish(t, c, authorizeAs(t, newVisitor(t, nil), c, client.Request{}, nil))
		config.RepeatParameters = true
		logIn(t, newClient(t, config), client.Request{})
		works(t, "a signed request in the browser's address, with and without repeated parameters")
	})
}

// TestObjectByAddress has the server fetch the request from the client.
func TestObjectByAddress(t *testing.T) {
	objectByAddress.each(t, func(t *testing.T, s *server) {
		config := withObject(t, s, "jar", client.PAROff)
		config.RepeatParameters = true
		if s.name == hydra.name {
			config.ClientID, config.RequestObject.Publisher = "jar-fetched", registeredAddress(t)
		} else {
			published := &par.Published{}
			published.BaseURL = serveTLS(t, published) + "/objects"
			config.RequestObject.Publisher = published
		}
		logIn(t, newClient(t, config), client.Request{})
		works(t, "a signed request that the server fetches")
	})
}

// fixedAddress serves the last request object at one address, for a server that fetches only
// from registered addresses.
type fixedAddress struct {
	address string
	object  atomic.Value
}

// Publish implements par.Publisher.
func (f *fixedAddress) Publish(_ context.Context, object string) (string, error) {
	f.object.Store(object)
	return f.address, nil
}

// ServeHTTP implements http.Handler.
func (f *fixedAddress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	object, _ := f.object.Load().(string)
	w.Header().Set("Content-Type", "application/oauth-authz-req+jwt")
	io.WriteString(w, object)
}

// registeredAddress makes a client of hydra that registers the address of its request objects.
func registeredAddress(t *testing.T) *fixedAddress {
	t.Helper()
	f := &fixedAddress{}
	f.address = serveTLS(t, f) + "/object"
	keys, err := os.ReadFile(keyPath("clients.jwks"))
	if err == nil {
		err = callHydra(http.MethodPost, "/admin/clients", hydraApp().with(hydraClient{
			"client_id": "jar-fetched", "jwks": json.RawMessage(keys), "request_object_signing_alg": "PS256", "request_uris": []string{f.address},
		}), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func serveTLS(t *testing.T, h http.Handler) (address string) {
	t.Helper()
	site := httptest.NewUnstartedServer(h)
	site.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t, "server")}}
	site.StartTLS()
	t.Cleanup(site.Close)
	return site.URL
}

func TestObjectEncrypted(t *testing.T) {
	objectEncrypted.each(t, func(t *testing.T, s *server) {
		for _, mode := range []client.PARMode{client.PARRequired, client.PAROff} {
			config := withObject(t, s, "jar-encrypted", mode)
			config.RequestObject.EncryptionAlg, config.RequestObject.EncryptionEnc = "RSA-OAEP-256", "A256GCM"
			logIn(t, newClient(t, config), client.Request{})
		}
		works(t, "a request signed, then encrypted to the server's key")
	})
}
