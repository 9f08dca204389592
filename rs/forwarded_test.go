package rs_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/countersign/countersign/rs"
)

// TestCacheRejectsLoadBalancer: a Cache rejects an AWSLoadBalancer, also if it is wrapped. The
// claims that a load balancer forwards must be checked on every request.
func TestCacheRejectsLoadBalancer(t *testing.T) {
	alb := &rs.AWSLoadBalancer{Signers: []string{"arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/a/1"}, Issuer: "https://as.example", ClientID: "web"}
	if err := alb.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	opaque := &rs.PingValidateBearer{}
	for name, v := range map[string]rs.Verifier{
		"itself": alb, "for JWTs": &rs.JWTOrOpaque{JWT: alb, Opaque: opaque}, "for opaque tokens": &rs.JWTOrOpaque{JWT: opaque, Opaque: alb},
		"in a Cache": &rs.Cache{Tokens: alb}, "deep": &rs.Cache{Tokens: &rs.JWTOrOpaque{JWT: alb, Opaque: opaque}},
	} {
		cache := &rs.Cache{Tokens: v}
		if err := cache.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "AWSLoadBalancer") {
			t.Errorf("%s: Ready: %v", name, err)
		}
		_, err := cache.VerifyToken(t.Context(), "a.b.c")
		var temporary interface{ Temporary() bool }
		if !errors.As(err, &temporary) || !temporary.Temporary() {
			t.Errorf("%s: %v, want an error that is Temporary", name, err)
		}
	}
}
