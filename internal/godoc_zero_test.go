package internal_test

import (
	"go/ast"
	"go/token"
	"go/types"
	"regexp"
	"strings"
	"testing"
)

// saysZero finds what the zero value of a field means, in its comment.
var saysZero = regexp.MustCompile(`(?:^|[.;:,] |\b(?:With|with|Without|without|and|or) )(?:0|nil|""|[Ee]mpty|The zero value|Both are empty|Without [^.]*) [a-z]` +
	`|\bIf it is (nil|empty),|\bnil, or |\b[Mm]ust( not)? be (set|empty)|\b(is|are) required`)

// TestZeroValues: the comment of each field of a struct of settings says what the zero value means, or
// that the field must be set. The comment of the type may say this too. Booleans are false.
func TestZeroValues(t *testing.T) {
	checked := 0
	for _, p := range documentedPackages(t) {
		for _, file := range p.files {
			for _, d := range file.Decls {
				if group, ok := d.(*ast.GenDecl); ok && group.Tok == token.TYPE {
					checked += p.checkZeroValues(t, group)
				}
			}
		}
	}
	if checked < 150 {
		t.Errorf("only %d fields were found", checked)
	}
}

func (p *loadedPackage) checkZeroValues(t *testing.T, group *ast.GenDecl) (checked int) {
	for _, s := range group.Specs {
		spec := s.(*ast.TypeSpec)
		structure, ok := spec.Type.(*ast.StructType)
		if !ok || !spec.Name.IsExported() || !settingsStructs.MatchString(spec.Name.Name) {
			continue
		}
		typeDoc := onOneLine(group.Doc.Text() + spec.Doc.Text())
		var comment string
		for _, f := range structure.Fields.List {
			if f.Doc != nil || f.Comment != nil {
				comment = onOneLine(f.Doc.Text() + " " + f.Comment.Text())
			}
			for _, name := range f.Names {
				if basic, ok := p.info.TypeOf(f.Type).Underlying().(*types.Basic); !name.IsExported() || f.Tag != nil || ok && basic.Kind() == types.Bool {
					continue
				}
				checked++
				key := p.types.Name() + "." + spec.Name.Name + "." + name.Name
				inType := regexp.MustCompile(`\b` + name.Name + `\b[^.]*(must be set|required|at least one)|(required|must be set)[^.]*\b` + name.Name + `\b`).MatchString(typeDoc)
				if !saysZero.MatchString(comment) && !inType {
					t.Errorf("%s: say what the zero value means, or that the field must be set: %s", key, strings.TrimSpace(comment))
				}
			}
		}
	}
	return checked
}

// settingsStructs are the names of structs of settings.
var settingsStructs = regexp.MustCompile(`^(Config|Request|TokenRequest|.*Request|Protection|JWT|Introspection|Cache|DPoP|MTLS|Revocations|StatusLists|PingSessions|Verifier|Provider|Receiver|PDP|Transport|Refresher|Registrar|Document|Device|Proxy|Assertion|FederatedAssertion|CrossApp|Memory|KeyRing)$`)
