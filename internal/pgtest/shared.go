package pgtest

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// shared is the server of all tests of a program that do not stop it.
var shared struct {
	sync.Mutex
	server    *Server
	databases int
}

// Shared returns a new, empty database of a server that all tests of the program share, because a
// server needs a second to start. It must not be killed. It does not wait for the disk, so do not
// measure with it. TestMain calls [Main].
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		dir, err := os.MkdirTemp("", "pgtest")
		if err != nil {
			t.Fatal(err)
		}
		shared.server = create(t, dir, "-c", "max_connections=500")
	}
	shared.databases++
	own := *shared.server
	own.process, own.database = nil, fmt.Sprint("test", shared.databases)
	shared.server.Exec(t, "CREATE DATABASE "+own.database)
	return &own
}

// Main runs the tests of a program, and ends their shared server.
func Main(m *testing.M) (code int) {
	defer func() {
		if s := shared.server; s != nil {
			s.Kill()
			os.RemoveAll(s.dir)
		}
	}()
	return m.Run()
}
