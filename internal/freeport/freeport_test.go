package freeport_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/countersign/countersign/internal/freeport"
)

// TestPort: the port and those at the offsets can be used, also while others are taken.
func TestPort(t *testing.T) {
	for range 50 {
		port := freeport.Port(t, 10, 10_000)
		for _, p := range []int{port, port + 10, port + 10_000} {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
		}
	}
	l, err := net.Listen("tcp", freeport.Address(t))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}
