// Package pgtest starts real PostgreSQL servers for the tests of every module. Each is on a free
// port of loopback, has its own directory, and ends with its test. If PostgreSQL is missing, the
// script internal/debian/find downloads it.
package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/freeport"
)

// Server is a running PostgreSQL.
type Server struct {
	dir, bin string
	port     int
	options  []string
	database string
	process  *exec.Cmd
	done     chan struct{}
}

// Start makes a database and starts a server for it. The test is skipped where neither
// PostgreSQL nor Debian's packages are available.
func Start(t testing.TB) *Server {
	t.Helper()
	s := create(t, t.TempDir())
	t.Cleanup(func() {
		if s.process != nil {
			s.Kill()
		}
	})
	return s
}

func create(t testing.TB, dir string, options ...string) *Server {
	t.Helper()
	s := &Server{dir: dir, bin: programs(t), port: freeport.Port(t), options: options, database: "postgres"}
	s.run(t, "initdb", "-D", s.data(), "-U", "test", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	s.Restart(t)
	return s
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// DSN is the connection string of the server, for a user without a password.
func (s *Server) DSN() string {
	return fmt.Sprintf("postgres://test@127.0.0.1:%d/%s?sslmode=disable", s.port, s.database)
}

// Restart starts the server again after Kill, and waits until it answers. The processes of
// a killed server may still hold its memory for a moment, so a start is repeated.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		s.start(t)
		if s.answers() {
			return
		}
		s.Kill()
	}
	t.Fatal("PostgreSQL does not start")
}

// start starts the server. It writes every commit to its files, where a killed server finds it,
// but does not wait for the disk, which may be slow.
func (s *Server) start(t testing.TB) {
	t.Helper()
	args := []string{"-D", s.data(), "-p", fmt.Sprint(s.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"}
	s.process = s.command("postgres", append(args, s.options...)...)
	s.done = make(chan struct{})
	started := make(chan error)
	go func() { // the kernel ends the child with the thread that started it
		runtime.LockOSThread()
		defer close(s.done)
		err := s.process.Start()
		started <- err
		if err == nil {
			s.process.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
}

// answers waits until the server answers, or has ended.
func (s *Server) answers() bool {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if out, err := s.command("psql", s.DSN(), "-c", "SELECT 1").CombinedOutput(); err == nil && bytes.Contains(out, []byte("1 row")) {
			return true
		}
		select {
		case <-s.done:
			return false
		default:
		}
	}
	return false
}

// Kill ends the server at once, as a crash of its machine does. It also ends the processes of
// connections, which otherwise answer for a moment longer. It must not be called for a shared server.
func (s *Server) Kill() {
	if s.process == nil {
		panic("pgtest: the server does not run, or other tests use it: use Start")
	}
	killFamily(s.process.Process)
	<-s.done
	s.process = nil
}

// Exec runs statements with psql.
func (s *Server) Exec(t testing.TB, statements string) string {
	t.Helper()
	return s.run(t, "psql", s.DSN(), "-v", "ON_ERROR_STOP=1", "-A", "-t", "-q", "-c", statements)
}

func (s *Server) run(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, err := s.command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LD_LIBRARY_PATH="+libraries(s.bin))
	isolate(cmd)
	return cmd
}

// libraries are those unpacked beside the programs, where they were not installed.
func libraries(bin string) string {
	root, _, found := strings.Cut(bin, "/usr/lib/postgresql/")
	if !found || root == "" {
		return os.Getenv("LD_LIBRARY_PATH")
	}
	dirs, _ := filepath.Glob(root + "/usr/lib/*-linux-gnu")
	return strings.Join(dirs, ":")
}

// programs finds the directory with initdb, postgres and psql.
func programs(t testing.TB) string {
	t.Helper()
	if found := newest("/usr/lib/postgresql/*/bin/initdb"); found != "" {
		return found
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	_, file, _, _ := runtime.Caller(0)
	find := filepath.Join(filepath.Dir(file), "..", "debian", "find")
	out, err := exec.Command(find, "initdb", "postgresql").Output()
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no PostgreSQL, and it cannot be downloaded: %v", err)
		}
		t.Skip("no PostgreSQL, and it cannot be downloaded: install it")
	}
	root := filepath.Dir(strings.TrimSpace(string(out)))
	if found := newest(root + "/usr/lib/postgresql/*/bin/initdb"); found != "" {
		return found
	}
	t.Fatal("the downloaded PostgreSQL has no initdb")
	return ""
}

func newest(pattern string) string {
	found, _ := filepath.Glob(pattern)
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(slices.Max(found))
}
