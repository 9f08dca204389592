package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery"
)

// ExamineAPI calls an API without a token, and reads its challenge (RFC 6750 section 3) and
// its protected resource metadata (RFC 9728).
func ExamineAPI(ctx context.Context, address string, o Options) *Report {
	o.Issuer = address
	x := newExamination(o)
	if err := discovery.CheckURL(address); err != nil && !(o.InsecureHTTP && strings.HasPrefix(address, "http://")) {
		x.report.problem("api", "the address is "+err.Error(), "use an https URL, such as https://api.example/photos; in development, -insecure-http accepts http")
		return x.report
	}
	answer := x.get(ctx, address)
	if !x.connection(answer) {
		return x.report
	}
	x.clock(answer)
	x.resource(ctx, address, x.challenge(&http.Response{StatusCode: answer.status, Header: answer.header}))
	return x.report
}

func (x *examination) challenge(resp *http.Response) *tokens.ChallengeError {
	const topic = "challenge"
	fields := resp.Header.Values("WWW-Authenticate")
	if resp.StatusCode != http.StatusUnauthorized {
		x.report.warn(topic, fmt.Sprintf("a request without a token is answered with status %d, expected 401", resp.StatusCode),
			"check the address: this one requires no token, is not an address of the API, or does not follow RFC 6750 section 3")
		return nil
	}
	if len(fields) == 0 {
		x.report.problem(topic, "status 401 without WWW-Authenticate", "the API must send a challenge (RFC 9110 section 11.6.1)")
		return nil
	}
	x.report.note(topic, strings.Join(fields, "; "))
	c := tokens.ReadChallenge(resp)
	if c == nil {
		x.report.problem(topic, "the challenge is neither Bearer nor DPoP, or is malformed", "correct the API: the challenge must follow RFC 6750 section 3")
		return nil
	}
	if c.Code != "" {
		x.report.warn(topic, fmt.Sprintf("the challenge has the error %q although no token was sent", c.Code), "RFC 6750 section 3.1: without a token the challenge has no error code")
	}
	return c
}

// resource reads the metadata at the address in the challenge, or at the usual address.
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
		x.noResource(c, err)
		return
	}
	x.report.note(topic, "resource "+found.Resource)
	x.report.note(topic, "authorization servers: "+strings.Join(found.AuthorizationServers, ", "))
	x.authorizationServers(found.AuthorizationServers)
	if len(found.ScopesSupported) > 0 {
		x.report.note(topic, "scopes: "+strings.Join(found.ScopesSupported, " "))
	}
	x.report.note(topic, fmt.Sprintf("DPoP required: %v, certificate-bound tokens: %v", found.DPoPBoundAccessTokensRequired, found.TLSClientCertificateBoundAccessTokens))
}

// noResource reports that the metadata cannot be read. That is a problem if the challenge names
// it.
func (x *examination) noResource(c *tokens.ChallengeError, err error) {
	level := Warning
	if c != nil && c.ResourceMetadata != "" {
		level = Problem
	}
	text, remedy := err.Error(), "clients that know only the API's address cannot find the authorization server"
	var e *discovery.Error
	if errors.As(err, &e) && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden) {
		text = fmt.Sprintf("the API's metadata is behind its token check: status %d", e.Status)
		remedy = "mount rs.Metadata outside of Protection.Handler: clients read it before they have a token"
	}
	x.report.add(level, "resource", text, remedy)
}

// authorizationServers checks the issuers that the metadata names. They are not called.
func (x *examination) authorizationServers(all []string) {
	const topic = "resource"
	if len(all) == 0 {
		x.report.problem(topic, "the metadata names no authorization server", "set rs.Metadata.AuthorizationServers")
	}
	for _, issuer := range all {
		if err := discovery.CheckIssuer(issuer); err != nil && !x.InsecureHTTP {
			x.report.problem(topic, "the authorization server: "+err.Error(), "set rs.Metadata.AuthorizationServers to issuers")
			continue
		}
		x.report.note(topic, "countersign doctor "+issuer+" examines the authorization server")
	}
}
