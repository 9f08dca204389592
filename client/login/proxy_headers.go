package login

import (
	"encoding/json"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
)

// keptFromAPI are request header fields that the API must not receive: the browser's credentials
// for this site, and fields that tell where the page is. ReverseProxy removes hop-by-hop fields.
var keptFromAPI = []string{
	"Cookie", "Authorization", "Dpop", HeaderCSRF, "Origin", "Referer",
	headerResponse, headerSessionID, headerSkipped, "Via", "Early-Data", "Cookie2", "Http2-Settings",

	// Fields that some servers read instead of the method or the path that Allow has checked.
	"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "X-Rewrite-Url", "X-Host",

	// Fields in which proxies describe the sender.
	"X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip",
	"Client-Cert", "Client-Cert-Chain", "X-Client-Cert", "X-Ssl-Client-Cert", "Ssl-Client-Cert",
}

var keptFromAPIPrefixes = []string{"Sec-Fetch-", "X-Forwarded", "X-Original-", "X-Envoy-"}

// isKeptFromAPI is for names in canonical form. To some servers a name with an underscore is
// one with a hyphen (CGI, RFC 3875).
func isKeptFromAPI(name string) bool {
	return slices.Contains(keptFromAPI, name) || strings.Contains(name, "_") ||
		slices.ContainsFunc(keptFromAPIPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// rewrite makes the request to the API.
func (p *proxy) rewrite(pr *httputil.ProxyRequest, path *url.URL) {
	out, base := pr.Out, p.target
	target := *base
	target.Path = strings.TrimSuffix(base.Path, "/") + path.Path
	target.RawPath = strings.TrimSuffix(base.EscapedPath(), "/") + path.EscapedPath()
	target.RawQuery = pr.In.URL.RawQuery
	out.URL, out.Host = &target, ""
	for name := range out.Header {
		if isKeptFromAPI(name) {
			delete(out.Header, name)
		}
	}
	if !strings.EqualFold(out.Header.Get("Upgrade"), "websocket") { // after an upgrade to h2c, Allow would not check the requests
		out.Header.Del("Upgrade")
		out.Header.Del("Connection")
	}
	if pr.In.Header["User-Agent"] == nil {
		out.Header["User-Agent"] = nil
	}
}

// keptFromPage are header fields of an API's response that would affect this site.
var keptFromPage = []string{
	"Set-Cookie", "Set-Cookie2", "Clear-Site-Data", "Strict-Transport-Security", "Alt-Svc", "Refresh", "Link", "Service-Worker-Allowed",
	"Www-Authenticate", "Dpop-Nonce", headerRegistration, headerChallenge, "Sourcemap", "X-Sourcemap", "Reporting-Endpoints", "Report-To", "Nel",
	"Cache-Control", "Expires", "Pragma", "Content-Security-Policy", "Content-Security-Policy-Report-Only", "Referrer-Policy",
	"Cross-Origin-Resource-Policy", "X-Content-Type-Options", "Age",

	// Instructions to a server in front of this one: to send a file, or to keep the response.
	"X-Sendfile", "X-Sendfile2", "X-Sendfile-Temporary", "X-Lighttpd-Send-File", "X-Lighttpd-Send-Tempfile",
	"X-Reproxy-Url", "X-Reproxy-File", "Edge-Control",
}

var keptFromPagePrefixes = []string{"Access-Control-", "X-Accel-", "X-Litespeed-", "Surrogate-"}

// isKeptFromPage is for names in canonical form. CDNs have further fields for caching, such as
// CDN-Cache-Control (RFC 9213).
func isKeptFromPage(name string) bool {
	return slices.Contains(keptFromPage, name) || strings.HasSuffix(name, "-Cache-Control") ||
		slices.ContainsFunc(keptFromPagePrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// clean removes from a response what must not affect this site. If a browser opens the response as
// a page, the page runs no script.
func (p *proxy) clean(resp *http.Response) error {
	for name := range resp.Header {
		if isKeptFromPage(name) {
			delete(resp.Header, name)
		}
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	resp.Header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	resp.Header.Set("X-Content-Type-Options", "nosniff")
	resp.Header.Set("Cross-Origin-Resource-Policy", "same-origin")
	if location := resp.Header.Get("Location"); location != "" {
		resp.Header.Set("Location", p.back(resp, location))
	}
	return nil
}

// back rewrites a redirect within the API, so that it goes through the proxy.
func (p *proxy) back(resp *http.Response, location string) string {
	to, err := resp.Request.URL.Parse(location)
	if err != nil || to.Scheme != p.target.Scheme || to.Host != p.target.Host {
		return location
	}
	rest, ok := strings.CutPrefix(to.EscapedPath(), strings.TrimSuffix(p.target.EscapedPath(), "/"))
	if !ok || !strings.HasPrefix(rest, "/") {
		return location
	}
	if to.RawQuery != "" {
		rest += "?" + to.RawQuery
	}
	if through := p.login.config.external(p.prefix) + rest; isSitePath(through) {
		return through
	}
	return location
}

// refuse answers a script.
func (p *proxy) refuse(w http.ResponseWriter, status int, body map[string]any) {
	raw, err := json.Marshal(body)
	if err != nil {
		raw = []byte(`{}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(raw)
}
