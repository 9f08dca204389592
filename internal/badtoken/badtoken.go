// Package badtoken generates tokens that must be rejected. Every entry point of the module
// that accepts a JWT is tested with the same list. Each case is a valid token with one fault
// that some JOSE library is known to accept.
package badtoken

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
)

// Base describes a valid token. Signed by Key, it is accepted.
type Base struct {
	Key    optest.Key
	Header map[string]any // in addition to alg and kid
	Claims map[string]any

	// Optional are claims that the entry point does not require.
	Optional []string

	// Without are claims that the entry point ignores.
	Without []string

	// Foreign is the address of a server that must never receive a request.
	Foreign string
}

// Case is a token that must be rejected.
type Case struct {
	Name  string
	Token string

	// Claims reports that the fault is in the claims: form, header and signature are valid. A
	// verifier that ignores claims accepts it.
	Claims bool
}

// Good returns the token without a fault.
func (b Base) Good() string { return b.sign(nil, nil) }

// sign signs the claims after applying the changes. A nil value removes a member.
func (b Base) sign(header, claims map[string]any) string {
	all := maps.Clone(b.Header)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, header)
	return b.Key.Sign(overlay(b.Claims, claims), all)
}

func overlay(base, more map[string]any) map[string]any {
	out := maps.Clone(base)
	for name, value := range more {
		out[name] = value
		if value == nil {
			delete(out, name)
		}
	}
	return out
}

// header returns the valid header as JSON.
func (b Base) header() string {
	all := overlay(map[string]any{"alg": b.Key.Alg, "kid": b.Key.ID, "typ": "JWT"}, b.Header)
	return text(all)
}

func (b Base) claims() string { return text(b.Claims) }

// raw signs any header and any payload.
func (b Base) raw(header, claims string) string {
	return b.Key.SignRaw([]byte(header), []byte(claims))
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Cases returns the whole list.
func Cases(b Base) []Case {
	var all []Case
	for _, family := range []func(Base) []Case{forms, headers, algorithms, criticals, foreignKeys, signatures, encrypted, payloads, claims} {
		all = append(all, family(b)...)
	}
	return all
}

const (
	maxTime  = 50 * time.Millisecond
	maxAlloc = 1 << 20
	maxError = 1 << 10
	tries    = 10 // for a time limit, on a busy machine
)

// Run tests verify with the list. The valid token must be accepted, and every other token
// rejected. No token may make verify panic, run long, allocate much memory or return a long
// error. claims reports whether verify checks claims.
func Run(t *testing.T, b Base, claims bool, verify func(ctx context.Context, token string) error) {
	t.Helper()
	if err := verify(t.Context(), b.Good()); err != nil {
		t.Fatalf("the good token is refused: %v", err)
	}
	n := 0
	for _, c := range Cases(b) {
		if c.Claims && !claims {
			continue
		}
		n++
		t.Run(c.Name, func(t *testing.T) { refuse(t, c, verify) })
	}
	t.Logf("%d bad tokens", n)
}

func refuse(t *testing.T, c Case, verify func(context.Context, string) error) {
	var err error
	var took time.Duration
	var allocated uint64
	limit := maxAlloc + uint64(2*len(c.Token))
	for try := range tries {
		time.Sleep(time.Duration(try) * 50 * time.Millisecond) // give a busy machine time
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		err = verify(t.Context(), c.Token)
		took = time.Since(start)
		runtime.ReadMemStats(&after)
		allocated = after.TotalAlloc - before.TotalAlloc
		if took < maxTime && allocated < limit {
			break
		}
	}
	if err == nil {
		t.Fatal("accepted")
	}
	if took >= maxTime {
		t.Errorf("took %v", took)
	}
	if allocated >= limit {
		t.Errorf("allocated %d bytes", allocated)
	}
	checkError(t, err, c.Token)
}

// checkError requires a short error that contains no part of the token.
func checkError(t *testing.T, err error, token string) {
	message := err.Error()
	if len(message) > maxError {
		t.Errorf("an error of %d bytes", len(message))
	}
	const stretch = 24
	for _, part := range strings.Split(token, ".") {
		for i := 0; i+stretch <= len(part) && i < 4096; i += stretch {
			if strings.Contains(message, part[i:i+stretch]) {
				t.Errorf("the token is in the error %q", message)
				return
			}
		}
	}
	for _, r := range message {
		if r < 0x20 || r == 0x7f || r > 0x7e && r < 0xa0 {
			t.Errorf("a control character is in the error %q", message)
			return
		}
	}
}

// list returns cases for names and tokens.
func list(family string, tokens map[string]string) []Case {
	var out []Case
	for name, token := range tokens {
		out = append(out, Case{Name: family + "/" + name, Token: token})
	}
	return out
}

// unreadable marks cases that only a verifier of claims and kind rejects.
func unreadable(cases []Case) []Case {
	for i := range cases {
		cases[i].Claims = true
	}
	return cases
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }

func sprint(format string, args ...any) string { return fmt.Sprintf(format, args...) }
