// Package freeport finds free ports for programs that tests build and start. Port 0 is no
// solution: the test would close its listener again. Until the program listens, the system can
// use the port for another connection.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// The ports are below those that systems give to connections. So a program can also have
// its port again after a restart.
const (
	host         = "127.0.0.1"
	first, ports = 10_000, 22_000
)

// givenPorts has the ports that this program got. Two tests may start programs at the same time.
var givenPorts sync.Map

// Address returns an address of loopback with a free port.
func Address(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("%s:%d", host, Port(t))
}

// Port returns a free port of 127.0.0.1. The ports at the given offsets from it are free too.
func Port(t testing.TB, offsets ...int) int {
	t.Helper()
	for range 1000 {
		port := first + rand.IntN(ports)
		if _, given := givenPorts.LoadOrStore(port, true); !given && free(port, offsets) {
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func free(port int, offsets []int) bool {
	for _, offset := range append([]int{0}, offsets...) {
		at := port + offset
		if at >= first+ports {
			return false
		}
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, at))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
