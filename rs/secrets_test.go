package rs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/countersign/countersign/rs"
)

// printable has one value of every exported struct of the package.
var printable = []any{
	&rs.Protection{}, &rs.JWT{}, &rs.IDToken{}, &rs.Introspection{}, &rs.SignedAnswers{}, &rs.DecryptionKey{}, &rs.Cache{}, &rs.DPoP{}, &rs.MTLS{},
	&rs.JWTOrOpaque{}, &rs.PingValidateBearer{}, &rs.DynamicIssuers{}, &rs.AWSLoadBalancer{}, &rs.Metadata{}, &rs.Error{}, &rs.Principal{},
	&rs.Confirmation{}, &rs.Actor{}, &rs.AuthorizationDetail{}, &rs.Revocations{}, &rs.RevokedAccess{}, &rs.PingSessions{}, &rs.StatusLists{},
}

var secretField = regexp.MustCompile(`(?i)(secret|password|token|proof|assertion|code|verifier|nonce|key|cookie)$`)

// TestSecretsUnprinted fills every field that may contain a secret, in every exported type, and
// prints the type with every verb. LOG-01.
func TestSecretsUnprinted(t *testing.T) {
	known := map[string]bool{}
	for _, v := range printable {
		typ := reflect.TypeOf(v).Elem()
		known[typ.Name()] = true
		if !fill(reflect.ValueOf(v).Elem()) {
			continue
		}
		for _, out := range prints(v) {
			if strings.Contains(out, "canary") || strings.Contains(out, "99 97 110 97 114 121") || strings.Contains(out, "Y2FuYXJ5") || strings.Contains(out, "63616e617279") {
				t.Errorf("%s prints a secret: %.300s", typ, out)
			}
		}
	}
	for _, name := range exportedStructs(t) {
		if !known[name] {
			t.Errorf("%s is not in the list", name)
		}
	}
}

// fill writes a canary into the fields that have names of secrets.
func fill(v reflect.Value) (filled bool) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || !secretField.MatchString(f.Name) {
			continue
		}
		switch {
		case f.Type.Kind() == reflect.String && f.Name != "Code" && f.Name != "InsecureCookie": // an error code, and the name of a cookie
			v.Field(i).SetString("canary-secret")
		case f.Type == reflect.TypeFor[[]byte]():
			v.Field(i).SetBytes([]byte("canary-secret"))
		case f.Type.Kind() == reflect.Interface && f.Type.NumMethod() == 0:
			v.Field(i).Set(reflect.ValueOf("canary-secret"))
		default:
			continue
		}
		filled = true
	}
	return filled
}

func prints(v any) []string {
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out = append(out, fmt.Sprintf(verb, v))
		if _, ok := v.(fmt.Formatter); !ok || reflect.TypeOf(v).Elem().Name() == "DecryptionKey" {
			out = append(out, fmt.Sprintf(verb, reflect.ValueOf(v).Elem().Interface()))
		}
	}
	if _, stored := v.(*rs.RevokedAccess); stored { // applications send it as JSON
	} else if b, err := json.Marshal(v); err == nil {
		out = append(out, string(b))
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
	return append(out, log.String())
}

// exportedStructs returns the structs that the package's files declare.
func exportedStructs(t *testing.T) (names []string) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range tree.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range g.Specs {
				if typ, ok := s.(*ast.TypeSpec); ok && typ.Name.IsExported() {
					if _, ok := typ.Type.(*ast.StructType); ok {
						names = append(names, typ.Name.Name)
					}
				}
			}
		}
	}
	return names
}
