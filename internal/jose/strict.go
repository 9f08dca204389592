package jose

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits bounds a JSON text before it is decoded.
type Limits struct {
	Bytes   int
	Depth   int
	Members int // of all objects together
}

// The limits for each kind of document.
var (
	TokenLimits    = Limits{Bytes: MaxSize, Depth: 16, Members: 250}
	DocumentLimits = Limits{Bytes: 1 << 20, Depth: 16, Members: 2000}
	keySetLimits   = Limits{Bytes: 512 << 10, Depth: 16, Members: 5000}
)

const maxNumber = 64 // characters of one number: a float64 needs 24

var (
	ErrNotObject = errors.New("not a JSON object")
	errTooDeep   = errors.New("the JSON is nested too deeply")
	errTooMany   = errors.New("the JSON has too many members")
	errNumber    = errors.New("the JSON has a number with too many digits")
)

// Decode decodes one JSON object into v. It rejects input that parsers interpret differently (RFC
// 8725 §3.7, RFC 7519 §4). That is duplicate names at any depth, invalid UTF-8, and anything before
// or after the object. Names must match exactly; others are ignored.
func Decode(b []byte, v any, l Limits) error {
	if err := checkLimits(b, l); err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return decodeError(err)
	}
	return nil
}

// decodeError keeps the position of an error and drops the input text.
func decodeError(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return fmt.Errorf("invalid JSON at byte %d: %s", syntax.ByteOffset, syntacticCause(syntax))
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return fmt.Errorf("JSON member %s has the wrong type or value", Quote(string(semantic.JSONPointer)))
	}
	return errors.New("invalid JSON")
}

func syntacticCause(err *jsontext.SyntacticError) string {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return "duplicate member name"
	}
	return "syntax or encoding"
}

// checkLimits scans b once, before a decoder allocates memory for it. It counts the structure
// only. The decoder checks whether b is valid JSON.
func checkLimits(b []byte, l Limits) error {
	if len(b) > l.Bytes {
		return fmt.Errorf("the JSON has %d bytes, expected at most %d", len(b), l.Bytes)
	}
	if i := firstNonSpace(b); i == len(b) || b[i] != '{' {
		return ErrNotObject
	}
	depth, members, number := 0, 0, 0
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			i = skipString(b, i)
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ':':
			members++
		default:
			if isNumber(c) {
				number++
				if number > maxNumber {
					return errNumber
				}
				continue
			}
		}
		number = 0
		if depth > l.Depth {
			return errTooDeep
		}
		if members > l.Members {
			return errTooMany
		}
	}
	return nil
}

// skipString returns the index of the closing quote of the string that starts at i.
func skipString(b []byte, i int) int {
	for i++; i < len(b) && b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i
}

func isNumber(c byte) bool {
	return '0' <= c && c <= '9' || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E'
}

func firstNonSpace(b []byte) int {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}
