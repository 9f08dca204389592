package clients

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery/issuertest"
)

const page = "../../../docs/which-library-notices-what.md"

// TestLogins: every library signs in at the issuer.
func TestLogins(t *testing.T) {
	for _, l := range libraries {
		t.Run(l.name, func(t *testing.T) {
			if err := l.login(t.Context(), issuertest.New(t, issuertest.Config{})); err != nil {
				t.Error(err)
			}
		})
	}
}

// left are the faults that cannot occur in a login with an authorization code in the query.
func left(f issuertest.Fault) bool {
	other := []issuertest.Fault{
		issuertest.Slow, issuertest.IDTokenCodeOther, issuertest.PushedURIMissing, issuertest.RefreshOtherUser, issuertest.TokenTypeBearer,
		issuertest.MetadataEndpointsPlain, // no server answers there
	}
	for _, prefix := range []string{"callback_response", "introspection", "access_token", "logout_token", "dpop", "poll"} {
		if strings.HasPrefix(string(f), prefix) {
			return true
		}
	}
	return slices.Contains(other, f)
}

// TestFaults compares the page with the results. Countersign must reject every fault.
func TestFaults(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(head())
	for _, fault := range issuertest.Faults() {
		if left(fault) {
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %s |", fault, about(t, fault))
		for _, l := range libraries {
			said := "**accepted**"
			if err := attempt(t, l, fault); err != nil {
				said = "rejected"
			} else if l.name == "Countersign" {
				t.Errorf("Countersign accepts %s", fault)
			}
			fmt.Fprintf(&b, " %s |", said)
		}
		b.WriteString("\n")
	}
	hold(t, b.Bytes())
}

func attempt(t *testing.T, l library, fault issuertest.Fault) error {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return l.login(ctx, issuertest.New(t, issuertest.Config{Faults: []issuertest.Fault{fault}}))
}

func hold(t *testing.T, want []byte) {
	t.Helper()
	if os.Getenv("COUNTERSIGN_INTEROP_WRITE") == "1" {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(page)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs from the results of this run (%v): write it with COUNTERSIGN_INTEROP_WRITE=1. This run:\n%s", page, err, want)
	}
}

// about returns the comment behind the constant of a fault.
func about(t *testing.T, fault issuertest.Fault) string {
	t.Helper()
	source, err := os.ReadFile("../../../discovery/issuertest/fault.go")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(source)) {
		if _, comment, ok := strings.Cut(line, `= "`+string(fault)+`"`); ok {
			comment = strings.TrimPrefix(strings.TrimSpace(comment), "// ")
			if number, rest, ok := strings.Cut(comment, ": "); ok && fault.Step() != 0 {
				return "step " + number + ": " + rest
			}
			return comment
		}
	}
	t.Fatalf("no comment at %s", fault)
	return ""
}

func head() string {
	var b strings.Builder
	b.WriteString(`# Compare which wrong responses libraries reject

A test signs in at a test issuer with each library. In each login, the issuer sends one wrong response. The table
shows which library rejects the login. The test writes this page, and fails if a result changes.

Each library signs in as its documentation shows: authorization code, state, nonce and PKCE, then
the UserInfo endpoint. Each login asks for ` + "`max_age=60`" + ` and ` + "`acr_values`" + `.
"Accepted" means that the login succeeds, so the application needs its own check.
Try a fault on your application: [Test your application](test-your-application.md).

Versions: `)
	var versions []string
	for _, l := range libraries {
		for _, m := range l.modules {
			versions = append(versions, m+" "+version(m))
		}
	}
	b.WriteString(strings.Join(versions, ", ") + ".\n\n| fault | the response |")
	for _, l := range libraries {
		b.WriteString(" " + l.name + " |")
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(libraries)) + "\n")
	return b.String()
}

func version(module string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == module {
				return d.Version
			}
		}
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", module).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
