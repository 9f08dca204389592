package doctor_test

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/cmd/countersign/internal/doctor"
	"github.com/countersign/countersign/discovery/issuertest"
)

// TestKitFaults: each HTTP fault of the test kit is reported under the topic of its endpoint, and
// nothing else is reported. The endpoints are the metadata, the key set, and the endpoint for
// pushed requests.
func TestKitFaults(t *testing.T) {
	const redirect = "https://app.example/callback"
	faults := []issuertest.Fault{
		issuertest.HangUp, issuertest.Truncated, issuertest.Redirecting, issuertest.HTML, issuertest.NotJSON, issuertest.Empty,
		issuertest.TooLarge, issuertest.ServerError, issuertest.Unavailable, issuertest.Slow,
	}
	topics := map[issuertest.Endpoint]string{issuertest.OpenIDMetadata: "metadata network", issuertest.JWKSEndpoint: "keys", issuertest.PAREndpoint: "registration"}
	for endpoint, topic := range topics {
		for _, fault := range append(faults, issuertest.PushedURIMissing) {
			if fault == issuertest.PushedURIMissing && endpoint != issuertest.PAREndpoint {
				continue
			}
			t.Run(string(endpoint)+" "+string(fault), func(t *testing.T) {
				t.Parallel()
				i := issuertest.New(t, issuertest.Config{Delay: time.Minute, Clients: []issuertest.Client{{ID: "web", Secret: "canary-secret", RedirectURLs: []string{redirect}}}})
				if fault == issuertest.PushedURIMissing {
					i.Inject(fault)
				} else {
					i.Inject(fault.At(endpoint))
				}
				if endpoint == issuertest.OpenIDMetadata && fault != issuertest.PushedURIMissing {
					i.Inject(fault.At(issuertest.OAuthMetadata))
				}
				pool := x509.NewCertPool()
				pool.AddCert(i.Certificate())
				timeout := patience
				if fault == issuertest.Slow {
					timeout = time.Second
				}
				report := doctor.Examine(t.Context(), doctor.Options{Issuer: i.URL, RootCAs: pool, ClientID: "web", RedirectURL: redirect, Auth: auth.SecretBasic("canary-secret"), Timeout: timeout})
				if report.Problems() == 0 {
					t.Errorf("no problem is found: %+v", report.Findings)
				}
				for _, f := range report.Findings {
					if fault != issuertest.Slow && f.Level == doctor.Problem && (!strings.Contains(topic, f.Topic) || f.Remedy == "") {
						t.Errorf("%+v", f)
					}
					if strings.Contains(f.Text+f.Remedy, "canary") {
						t.Errorf("a secret: %+v", f)
					}
				}
			})
		}
	}
}
