package playground

import (
	"go/format"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/discovery/issuertest"
)

// declaration matches a variable that the lines do not use.
var declaration = regexp.MustCompile(`(?m)^(\w+), err := `)

var statement = regexp.MustCompile(`(?m)^(client\.Config|rs\.Protection|rs\.Introspection|login\.Config)\{`)

// combinations are every single switch, every pair, all switches, and 200 others.
func combinations() (all []map[string]bool) {
	for i := range Switches {
		for j := range Switches[:i+1] {
			all = append(all, map[string]bool{Switches[i].ID: true, Switches[j].ID: true})
		}
	}
	whole := map[string]bool{}
	for _, s := range Switches {
		whole[s.ID] = true
	}
	all = append(all, whole)
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		on := map[string]bool{}
		for _, s := range Switches {
			on[s.ID] = random.IntN(2) == 0
		}
		all = append(all, on)
	}
	return all
}

// TestGoLines: the lines that the page shows compile with every combination of switches, and are
// formatted. Each switch has lines.
func TestGoLines(t *testing.T) {
	for _, s := range Switches {
		if GoLines(map[string]bool{s.ID: true}) == "" {
			t.Errorf("%s has no lines", s.ID)
		}
	}
	var b strings.Builder
	b.WriteString(`package lines

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"net/http"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/rs"
)

var (
	ctx = context.Background()
	c *client.Client
	l *login.Login
	t *client.Tokens
	key auth.SigningKey
	privateKey *ecdsa.PrivateKey
	certificate tls.Certificate
	provider *discovery.Provider
	secret string
	mux *http.ServeMux
	handler http.Handler
	w http.ResponseWriter
	r *http.Request
	more client.Request
	_ idtoken.Token
)
`)
	for _, on := range combinations() {
		lines := GoLines(on)
		lines = statement.ReplaceAllString(lines, "_ = $0")
		if formatted, err := format.Source([]byte(lines)); err != nil || string(formatted) != lines {
			t.Errorf("%v: not formatted: %v\n%s", on, err, lines)
		}
		used := ""
		for _, declared := range declaration.FindAllStringSubmatch(lines, -1) {
			used += "\t_, _ = " + declared[1] + ", err\n"
		}
		b.WriteString("\nfunc _() error {\n" + lines + "\n" + used + "\treturn nil\n}\n")
	}
	name := filepath.Join(t.TempDir(), "lines.go")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", os.DevNull, name).CombinedOutput(); err != nil {
		t.Errorf("%s\n%s", out, b.String())
	}
}

// TestGoLinesAreTrue: the lines name exactly the fields of the application's configuration that a
// switch changes.
func TestGoLinesAreTrue(t *testing.T) {
	fieldsOf := func(on map[string]bool) map[string]bool {
		l := &lab{on: on, issuer: &issuertest.Issuer{}, key: issuertest.NewKey("print-shop-1", "ES256")}
		c := reflect.ValueOf(l.clientConfig())
		set := map[string]bool{}
		for i := range c.NumField() {
			name := c.Type().Field(i).Name
			set[name] = !c.Field(i).IsZero() && name != "Scopes" && name != "Auth"
		}
		return set
	}
	plain := fieldsOf(map[string]bool{})
	named := regexp.MustCompile(`(?m)^\t(\w+):`)
	for _, on := range combinations() {
		_, config, _ := strings.Cut(GoLines(on), "client.Config{")
		config, _, _ = strings.Cut(config, "\n}")
		var shown, changed []string
		for _, found := range named.FindAllStringSubmatch(config, -1) {
			if !slices.Contains([]string{"HTTP", "Scopes", "Auth", "PAR"}, found[1]) { // set without a switch too
				shown = append(shown, found[1])
			}
		}
		for name, set := range fieldsOf(on) {
			if set && !plain[name] {
				changed = append(changed, name)
			}
		}
		slices.Sort(shown)
		slices.Sort(changed)
		if !slices.Equal(shown, changed) {
			t.Errorf("%v: shown %q, changed %q", on, shown, changed)
		}
	}
}
