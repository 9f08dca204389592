package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign/countersign/discovery"
)

const metadataTopic = "metadata"

// locations are the addresses where metadata may be. They are from OpenID Connect Discovery 1.0 §4
// and RFC 8414 §3. The third form is in RFC 8414 §5, for OpenID providers.
func (x *examination) locations() []string {
	all := []string{openIDLocation(x.Issuer)}
	if inserted, err := discovery.OAuthURL(x.Issuer); err == nil {
		all = append(all, inserted)
		if u, err := url.Parse(x.Issuer); err == nil && strings.Trim(u.Path, "/") != "" {
			all = append(all, strings.Replace(inserted, "/oauth-authorization-server", "/openid-configuration", 1))
		}
	}
	return all
}

// documents reads the metadata at every usual address. It returns the first document that the
// library accepts. Without such a document it returns the first JSON document.
func (x *examination) documents(ctx context.Context) *document {
	var found, absent []*document
	for i, location := range x.locations() {
		d := x.get(ctx, location)
		if i == 0 && !x.connection(d) {
			return nil
		}
		if i == 0 {
			x.clock(d)
		}
		if d.fault() == "" {
			found = append(found, d)
		} else {
			absent = append(absent, d)
		}
	}
	x.reportAbsent(absent, len(found) > 0)
	if len(found) == 0 {
		x.report.problem(metadataTopic, "no metadata found at the usual addresses: "+strings.Join(x.locations(), ", "),
			"check the issuer's path; if the server publishes its metadata elsewhere, set client.Config.DiscoveryURL and discovery.Provider.URL; if it has none, set client.Config.Metadata")
		return nil
	}
	x.compareDocuments(found)
	return x.choose(ctx, found)
}

// reportAbsent: no server needs to have all documents, so one that is not found is a fact.
// Any other answer is a fault.
func (x *examination) reportAbsent(absent []*document, other bool) {
	for _, d := range absent {
		usual := d.url == x.locations()[0]
		switch gone := d.status == 404 || d.status == 410; {
		case gone && other && usual:
			x.report.note(metadataTopic, d.url+" is not found: this is not an OpenID provider, or it publishes its metadata for OAuth only (RFC 8414)")
		case gone && other, !usual && !other:
		case usual:
			x.report.warn(metadataTopic, d.url+": "+d.fault(), d.remedy())
		default:
			x.report.note(metadataTopic, d.url+": "+d.fault())
		}
	}
}

// remedy says what to do about an answer that is not the document.
func (d *document) remedy() string {
	switch {
	case d.status == 401 || d.status == 403:
		return "the server requires credentials for its metadata: set HTTP to a client that sends them, or configure Metadata"
	case d.location != "":
		return "countersign does not follow redirects: set Issuer exactly as the server writes it, or DiscoveryURL to " + d.location
	case d.timedOut():
		return "check the load of the server: countersign waits at most 10 seconds"
	case d.status == 429:
		return "the server limits requests: wait" + d.retryAfter() + ", and cache the metadata as discovery.Provider does"
	case d.status == 400 && strings.Contains(string(d.body), "HTTPS"):
		return "the server expects https at this port, but the address has http: correct the scheme"
	case d.status >= 500:
		return "the server is starting, overloaded or broken: see its log, and the log of a proxy in front of it"
	case errors.Is(d.err, io.ErrUnexpectedEOF):
		return "the server or a proxy closed the connection before the end of the response: see their logs"
	case d.status == 200 && len(d.body) > maxBody:
		return "check the address: it is not the address of metadata, or another program responds"
	case d.status == 200 && d.contentType != "":
		return "correct the Content-Type at the server, or the address: the response may be a login page"
	}
	return ""
}

// retryAfter returns the requested time of the server, if it is a number of seconds.
func (d *document) retryAfter() string {
	if seconds, err := strconv.ParseUint(d.header.Get("Retry-After"), 10, 31); err == nil {
		return fmt.Sprintf(" %d seconds", seconds)
	}
	return ""
}

// maxDifferent is the maximum number of different members in the report.
const maxDifferent = 50

// compareDocuments compares what several documents say about the same member.
func (x *examination) compareDocuments(found []*document) {
	var first map[string]any
	if json.Unmarshal(found[0].body, &first) != nil {
		return
	}
	different := 0
	for _, d := range found[1:] {
		var other map[string]any
		if json.Unmarshal(d.body, &other) != nil {
			x.report.warn(metadataTopic, d.url+": this is not a JSON object", "correct the server: some clients read this document")
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(first)) {
			if different < maxDifferent && differs(name, first[name], other[name]) {
				different++
				x.report.warn(metadataTopic, fmt.Sprintf("%s is %v at %s, and %v at %s", name, first[name], found[0].url, other[name], d.url), "the documents must agree; clients read one or the other")
			}
		}
	}
}

// differs compares the members whose difference stops a client: addresses and switches.
func differs(name string, a, b any) bool {
	if a == nil || b == nil {
		return false
	}
	_, isSwitch := a.(bool)
	return (isSwitch || name == "issuer" || name == "jwks_uri" || strings.HasSuffix(name, "_endpoint")) && fmt.Sprint(a) != fmt.Sprint(b)
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
		x.report.problem(metadataTopic, found[0].url+": "+refused.Error()+inFront(found[0].body), "the document must be one JSON object without duplicate members")
		return nil
	}
	if code := x.text("error"); code != "" && x.raw["issuer"] == nil {
		x.report.problem(metadataTopic, fmt.Sprintf("%s: the answer is not metadata but the error %q (%q)", found[0].url, cut(code), cut(x.text("error_description"))), "check the path of the issuer: the server may not know this tenant or realm")
		return nil
	}
	if !x.compareIssuer(found[0].url) {
		x.report.problem(metadataTopic, refused.Error(), "correct the document at the server, or configure client.Config.Metadata")
	}
	return found[0]
}

// inFront says what is in front of a JSON object that cannot be read.
func inFront(body []byte) string {
	at := bytes.IndexByte(body, '{')
	switch {
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return ": it begins with a byte order mark, which JSON does not have (RFC 8259 section 8.1)"
	case bytes.HasPrefix(body, []byte("\xff\xfe")) || bytes.HasPrefix(body, []byte("\xfe\xff")):
		return ": it is not in UTF-8 (RFC 8259 section 8.1)"
	case at > 0 && len(bytes.TrimSpace(body[:at])) > 0:
		return fmt.Sprintf(": %q is in front of the object", cut(string(body[:at])))
	}
	return ""
}

// compareIssuer compares the issuer character by character, as OpenID Connect Discovery
// 1.0 section 4.3 requires. It reports whether it found a difference. The metadata is from the
// address at.
func (x *examination) compareIssuer(at string) bool {
	const topic = "issuer"
	published, ok := x.raw["issuer"].(string)
	if _, present := x.raw["issuer"]; present && !ok {
		x.report.problem(topic, "the issuer in the metadata is not a string", "the server must name itself (OpenID Connect Discovery 1.0 section 3)")
		return true
	}
	if !ok {
		x.report.problem(topic, "the metadata has no issuer", "the server must name itself (OpenID Connect Discovery 1.0 section 3)")
		return true
	}
	if published == x.Issuer {
		return false
	}
	text := fmt.Sprintf("the metadata names another issuer: %s (%s)", published, difference(x.Issuer, published))
	x.report.problem(topic, text, x.correctIssuer(published, at))
	return true
}

// correctIssuer returns the settings for the issuer that the metadata names.
func (x *examination) correctIssuer(published, at string) string {
	switch {
	case at == openIDLocation(published):
		return fmt.Sprintf("set Issuer to %q", published)
	case at != openIDLocation(x.Issuer):
		return fmt.Sprintf("set Issuer to %q and DiscoveryURL to %q", published, at)
	}
	return fmt.Sprintf("set Issuer to %q; if its metadata is not below that address, set DiscoveryURL to %q too", published, at)
}

// openIDLocation is where OpenID Connect Discovery puts the metadata.
func openIDLocation(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
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
	case strings.TrimSpace(got) == want:
		return "it begins or ends with a space"
	case strings.Replace(got, ":443", "", 1) == want:
		return "it names the default port 443"
	case got == strings.Replace(want, ":443", "", 1):
		return "it does not name the default port 443"
	case strings.TrimSuffix(hostOf(want), ".") == strings.TrimSuffix(hostOf(got), ".") && hostOf(want) != hostOf(got):
		return "one of the hosts ends with a dot"
	case strings.TrimPrefix(want, "https") == strings.TrimPrefix(got, "http"):
		return "its scheme is http, not https"
	}
	i := 0
	for i < len(want) && i < len(got) && want[i] == got[i] {
		i++
	}
	return fmt.Sprintf("they differ from character %d on: expected %q, received %q", i+1, cut(want[i:]), cut(got[i:]))
}

func cut(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}
