package doctor

import (
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign/countersign/discovery"
)

const issuerTopic = "issuer"

// checkAddress checks the issuer identifier itself.
func (x *examination) checkAddress() bool {
	for _, suffix := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		if rest, ok := strings.CutSuffix(x.Issuer, suffix); ok {
			x.report.problem(issuerTopic, "this is the address of the metadata, not the issuer", "try "+rest)
			return false
		}
	}
	switch err := discovery.CheckIssuer(x.Issuer); {
	case strings.TrimSpace(x.Issuer) != x.Issuer:
		x.report.problem(issuerTopic, "the issuer begins or ends with a space", "remove it")
		return false
	case !strings.Contains(x.Issuer, "://"):
		x.report.problem(issuerTopic, "the issuer has no scheme", "try "+schemeFor(x.Issuer)+x.Issuer)
		return false
	case err != nil && (!x.InsecureHTTP || !strings.HasPrefix(x.Issuer, "http://")):
		x.report.problem(issuerTopic, "the "+strings.TrimPrefix(err.Error(), "the "), "OpenID Connect Discovery 1.0 section 3 requires an https URL without query and fragment; in development, -insecure-http accepts http")
		return false
	}
	x.oddAddress()
	return true
}

// schemeFor returns http for this machine, where development servers listen.
func schemeFor(address string) string {
	u, err := url.Parse("//" + address)
	if err != nil {
		return "https://"
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if u.Hostname() == "localhost" || err == nil && ip.IsLoopback() {
		return "http://"
	}
	return "https://"
}

// oddAddress warns of a spelling that other software changes: iss is compared character by
// character.
func (x *examination) oddAddress() {
	u, err := url.Parse(x.Issuer)
	if err != nil {
		return
	}
	spellings := map[string]bool{
		"the host has upper-case letters":              u.Host != strings.ToLower(u.Host),
		"the scheme has upper-case letters":            !strings.HasPrefix(x.Issuer, u.Scheme),
		"the host ends with a dot":                     strings.HasSuffix(u.Hostname(), "."),
		"the address names the default port":           u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80",
		"the path has empty segments, or dots":         strings.Contains(u.Path, "//") || strings.Contains(u.Path+"/", "/./") || strings.Contains(u.Path+"/", "/../"),
		"the host is an internationalized domain name": strings.ContainsFunc(u.Host, func(r rune) bool { return r > 0x7f }),
	}
	for _, text := range slices.Sorted(maps.Keys(spellings)) {
		if spellings[text] {
			x.report.warn(issuerTopic, text+": some software changes this spelling, and iss is compared character by character", "configure the server to use the usual spelling of its issuer")
		}
	}
}
