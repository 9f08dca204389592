// Package migrate_test checks the names of docs/migrate.md.
package migrate_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const ours = "github.com/countersign/countersign/"

// ownPackages are the packages that docs/migrate.md refers to in the right column.
var ownPackages = []string{
	ours + "client", ours + "client/auth", ours + "client/grant", ours + "client/login", ours + "client/loopback",
	ours + "client/tokens", ours + "discovery", ours + "idtoken", ours + "rs",
}

// migrations are the sections of docs/migrate.md, with the packages of the left column.
var migrations = map[string][]string{
	"From go-oidc and golang.org/x/oauth2": {
		"github.com/coreos/go-oidc/v3/oidc", "golang.org/x/oauth2", "golang.org/x/oauth2/clientcredentials",
	},
	"From zitadel/oidc": {
		"github.com/zitadel/oidc/v3/pkg/client/rp", "github.com/zitadel/oidc/v3/pkg/client/rp/cli", "github.com/zitadel/oidc/v3/pkg/client/rs",
		"github.com/zitadel/oidc/v3/pkg/client/tokenexchange", "github.com/zitadel/oidc/v3/pkg/http", "github.com/zitadel/oidc/v3/pkg/op",
	},
	"From auth0/go-jwt-middleware (v3)": {
		"github.com/auth0/go-jwt-middleware/v3", "github.com/auth0/go-jwt-middleware/v3/jwks", "github.com/auth0/go-jwt-middleware/v3/validator",
	},
}

// variables are the types of the variables on the page. Variables of the standard library have no
// type here.
var variables = map[string]string{
	"c": "client.Client", "l": "login.Login", "issued": "client.Tokens", "principal": "rs.Principal",
	"config": "oauth2.Config", "token": "oauth2.Token", "idToken": "oidc.IDToken", "verifier": "oidc.IDTokenVerifier", "provider": "oidc.Provider",
	"middleware": "jwtmiddleware.JWTMiddleware", "v": "validator.Validator", "r": "", "http": "",
}

// TestMigrate: every exported name in the tables of docs/migrate.md exists, in the other library and here.
func TestMigrate(t *testing.T) {
	page, err := os.ReadFile("../../../docs/migrate.md")
	if err != nil {
		t.Fatal(err)
	}
	own := names(t, ownPackages)
	for title, packages := range migrations {
		peer, rows := names(t, packages), tableRows(string(page), title)
		if len(rows) < 10 {
			t.Errorf("%q has %d rows", title, len(rows))
		}
		for _, row := range rows {
			for _, unknown := range append(peer.unknown(row[0]), own.unknown(row[1])...) {
				t.Errorf("%s: %s does not exist: %s", title, unknown, row)
			}
		}
	}
	if got := strings.Count(string(page), "\n## From "); got != len(migrations) {
		t.Errorf("the page has %d sections, %d are tested", got, len(migrations))
	}
}

// TestUnknown: the check finds an unknown name in every form that the page uses.
func TestUnknown(t *testing.T) {
	own := names(t, ownPackages)
	for cell, want := range map[string]string{
		"`client.New(client.Config{Issuer: …})`":         "",
		"`client.Now(client.Config{})`":                  "client.Now",
		"`client.Config{IssuerNames: 1}`":                "IssuerNames",
		"`c.Begin(ctx)`, `c.Commence(ctx)`":              "c.Commence",
		"`Config.HTTP` and `Config.FTP`":                 "Config.FTP",
		"`foreign.Name`":                                 "foreign.Name",
		"text with A Name, and `\"Quoted\"`":             "",
		"`(&discovery.Provider{Issuer: issuer}).Keys()`": "",
		"`r.URL.Query()`":                                "",
	} {
		if got := strings.Join(own.unknown(cell), " "); got != want {
			t.Errorf("%s: %q, expected %q", cell, got, want)
		}
	}
}

// tableRows returns the rows of the table below a heading, without the header row.
func tableRows(page, title string) (rows [][]string) {
	_, section, _ := strings.Cut(page, "\n## "+title+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | "); strings.HasPrefix(line, "| ") && len(cells) == 2 {
			rows = append(rows, cells)
		}
	}
	return rows[min(1, len(rows)):]
}

// index has "package.Name", "package.Type.Member", and ".Name" and "Type.Member" of any package.
type index map[string]bool

var (
	spans    = regexp.MustCompile("`[^`]+`")
	literals = regexp.MustCompile(`"[^"]*"`)
	chains   = regexp.MustCompile(`[A-Za-z_][\w.]*`)
)

// unknown returns the exported names in the spans of code that do not exist.
func (x index) unknown(cell string) (out []string) {
	for _, span := range spans.FindAllString(cell, -1) {
		for _, chain := range chains.FindAllString(literals.ReplaceAllString(span, ""), -1) {
			if !x.knows(strings.Split(strings.Trim(chain, "."), ".")) {
				out = append(out, chain)
			}
		}
	}
	return out
}

func (x index) knows(chain []string) bool {
	first := chain[0]
	variable, isVariable := variables[first]
	switch {
	case len(chain) == 1:
		return !ast.IsExported(first) || x["."+first]
	case isVariable:
		return variable == "" || x[variable+"."+chain[1]]
	}
	return x[first+"."+chain[1]]
}

// names reads the exported names of packages.
func names(t *testing.T, packages []string) index {
	t.Helper()
	x := index{}
	list := exec.Command("go", append([]string{"list", "-find", "-f", `{{.Name}} {{.Dir}} {{join .GoFiles " "}}`}, packages...)...)
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		for _, file := range fields[2:] {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(fields[1], file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			x.add(fields[0], parsed)
		}
	}
	return x
}

// add adds what a file declares.
func (x index) add(pkg string, file *ast.File) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				x.top(pkg, d.Name)
			} else {
				x.member(pkg, receiver(d.Recv.List[0].Type), d.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				x.spec(pkg, spec)
			}
		}
	}
}

func (x index) spec(pkg string, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			x.top(pkg, name)
		}
	case *ast.TypeSpec:
		x.top(pkg, s.Name)
		for _, field := range fields(s.Type) {
			for _, name := range field.Names {
				x.member(pkg, s.Name.Name, name)
			}
		}
	}
}

// fields returns the fields of a struct, or the methods of an interface.
func fields(t ast.Expr) []*ast.Field {
	switch t := t.(type) {
	case *ast.StructType:
		return t.Fields.List
	case *ast.InterfaceType:
		return t.Methods.List
	}
	return nil
}

func (x index) top(pkg string, name *ast.Ident) {
	x[fmt.Sprintf("%s.%s", pkg, name)], x["."+name.Name] = true, true
}

func (x index) member(pkg, typ string, name *ast.Ident) {
	x[fmt.Sprintf("%s.%s.%s", pkg, typ, name)], x[typ+"."+name.Name], x["."+name.Name] = true, true, true
}

// receiver returns the name of a method's type.
func receiver(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}
