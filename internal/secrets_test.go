package internal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/par"
)

// secretField matches names of fields that contain a secret, a code, a token or an assertion.
var secretField = regexp.MustCompile(`(?i)^(state|nonce|code|usercode|devicecode|codeverifier|verifier|requesturi|requestid|authreqid|password|object)$|` +
	`(secret|password|assertion|credential)s?$|(access|refresh|actor|subject|id|logout|notification)tokens?$|tokenhint$|dpopkey$|privatekey$|hint$`)

// notSecret are fields with such names that contain no secret, with the reason.
var notSecret = map[string]string{
	"client.Error.Code":                  "an error code",
	"client.Error.RequestURI":            "",
	"client.CallbackError.Code":          "an error code",
	"client.TokenError.Code":             "an error code",
	"client/login.Problem.Code":          "an error code",
	"client/registration.Error.Code":     "an error code",
	"client/tokens.ChallengeError.Code":  "an error code",
	"par.Error.Code":                     "an error code",
	"rs.Error.Code":                      "an error code",
	"rs/ssf.Error.Code":                  "an error code",
	"idtoken.Original.Nonce":             "stored with the login, and used once before",
	"client/registration.Metadata.State": "",
	"rs/authzen.Decision.RequestID":      "an identifier for the logs of both sides",
}

// TestSecretsAreRedacted: every exported struct of the module with such a field redacts itself.
// LOG-01.
func TestSecretsAreRedacted(t *testing.T) {
	checked := 0
	for path, p := range exportedPackages(t) {
		name := strings.TrimPrefix(path, module+"/")
		for _, id := range p.Scope().Names() {
			named, ok := p.Scope().Lookup(id).(*types.TypeName)
			if !ok || !named.Exported() || named.IsAlias() {
				continue
			}
			fields := secretsIn(named.Type(), name+"."+id)
			if len(fields) == 0 {
				continue
			}
			checked++
			for _, method := range []string{"Format", "LogValue"} {
				if o, _, _ := types.LookupFieldOrMethod(named.Type(), false, p, method); o == nil {
					t.Errorf("%s.%s has %q and no method %s: embed a type of internal/redact", name, id, fields, method)
				}
			}
		}
	}
	if checked < 8 {
		t.Errorf("only %d types with secrets were found", checked)
	}
}

// secretsIn returns the fields of a struct that contain secrets directly: strings and bytes.
func secretsIn(typ types.Type, name string) (out []string) {
	s, ok := typ.Underlying().(*types.Struct)
	if !ok {
		return nil
	}
	for f := range s.Fields() {
		if _, fine := notSecret[name+"."+f.Name()]; f.Exported() && !fine && secretField.MatchString(f.Name()) && isText(f.Type()) {
			out = append(out, f.Name())
		}
	}
	return out
}

func isText(typ types.Type) bool {
	switch u := typ.Underlying().(type) {
	case *types.Basic:
		return u.Kind() == types.String
	case *types.Slice:
		return isText(u.Elem()) || types.Identical(u.Elem(), types.Typ[types.Byte])
	}
	return false
}

// exportedPackages are the module's public packages, type-checked.
func exportedPackages(t *testing.T) map[string]*types.Package {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export", module+"/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export string }
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
	}
	im := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	all := map[string]*types.Package{}
	for path, export := range exports {
		if !strings.HasPrefix(path, module+"/") || strings.Contains(path, "/internal") || export == "" || slices.Contains(strings.Split(path, string(filepath.Separator)), "examples") {
			continue
		}
		p, err := im.Import(path)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = p
	}
	return all
}

// TestSecretsPrinted prints types with secrets with every verb. LOG-01.
func TestSecretsPrinted(t *testing.T) {
	for _, v := range []any{&idtoken.Expected{}, &par.Pushed{}} {
		fill(reflect.ValueOf(v).Elem())
		var log bytes.Buffer
		for _, value := range []any{v, reflect.ValueOf(v).Elem().Interface(), []any{v}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T"} {
				fmt.Fprintf(&log, verb+"\n", value)
			}
			slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", value)
			slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", value)
			b, err := json.Marshal(value)
			fmt.Fprintf(&log, "%s %v\n", b, err)
		}
		if text := log.String(); strings.Contains(text, "canary") || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", "canary")) {
			t.Errorf("%T prints %s", v, text)
		}
	}
}

// fill sets every string to a value that begins with canary.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.String && f.CanSet() {
			f.SetString("canary-" + v.Type().Field(i).Name)
		}
	}
}
