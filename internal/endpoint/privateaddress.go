package endpoint

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// special are multicast, deprecated networks, and those that the IANA IPv4 and IPv6 Special-Purpose
// Address Registries (RFC 6890) list as not globally reachable. They include the few reachable
// anycast addresses of protocols: no authorization server is there, and some clouds use addresses
// next to them for instance metadata.
var special = prefixes(
	"0.0.0.0/8",       // this network
	"10.0.0.0/8",      // private use
	"100.64.0.0/10",   // shared address space
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link local
	"172.16.0.0/12",   // private use
	"192.0.0.0/24",    // IETF protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // 6to4 relays, deprecated
	"192.168.0.0/16",  // private use
	"198.18.0.0/15",   // benchmarking
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, and limited broadcast

	"::/96",           // unspecified, loopback, IPv4-compatible (deprecated)
	"::ffff:0:0:0/96", // IPv4-translated
	"64:ff9b:1::/48",  // local use IPv4/IPv6 translation
	"100::/64",        // discard only
	"100:0:0:1::/64",  // dummy prefix
	"2001:2::/48",     // benchmarking
	"2001:10::/28",    // ORCHID, deprecated
	"2001:db8::/32",   // documentation
	"3fff::/20",       // documentation
	"5f00::/16",       // segment routing
	"fc00::/7",        // unique local
	"fe80::/10",       // link local
	"fec0::/10",       // site local, deprecated
	"ff00::/8",        // multicast
)

// protocols is the block of IETF protocol assignments. Only the addresses in assigned are
// reachable.
var (
	protocols = netip.MustParsePrefix("2001::/23")
	assigned  = prefixes("2001::/32", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:3::/32", "2001:4:112::/48", "2001:20::/28", "2001:30::/28")
)

// Networks whose addresses contain an IPv4 address, which the packet reaches.
var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: the last 32 bits
	sixTo4 = netip.MustParsePrefix("2002::/16")    // RFC 3056: the 32 bits after the prefix
	teredo = netip.MustParsePrefix("2001::/32")    // RFC 4380: the server's, and the client's inverted
)

func prefixes(all ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(all))
	for i, p := range all {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// isPrivate reports whether a is not an address of the public internet, or contains such an
// address.
func isPrivate(a netip.Addr) bool {
	a = a.Unmap().WithZone("") // a prefix contains no address with a zone
	contains := func(p netip.Prefix) bool { return p.Contains(a) }
	return !a.IsValid() || slices.ContainsFunc(special, contains) ||
		protocols.Contains(a) && !slices.ContainsFunc(assigned, contains) ||
		slices.ContainsFunc(embedded(a), isPrivate)
}

// embedded returns the IPv4 addresses in an IPv6 address.
func embedded(a netip.Addr) []netip.Addr {
	if a.Is4() {
		return nil
	}
	b := a.As16()
	v4 := func(from int) netip.Addr { return netip.AddrFrom4([4]byte(b[from : from+4])) }
	switch {
	case nat64.Contains(a):
		return []netip.Addr{v4(12)}
	case sixTo4.Contains(a):
		return []netip.Addr{v4(2)}
	case teredo.Contains(a):
		client := v4(12).As4()
		for i := range client {
			client[i] ^= 0xff
		}
		return []netip.Addr{v4(4), netip.AddrFrom4(client)}
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP, RFC 5214
		return []netip.Addr{v4(12)}
	}
	return nil
}

// isPrivateName reports whether a host is written as a private address. Many resolvers and
// proxies read a name that ends in a number as an IPv4 address in an old form: 127.1.
func isPrivateName(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return isPrivate(a)
	}
	return isLocalhost(host) || endsInNumber(host)
}

func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

func isPrivateOrigin(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && isPrivateName(u.Hostname())
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return isLocalhost(host) || ip != nil && ip.IsLoopback()
}

// isLocalhost reports whether host is localhost or a name under it (RFC 6761 §6.3).
func isLocalhost(host string) bool {
	host = strings.TrimSuffix(strings.Map(lowerASCII, host), ".")
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
