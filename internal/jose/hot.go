package jose

import (
	"context"
	"hash/maphash"
	"strings"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"
)

// DecodeBase64 decodes base64url as JOSE has it: no padding, no line breaks, no bits
// that do not belong there (RFC 7515 §2).
func DecodeBase64(s string) ([]byte, error) {
	for i := range len(s) {
		if s[i] == '\n' || s[i] == '\r' {
			return nil, errAlphabet // Go's decoder would skip them
		}
	}
	return decodePart("value", s)
}

// Key is the key that verified t's signature; nil when a set of this package has not.
func (t *Token) Key() *Key { return t.key }

// Holds tells whether key is still one of the set.
func (s *Set) Holds(_ context.Context, key *Key) (bool, error) {
	candidates := s.byID[key.ID]
	for i := range candidates {
		k := &candidates[i]
		if k == key || k.Alg == key.Alg && k.same(*key) {
			return true, nil
		}
	}
	return false, nil
}

// Parse reads the JSON value v.
func (i *Instant) Parse(v jsontext.Value) error {
	if v.Kind() != '0' {
		return errInstant
	}
	if whole, ok := digits(v); ok {
		return i.set(float64(whole))
	}
	return i.parseFloat(v)
}

// digits reads a number that is nothing but a few digits, as nearly all are.
func digits(v jsontext.Value) (n int64, ok bool) {
	if len(v) > 15 {
		return 0, false
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// Union is the set of all keys of sets; a nil set has none.
func Union(sets ...*Set) *Set {
	out := &Set{byID: map[string][]Key{}}
	for _, s := range sets {
		if s == nil {
			continue
		}
		for _, k := range s.all {
			out.add(k)
		}
	}
	return out
}

// headerMemo remembers how the headers of good tokens read: a server's are all alike. It
// holds what a text means and nothing of who may say it, so that one is enough for all.
// Headers of tokens that did not verify are not remembered, and cannot push out others.
type headerMemo []atomic.Pointer[memoHeader]

type memoHeader struct {
	text     string
	header   Header
	embedded *embedded // of a proof
}

var (
	knownHeaders = make(headerMemo, 64)
	knownProofs  = make(headerMemo, 1024) // a client's are all alike too, and there are more clients than servers
	memoSeed     = maphash.MakeSeed()
)

const maxMemoHeader = 1024

func (m headerMemo) slot(text string) *atomic.Pointer[memoHeader] {
	return &m[maphash.String(memoSeed, text)%uint64(len(m))]
}

// get gives nil for a header that is not remembered.
func (m headerMemo) get(text string) *memoHeader {
	if h := m.slot(text).Load(); h.is(text) {
		return h
	}
	return nil
}

// keep remembers the header of a token that verified.
func (m headerMemo) keep(t *Token) {
	text, _, _ := strings.Cut(t.signed, ".")
	if len(text) > maxMemoHeader {
		return
	}
	if slot := m.slot(text); !slot.Load().is(text) {
		slot.Store(&memoHeader{strings.Clone(text), t.Header, t.embedded})
	}
}

// readHeader decodes a header, or remembers what it says.
func readHeader(text string) (Header, *embedded, error) {
	if h := knownHeaders.get(text); h != nil {
		return h.header, nil, nil
	}
	if h := knownProofs.get(text); h != nil {
		return h.header, h.embedded, nil
	}
	h, err := decodeHeader(text)
	return h, nil, err
}

func (h *memoHeader) is(text string) bool { return h != nil && h.text == text }
