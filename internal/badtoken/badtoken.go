// Package badtoken makes tokens that must be refused: one list, which every entry
// point of the module that takes a JWT is held against. Each case is a good token
// with one thing wrong, of a kind that some JOSE library is known to let pass.
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

// Base is a good token in its parts: signed by Key, it is accepted.
type Base struct {
	Key    optest.Key
	Header map[string]any // beside alg and kid
	Claims map[string]any

	// Optional are claims that the entry point does without.
	Optional []string

	// Without are claims that the entry point does not read.
	Without []string

	// Foreign is the address of a server that nobody must ask anything.
	Foreign string
}

// Case is a token that must be refused.
type Case struct {
	Name  string
	Token string

	// Claims says that what is wrong is in the claims: form, header and signature
	// are good, so that one who looks at no claims accepts it.
	Claims bool
}

// Good is the token that nothing is wrong with.
func (b Base) Good() string { return b.sign(nil, nil) }

// sign signs the claims with the changes laid over; a nil value removes a member.
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

// header is the good header as JSON.
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

// Cases is the whole list.
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
	tries    = 10 // for a time limit, on a machine that is busy with something else
)

// Run holds verify against the list: the good token is accepted, no other is, and
// none makes it panic, take long, allocate much or say much. claims tells whether
// verify looks at claims.
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
		time.Sleep(time.Duration(try) * 50 * time.Millisecond) // a busy machine needs a moment
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

// checkError wants the error short and without any stretch of the token.
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

// list makes cases of names and tokens.
func list(family string, tokens map[string]string) []Case {
	var out []Case
	for name, token := range tokens {
		out = append(out, Case{Name: family + "/" + name, Token: token})
	}
	return out
}

// unreadable marks cases that only one who looks at claims and kind refuses.
func unreadable(cases []Case) []Case {
	for i := range cases {
		cases[i].Claims = true
	}
	return cases
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }

func sprint(format string, args ...any) string { return fmt.Sprintf(format, args...) }
