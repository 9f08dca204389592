// Package redistest starts real redis-servers for the tests of every module. Each is on a free port
// of loopback, has its own directory, and ends with its test. If redis-server is missing, the
// script internal/debian/find downloads it.
package redistest

import (
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/freeport"
)

// Server is a redis-server. Addr does not change while the test runs.
type Server struct {
	Addr string

	t       testing.TB
	args    []string
	process *process
}

// Start starts a server that keeps nothing on disk. Its arguments come first, because a file name
// must be the first argument. "--appendonly", "yes" is for a test in which the server must have its
// data after a restart.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	port := strconv.Itoa(freeport.Port(t, busOffset))
	s := &Server{Addr: net.JoinHostPort(host, port), t: t, args: append(slices.Clone(args),
		"--bind", host, "--port", port, "--dir", t.TempDir(), "--save", "", "--loglevel", "warning",
	)}
	t.Cleanup(s.Kill)
	s.Restart()
	return s
}

const host = "127.0.0.1"

// busOffset is from the port of a server to that of its bus in a cluster.
const busOffset = 10_000

// URL is the server's, for a client.
func (s *Server) URL() string { return "redis://" + s.Addr + "/0" }

// Kill ends the server at once, as an outage does.
func (s *Server) Kill() {
	if s.process != nil {
		s.process.kill()
	}
	s.process = nil
}

// Restart starts the server again, with what it has on disk.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	s.process = start(s.t, program(s.t), s.args...)
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(25 * time.Millisecond) {
		if s.answers() {
			return
		}
	}
	s.t.Fatal("redis-server does not answer at " + s.Addr)
}

func (s *Server) answers() bool {
	c, err := net.DialTimeout("tcp", s.Addr, 10*time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	answer := make([]byte, 7)
	n, err := c.Read(answer)
	return err == nil && (string(answer[:n]) == "+PONG\r\n" || strings.HasPrefix(string(answer[:n]), "-NOAUTH"))
}

// program returns the path of redis-server. It searches once.
func program(t testing.TB) string {
	t.Helper()
	path, err := find()
	if err != nil {
		t.Fatalf("redis-server: %v", err)
	}
	return path
}

var find = sync.OnceValues(func() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	cmd := exec.Command(filepath.Join(filepath.Dir(here), "../debian/find"), "redis-server", "redis-server")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", &missing{err, said.String()}
	}
	return strings.TrimSpace(string(out)), nil
})

type missing struct {
	err  error
	said string
}

func (m *missing) Error() string { return m.err.Error() + "\n" + m.said }
