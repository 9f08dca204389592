package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery"
)

// ExamineAPI calls an API without a token, and reads its challenge (RFC 6750 section 3) and
// its protected resource metadata (RFC 9728).
func ExamineAPI(ctx context.Context, address string, o Options) *Report {
	o.Issuer = address
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	x := &examination{Options: o, report: &Report{Issuer: address}}
	x.http = x.client()
	if err := discovery.CheckURL(address); err != nil && !o.InsecureHTTP {
		x.report.problem("api", "the address "+err.Error(), "use an https URL")
		return x.report
	}
	resp, err := x.call(ctx, address)
	if err != nil {
		x.report.problem("api", err.Error(), "")
		return x.report
	}
	challenge := x.challenge(resp)
	x.resource(ctx, address, challenge)
	return x.report
}

func (x *examination) call(ctx context.Context, address string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := x.http.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	return resp, err
}

func (x *examination) challenge(resp *http.Response) *tokens.ChallengeError {
	const topic = "challenge"
	fields := resp.Header.Values("WWW-Authenticate")
	if resp.StatusCode != http.StatusUnauthorized {
		x.report.warn(topic, fmt.Sprintf("a request without a token is answered with status %d, expected 401", resp.StatusCode),
			"this address needs no token, or does not follow RFC 6750 section 3")
		return nil
	}
	if len(fields) == 0 {
		x.report.problem(topic, "status 401 without WWW-Authenticate", "the API must send a challenge (RFC 9110 section 11.6.1)")
		return nil
	}
	x.report.note(topic, strings.Join(fields, "; "))
	c := tokens.ReadChallenge(resp)
	if c == nil {
		x.report.problem(topic, "the challenge is neither Bearer nor DPoP, or is malformed", "see RFC 6750 section 3")
		return nil
	}
	if c.Code != "" {
		x.report.warn(topic, fmt.Sprintf("the challenge has the error %q although no token was sent", c.Code), "RFC 6750 section 3.1: without a token the challenge has no error code")
	}
	return c
}

// resource reads the metadata that the challenge names, else that of the usual place.
func (x *examination) resource(ctx context.Context, address string, c *tokens.ChallengeError) {
	const topic = "resource"
	var found *discovery.Resource
	var err error
	if c != nil && c.ResourceMetadata != "" {
		found, err = discovery.FetchChallenged(ctx, x.http, c.ResourceMetadata, address)
	} else {
		x.report.note(topic, "the challenge names no resource_metadata (RFC 9728 section 5.1)")
		found, err = discovery.FetchResource(ctx, x.http, address)
	}
	if err != nil {
		level := Warning
		if c != nil && c.ResourceMetadata != "" {
			level = Problem
		}
		x.report.add(level, topic, err.Error(), "clients that are given only the address cannot find the authorization server")
		return
	}
	x.report.note(topic, "resource "+found.Resource)
	x.report.note(topic, "authorization servers: "+strings.Join(found.AuthorizationServers, ", "))
	if len(found.AuthorizationServers) == 0 {
		x.report.problem(topic, "the metadata names no authorization server", "set rs.Metadata.AuthorizationServers")
	}
	if len(found.ScopesSupported) > 0 {
		x.report.note(topic, "scopes: "+strings.Join(found.ScopesSupported, " "))
	}
	x.report.note(topic, fmt.Sprintf("DPoP required: %v, certificate-bound tokens: %v", found.DPoPBoundAccessTokensRequired, found.TLSClientCertificateBoundAccessTokens))
}
