// Package redact keeps secrets out of logs and errors. A struct with a secret embeds one of its
// types. The promoted methods print the name of the struct and no field:
//
//	type hidden[T any] = redact.All[T]
//
//	type Expected struct {
//		hidden[Expected]
//		Nonce string
//	}
//
// The local alias keeps the embedded field unexported. For %p of a value that is not a pointer,
// package fmt calls no method and prints the fields. go vet reports such a call.
package redact

import (
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
)

// Output redacts T in every verb of package fmt and in log/slog. Encoders such as encoding/json
// still write the fields. Use it for values that applications store.
type Output[T any] struct{}

// Format implements fmt.Formatter.
func (Output[T]) Format(f fmt.State, _ rune) { io.WriteString(f, name[T]()) }

// LogValue implements slog.LogValuer.
func (Output[T]) LogValue() slog.Value { return slog.StringValue(name[T]()) }

// All redacts T in package fmt and in log/slog. Encoders return an error that names the fields: a
// program that stored a placeholder would lose the secret without notice.
type All[T any] struct{ Output[T] }

// MarshalText returns an error. Encoders of JSON, YAML and XML call it.
func (All[T]) MarshalText() ([]byte, error) { return nil, notEncoded[T]() }

// MarshalBinary returns an error. encoding/gob and encoders of CBOR call it.
func (All[T]) MarshalBinary() ([]byte, error) { return nil, notEncoded[T]() }

func notEncoded[T any]() error {
	t := reflect.TypeFor[T]()
	var fields []string
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() && !f.Anonymous {
			fields = append(fields, f.Name)
		}
	}
	return fmt.Errorf("a %s is not encoded, because it holds secrets: encode the fields that you need (%s)", t, strings.Join(fields, ", "))
}

func name[T any]() string { return "[" + reflect.TypeFor[T]().String() + "]" }
