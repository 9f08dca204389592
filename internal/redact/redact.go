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
)

// Output redacts T in every verb of package fmt and in log/slog. Encoders such as encoding/json
// still write the fields. Use it for values that applications store.
type Output[T any] struct{}

// Format implements fmt.Formatter.
func (Output[T]) Format(f fmt.State, _ rune) { io.WriteString(f, name[T]()) }

// LogValue implements slog.LogValuer.
func (Output[T]) LogValue() slog.Value { return slog.StringValue(name[T]()) }

// All redacts T in package fmt, in log/slog and in text encoders such as encoding/json.
type All[T any] struct{ Output[T] }

// MarshalText implements encoding.TextMarshaler.
func (All[T]) MarshalText() ([]byte, error) { return []byte(name[T]()), nil }

func name[T any]() string { return "[" + reflect.TypeFor[T]().String() + "]" }
