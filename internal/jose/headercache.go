package jose

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

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
