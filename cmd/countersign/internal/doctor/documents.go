package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/countersign/countersign/discovery"
)

const metadataTopic = "metadata"

// locations are where metadata may be: OpenID Connect Discovery 1.0 section 4, RFC 8414
// section 3, and the form that RFC 8414 section 5 mentions for OpenID providers.
func (x *examination) locations() []string {
	all := []string{strings.TrimSuffix(x.Issuer, "/") + "/.well-known/openid-configuration"}
	if inserted, err := discovery.OAuthURL(x.Issuer); err == nil {
		all = append(all, inserted)
		if u, err := url.Parse(x.Issuer); err == nil && strings.Trim(u.Path, "/") != "" {
			all = append(all, strings.Replace(inserted, "/oauth-authorization-server", "/openid-configuration", 1))
		}
	}
	return all
}

// documents reads the metadata everywhere, and gives the first document that the library
// accepts, else the first one that is JSON.
func (x *examination) documents(ctx context.Context) *document {
	var found []*document
	for i, location := range x.locations() {
		d := x.get(ctx, location)
		if i == 0 {
			x.connection(d)
			x.clock(d)
		}
		if fault := d.fault(); fault != "" {
			x.reportAbsent(i, d, fault)
			continue
		}
		found = append(found, d)
	}
	if len(found) == 0 {
		x.report.problem(metadataTopic, "no metadata at any of the usual places: "+strings.Join(x.locations(), ", "),
			"check the issuer's path; if the server publishes its metadata elsewhere set client.Config.DiscoveryURL and discovery.Provider.URL, without metadata configure client.Config.Metadata")
		return nil
	}
	x.compareDocuments(found)
	return x.choose(ctx, found)
}

// reportAbsent: only the first location is expected of an OpenID provider.
func (x *examination) reportAbsent(i int, d *document, fault string) {
	if i > 0 {
		return
	}
	remedy := ""
	switch {
	case d.status == 401 || d.status == 403:
		remedy = "the server wants credentials for its metadata: set HTTP to a client that sends them, or configure Metadata"
	case d.location != "":
		remedy = "set Issuer to the server's own spelling, or DiscoveryURL to " + d.location
	case d.contentType != "" && d.status == 200:
		remedy = "correct the Content-Type at the server"
	}
	x.report.warn(metadataTopic, d.url+": "+fault, remedy)
}

func (x *examination) compareDocuments(found []*document) {
	if len(found) < 2 {
		return
	}
	var first map[string]any
	if json.Unmarshal(found[0].body, &first) != nil {
		return
	}
	for _, d := range found[1:] {
		var other map[string]any
		if json.Unmarshal(d.body, &other) != nil {
			continue
		}
		for _, name := range []string{"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"} {
			if a, b := fmt.Sprint(first[name]), fmt.Sprint(other[name]); first[name] != nil && other[name] != nil && a != b {
				x.report.warn(metadataTopic, fmt.Sprintf("%s is %s at %s, and %s at %s", name, a, found[0].url, b, d.url), "the documents must agree; clients read one or the other")
			}
		}
	}
}

func (x *examination) choose(ctx context.Context, found []*document) *document {
	var refused error
	for i, d := range found {
		if i == 0 && json.Unmarshal(d.body, &x.raw) != nil {
			x.raw = nil
		}
		p := &discovery.Provider{Issuer: x.Issuer, HTTP: x.http, InsecureHTTP: x.InsecureHTTP, Logger: quiet, URL: d.url}
		m, err := p.Metadata(ctx)
		if err == nil {
			x.provider, x.metadata = p, m
			json.Unmarshal(d.body, &x.raw)
			x.report.note(metadataTopic, d.url)
			return d
		}
		if refused == nil {
			refused = err
		}
	}
	if x.raw == nil {
		x.report.problem(metadataTopic, found[0].url+": "+refused.Error(), "")
		return nil
	}
	if !x.compareIssuer() {
		x.report.problem(metadataTopic, refused.Error(), "")
	}
	return found[0]
}

// compareIssuer compares the issuer character by character, as OpenID Connect Discovery
// 1.0 section 4.3 requires. It reports whether it found a difference.
func (x *examination) compareIssuer() bool {
	const topic = "issuer"
	published, ok := x.raw["issuer"].(string)
	if !ok {
		x.report.problem(topic, "the metadata has no issuer", "the server must name itself (OpenID Connect Discovery 1.0 section 3)")
		return true
	}
	if published == x.Issuer {
		return false
	}
	text := fmt.Sprintf("the metadata names another issuer: %s (%s)", published, difference(x.Issuer, published))
	x.report.problem(topic, text, fmt.Sprintf("set Issuer to %q; if its metadata is not below that address, set DiscoveryURL to %q too", published, x.locations()[0]))
	return true
}

// difference says where two issuers part.
func difference(want, got string) string {
	switch {
	case want+"/" == got:
		return "it ends with a slash"
	case want == got+"/":
		return "it does not end with a slash"
	case strings.EqualFold(want, got):
		return "it differs in upper and lower case"
	case strings.Contains(got, "{"):
		return "it is a template: name the tenants with client.EntraTenants"
	}
	i := 0
	for i < len(want) && i < len(got) && want[i] == got[i] {
		i++
	}
	return fmt.Sprintf("they differ from character %d on: expected %q, received %q", i+1, cut(want[i:]), cut(got[i:]))
}

func cut(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
