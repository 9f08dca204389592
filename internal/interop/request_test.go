package interop

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/par"
)

// withObject is a client's config whose requests are signed.
func withObject(t *testing.T, s *server, clientID string, mode client.PARMode) client.Config {
	t.Helper()
	config := s.config(clientID)
	config.PAR = mode
	config.RequestObject = &client.RequestObject{Keys: signingKey(t)}
	return config
}

// TestObjectPushed pushes a signed request, one that a stranger signed, and a plain one.
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
		published := &par.Published{}
		site := httptest.NewUnstartedServer(http.Handler(published))
		site.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t, "server")}}
		site.StartTLS()
		t.Cleanup(site.Close)
		published.BaseURL = site.URL + "/objects"

		config := withObject(t, s, "jar", client.PAROff)
		config.RequestObject.Publisher, config.RepeatParameters = published, true
		logIn(t, newClient(t, config), client.Request{})
		works(t, "a signed request that the server fetches")
	})
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
