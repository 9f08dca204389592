package doctor

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/countersign/countersign/discovery"
)

// list returns a member that is a list of strings.
func (x *examination) list(name string) []string {
	values, _ := x.raw[name].([]any)
	var all []string
	for _, v := range values {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

func (x *examination) text(name string) string { s, _ := x.raw[name].(string); return s }

// endpoints reports on the addresses in the metadata.
func (x *examination) endpoints() {
	const topic = "endpoints"
	for _, name := range []string{
		"authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "introspection_endpoint", "revocation_endpoint",
		"end_session_endpoint", "pushed_authorization_request_endpoint", "device_authorization_endpoint", "backchannel_authentication_endpoint", "registration_endpoint",
	} {
		value, present := x.raw[name]
		address, ok := value.(string)
		switch {
		case !present || value == nil: // some servers write null for what they do not have
		case value == "":
			x.report.note(topic, name+" is empty and is treated as missing")
		case !ok:
			x.report.problem(topic, name+" is not a string", "the metadata is rejected: correct it at the server")
		default:
			x.endpoint(name, address)
		}
	}
	aliases, _ := x.raw["mtls_endpoint_aliases"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		if address, ok := aliases[name].(string); ok {
			x.endpoint("mtls_endpoint_aliases."+name, address)
		}
	}
	x.missingEndpoints(topic)
}

func (x *examination) missingEndpoints(topic string) {
	if x.text("token_endpoint") == "" {
		x.report.problem(topic, "the metadata names no token_endpoint", "no code can be exchanged: correct the metadata, or configure client.Config.Metadata")
	}
	if x.text("authorization_endpoint") == "" && !x.withoutLogin() {
		x.report.problem(topic, "the metadata names no authorization_endpoint", "no login can begin: correct the metadata, or configure client.Config.Metadata")
	}
}

func (x *examination) endpoint(name, address string) {
	err := discovery.CheckURL(address)
	if err == nil || x.InsecureHTTP && strings.HasPrefix(address, "http://") {
		x.oddEndpoint(name, address)
		return
	}
	x.report.problem("endpoints", fmt.Sprintf("%s is %q, which is %v", name, address, err), "correct it at the server")
}

// oddEndpoint reports a URL that is well-formed and cannot be right.
func (x *examination) oddEndpoint(name, address string) {
	const topic = "endpoints"
	host := strings.ToLower((&url.URL{Host: hostOf(address)}).Hostname())
	own := strings.ToLower((&url.URL{Host: hostOf(x.Issuer)}).Hostname())
	_, err := netip.ParseAddr(host)
	switch {
	case strings.ContainsAny(address, " \t\r\n"):
		x.report.problem(topic, fmt.Sprintf("%s is %q, which contains a space", name, address), "remove the space at the server")
	case strings.ContainsAny(address, "{}"):
		x.report.problem(topic, fmt.Sprintf("%s is %q, which is a template", name, address), "pass the issuer of one tenant; otherwise the server must replace the placeholder")
	case host == own:
	case isPrivate(host) && isPrivate(own) && host == strings.ToLower((&url.URL{Host: hostOf(x.text("issuer"))}).Hostname()):
		// the published issuer is another name of this machine, which the topic issuer reports
	case isPrivate(host):
		x.report.problem(topic, fmt.Sprintf("%s is %q, a private address that is not the issuer's", name, address), "correct the server's public address, or its proxy settings: this module does not use such an address")
	case err != nil && !strings.Contains(host, ".") && strings.Contains(own, "."):
		x.report.warn(topic, fmt.Sprintf("%s is at the host %q, which has no domain", name, host), "correct the server's public address, or its proxy settings: such a name works inside of one network only")
	}
}

// isPrivate reports whether a host is an address that only one machine or network can reach.
func isPrivate(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified())
}

// types reports members whose type is wrong. The library ignores those that a login does not
// need, and rejects the others.
func (x *examination) types() {
	for _, name := range slices.Sorted(maps.Keys(x.raw)) {
		value := x.raw[name]
		switch {
		case value == nil:
		case strings.HasSuffix(name, "_supported") && isList[name]:
			if all, ok := value.([]any); !ok || slices.ContainsFunc(all, notString) {
				x.report.warn(metadataTopic, fmt.Sprintf("%s is not a list of strings", name), "it is ignored: correct it at the server")
			}
		case isSwitch[name]:
			if _, ok := value.(bool); !ok {
				x.report.warn(metadataTopic, fmt.Sprintf("%s is not true or false", name), "correct it at the server: true without quotation marks")
			}
		}
	}
}

func notString(v any) bool { _, ok := v.(string); return !ok }

// isList and isSwitch are the members that the library knows, by their type.
var isList, isSwitch = knownMembers()

func knownMembers() (lists, switches map[string]bool) {
	lists, switches = map[string]bool{}, map[string]bool{}
	for field := range reflect.TypeFor[discovery.Metadata]().Fields() {
		switch field.Type.String() {
		case "[]string":
			lists[field.Tag.Get("json")] = true
		case "bool", "*bool":
			switches[field.Tag.Get("json")] = true
		}
	}
	return lists, switches
}

// withoutLogin: a server whose grants have no login in the browser.
func (x *examination) withoutLogin() bool {
	grants := x.list("grant_types_supported")
	return len(grants) > 0 && !slices.Contains(grants, "authorization_code") && !slices.Contains(grants, "implicit")
}
