package client

import (
	"fmt"
	"net/url"
	"testing"
	"time"
)

// TestUsedStates: the number of remembered states is limited, and each expires. RP-09, RP-21.
func TestUsedStates(t *testing.T) {
	var u usedStates
	now := time.Now()
	soon := now.Add(pendingLifetime)
	if !u.claim("a", now, soon) || u.claim("a", now.Add(10*time.Minute), soon) {
		t.Error("a state can be claimed twice, or not at all")
	}
	later := now.Add(13 * time.Minute)
	if !u.claim("b", later, later) || len(u.seen) != 1 {
		t.Errorf("%d states are remembered after their time", len(u.seen))
	}
	for i := range maxUsed + 10 {
		if !u.claim(fmt.Sprint(i), later, later) {
			t.Fatal("a new state is refused")
		}
	}
	if len(u.seen) != maxUsed || len(u.order) != maxUsed {
		t.Errorf("%d states are remembered", len(u.seen))
	}
}

// TestAuthorizationURL: the query of the authorization endpoint is kept. RFC 6749 §3.1.
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
