package client

import (
	"fmt"
	"net/url"
	"testing"
	"time"
)

// TestUsedStates: what is remembered is bounded in number and in time. RP-09, RP-21.
func TestUsedStates(t *testing.T) {
	var u usedStates
	now := time.Now()
	if !u.claim("a", now) || u.claim("a", now.Add(9*time.Minute)) {
		t.Error("a state can be claimed twice, or not at all")
	}
	if !u.claim("b", now.Add(21*time.Minute)) || len(u.seen) != 1 {
		t.Errorf("%d states are remembered after their time", len(u.seen))
	}
	for i := range maxUsed + 10 {
		if !u.claim(fmt.Sprint(i), now.Add(21*time.Minute)) {
			t.Fatal("a new state is refused")
		}
	}
	if len(u.seen) != maxUsed || len(u.order) != maxUsed {
		t.Errorf("%d states are remembered", len(u.seen))
	}
}

// TestAuthorizationURL keeps the query that an endpoint has. RFC 6749 §3.1.
func TestAuthorizationURL(t *testing.T) {
	params := url.Values{"scope": {"a b+c"}}
	for endpoint, want := range map[string]string{
		"https://as.example/a":      "https://as.example/a?scope=a%20b%2Bc",
		"https://as.example/a?x=y":  "https://as.example/a?x=y&scope=a%20b%2Bc",
		"https://as.example/a?x=y&": "https://as.example/a?x=y&scope=a%20b%2Bc",
	} {
		if got := authorizationURL(endpoint, params); got != want {
			t.Errorf("%s gives %s", endpoint, got)
		}
	}
}
