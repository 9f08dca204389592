package jose

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// headerMemo caches decoded headers of verified tokens. The headers of one server are mostly
// identical. An entry holds only what the text decodes to, and no decision about trust, so
// one cache serves all verifiers. Headers of tokens that did not verify are not cached and
// cannot evict others.
type headerMemo []atomic.Pointer[memoHeader]

type memoHeader struct {
	text     string
	header   Header
	embedded *embedded // the key of a proof
}

var (
	knownHeaders = make(headerMemo, 64)
	knownProofs  = make(headerMemo, 1024) // the proofs of one client have the same header too, and there are more clients than servers
	memoSeed     = maphash.MakeSeed()
)

const maxMemoHeader = 1024

func (m headerMemo) slot(text string) *atomic.Pointer[memoHeader] {
	return &m[maphash.String(memoSeed, text)%uint64(len(m))]
}

// get returns nil for a header that is not cached.
func (m headerMemo) get(text string) *memoHeader {
	if h := m.slot(text).Load(); h.is(text) {
		return h
	}
	return nil
}

// keep caches the header of a token that verified.
func (m headerMemo) keep(t *Token) {
	text, _, _ := strings.Cut(t.signed, ".")
	if len(text) > maxMemoHeader {
		return
	}
	if slot := m.slot(text); !slot.Load().is(text) {
		slot.Store(&memoHeader{strings.Clone(text), t.Header, t.embedded})
	}
}

// readHeader returns the cached form of a header, or decodes it.
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
