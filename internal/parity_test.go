package internal_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/rs"
)

// pair has the settings of a client and of an API for one deviation of servers.
type pair struct {
	client []string // fields of client.Config
	rs     []string // fields of rs.JWT and rs.Introspection
	why    string   // one side needs no setting
}

// parity lists the settings for servers that deviate. Each exists on both sides, or has the reason
// why not.
var parity = []pair{
	{[]string{"Skew"}, []string{"Skew"}, ""},
	{[]string{"MaxSize"}, []string{"MaxSize"}, ""},
	{[]string{"Tenants", "AcceptTenant"}, []string{"Tenants"}, ""},
	{[]string{"InsecureHTTP"}, []string{"InsecureHTTP"}, ""},
	{[]string{"InsecureMissingTokenType", "TokenTypes"}, []string{"InsecureMissingTokenType"}, ""},
	{[]string{"IDTokenAlgs"}, []string{"Algs"}, ""},
	{[]string{"DecryptionKeys"}, []string{"DecryptionKeys"}, ""},
	{[]string{"IDTokenKeys"}, []string{"Keys"}, ""},
	{[]string{"TrustedAudiences"}, []string{"Audiences"}, ""},
	{[]string{"AuthorizedParties"}, []string{"AudienceClients"}, ""},
	{[]string{"InsecureRSAOAEP"}, []string{"InsecureRSAOAEP"}, ""},
	{[]string{"InsecureMissingNonce"}, []string{"InsecureNonce"}, ""},

	{nil, []string{"ScopeClaim"}, "RFC 6749 §5.1 names the member of a token response, and no server was found that uses another"},
	{nil, []string{"ClientIDClaim", "SubjectClaim", "InsecureMissingSubject", "InsecureMissingIssuer", "KeyIssuer", "Typ", "OtherTyps", "Claims"}, "OpenID Connect Core §2 fixes these claims of an ID token"},
	{[]string{"IssuerAlias"}, nil, "Google, whose issuer has two spellings, issues opaque access tokens"},
	{[]string{"InsecureSkipSignature"}, nil, "no access token comes straight from the token endpoint"},
	{[]string{"InsecureNoPKCE", "InsecureDraftLogout", "InsecureUnnamedUserInfo"}, nil, "an API takes no part in a login"},
}

// TestParity: every setting of the table exists, and every option that weakens a check is in the
// table.
func TestParity(t *testing.T) {
	fields := func(types ...reflect.Type) (out []string) {
		for _, typ := range types {
			for i := range typ.NumField() {
				out = append(out, typ.Field(i).Name)
			}
		}
		return out
	}
	sides := []struct {
		name   string
		fields []string
		listed func(pair) []string
	}{
		{"client.Config", fields(reflect.TypeFor[client.Config]()), func(p pair) []string { return p.client }},
		{"rs.JWT and rs.Introspection", fields(reflect.TypeFor[rs.JWT](), reflect.TypeFor[rs.Introspection]()), func(p pair) []string { return p.rs }},
	}
	for _, side := range sides {
		var all []string
		for _, p := range parity {
			all = append(all, side.listed(p)...)
			if (len(p.client) == 0 || len(p.rs) == 0) != (p.why != "") {
				t.Errorf("%v: a reason is for what one side alone has", p)
			}
		}
		for _, name := range all {
			if !slices.Contains(side.fields, name) {
				t.Errorf("%s has no %s", side.name, name)
			}
		}
		for _, name := range side.fields {
			if strings.HasPrefix(name, "Insecure") && !slices.Contains(all, name) {
				t.Errorf("%s.%s is not in the table: which setting of the other side goes with it?", side.name, name)
			}
		}
	}
}
