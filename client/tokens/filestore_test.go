package tokens_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login/storetest"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/internal/optest"
)

// TestFileStore: a saved value can be loaded until it expires, with another FileStore too.
func TestFileStore(t *testing.T) {
	ctx, dir := t.Context(), filepath.Join(t.TempDir(), "photoctl", "tokens")
	s, other := &tokens.FileStore{Dir: dir}, &tokens.FileStore{Dir: dir}
	later := time.Now().Add(time.Hour)
	if v, err := s.Load(ctx, "alice"); v != nil || err != nil {
		t.Fatalf("%q, %v", v, err)
	}
	for key, value := range map[string]string{"alice": "canary-1", "../../bob": "canary-2", "": "canary-3", "A\x00/": "canary-4"} {
		if err := s.Save(ctx, key, []byte(value), later); err != nil {
			t.Fatal(err)
		}
		if v, err := other.Load(ctx, key); string(v) != value || err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	if err := s.Save(ctx, "alice", []byte("canary-5"), later); err != nil {
		t.Fatal(err)
	}
	if v, err := other.Load(ctx, "alice"); string(v) != "canary-5" || err != nil {
		t.Errorf("not replaced: %v", err)
	}
	if err := s.Save(ctx, "../../bob", []byte("canary-2"), time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Load(ctx, "../../bob"); v != nil || err != nil {
		t.Errorf("loaded after its time: %v", err)
	}
	for range 2 {
		if err := s.Delete(ctx, "alice"); err != nil {
			t.Error(err)
		}
	}
	if v, err := s.Load(ctx, "alice"); v != nil || err != nil {
		t.Errorf("loaded after Delete: %v", err)
	}
	if names, _ := filepath.Glob(filepath.Dir(filepath.Dir(dir)) + "/*"); len(names) != 1 {
		t.Errorf("files outside of the directory: %q", names)
	}
}

// TestFileStoreContract: the suite that every store must pass.
func TestFileStoreContract(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tokens")
	storetest.Run(t, func(*testing.T) any { return &tokens.FileStore{Dir: dir} })
}

// TestFileStoreModes: other users cannot open the directory or a file. If they could, the store
// rejects it, and the error contains the command to fix it.
func TestFileStoreModes(t *testing.T) {
	if os.Getuid() < 0 {
		t.Skip("modes are those of Unix")
	}
	ctx, dir := t.Context(), filepath.Join(t.TempDir(), "tokens")
	s := &tokens.FileStore{Dir: dir}
	if err := s.Save(ctx, "alice", []byte("canary"), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	var values []string
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, walkErr error) error {
		if walkErr != nil {
			return walkErr
		}
		info, err := d.Info()
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
		if strings.HasSuffix(path, ".json") {
			values = append(values, path)
		}
		return err
	})
	if len(values) != 1 {
		t.Fatalf("files %q", values)
	}
	for path, mode := range map[string][2]fs.FileMode{values[0]: {0o644, 0o600}, dir: {0o750, 0o700}} {
		os.Chmod(path, mode[0])
		v, err := s.Load(ctx, "alice")
		if v != nil || err == nil || !strings.Contains(err.Error(), fmt.Sprintf("chmod %o", mode[1])) {
			t.Errorf("%s with mode %v: %v", path, mode[0], err)
		}
		os.Chmod(path, mode[1])
	}
	if v, err := s.Load(ctx, "alice"); string(v) != "canary" || err != nil {
		t.Errorf("after chmod: %v", err)
	}
	if _, err := (&tokens.FileStore{}).Load(ctx, "alice"); err == nil || !strings.Contains(err.Error(), "Dir") {
		t.Errorf("no directory: %v", err)
	}
}

// TestFileStoreDamage: a damaged file is an error that contains its name, and does not end the
// login. Files of killed processes, and expired files, are removed.
func TestFileStoreDamage(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	os.Chmod(dir, 0o700)
	s := &tokens.FileStore{Dir: dir}
	later := time.Now().Add(time.Hour)
	if err := s.Save(ctx, "alice", []byte("canary"), later); err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(dir + "/*.json")
	for _, content := range []string{"", `{"until":`, `{"until":"2099-01-01T00:00:00Z","value":"AA=="` + strings.Repeat(" ", 1<<20) + "}"} {
		os.WriteFile(names[0], []byte(content), 0o600)
		if v, err := s.Load(ctx, "alice"); v != nil || err == nil || !strings.Contains(err.Error(), names[0]) {
			t.Errorf("%.20q: %v", content, err)
		}
	}
	if err := s.Save(ctx, "large", bytes.Repeat([]byte("x"), 1<<20), later); err == nil {
		t.Error("a value that cannot be loaded is saved")
	}
	os.WriteFile(filepath.Join(dir, "new-123"), []byte("half"), 0o600)
	if err := s.Save(ctx, "old", []byte("canary"), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(ctx, "alice", []byte("canary"), later); err != nil {
		t.Fatal(err)
	}
	if names, _ := filepath.Glob(dir + "/*"); len(names) != 2 { // the value and the lock
		t.Errorf("left: %q", names)
	}
}

// TestFileLease: one process has a lease at a time, until it releases the lease, the lease
// expires, or the process ends.
func TestFileLease(t *testing.T) {
	ctx, dir := t.Context(), filepath.Join(t.TempDir(), "tokens")
	s, other := &tokens.FileStore{Dir: dir}, &tokens.FileStore{Dir: dir}
	release, held, err := s.Acquire(ctx, "alice", time.Minute)
	if !held || err != nil {
		t.Fatalf("%v, %v", held, err)
	}
	if _, held, err := other.Acquire(ctx, "alice", time.Minute); held || err != nil {
		t.Errorf("held twice: %v, %v", held, err)
	}
	if release, held, err := other.Acquire(ctx, "bob", time.Minute); !held || err != nil {
		t.Errorf("another key: %v, %v", held, err)
	} else {
		release()
	}
	release()
	release()
	if _, held, err = other.Acquire(ctx, "alice", 20*time.Millisecond); !held || err != nil {
		t.Fatalf("after release: %v, %v", held, err)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		release, held, err := s.Acquire(ctx, "alice", time.Minute)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("after its time: %v, %v", held, err)
		}
		if held {
			release()
			return
		}
	}
}

// TestFileStoreProcesses: four processes of 25 goroutines each share a refresh token in a
// directory. The server gets one request, although another process was killed during its refresh.
func TestFileStoreProcesses(t *testing.T) {
	s := optest.New(t)
	rotation := s.RotateRefreshTokens()
	rotation.Grace = time.Minute
	reached, dead := make(chan struct{}), make(chan struct{})
	var once sync.Once
	rotation.After = func() { once.Do(func() { close(reached); <-dead }) }

	dir := filepath.Join(t.TempDir(), "tokens")
	store := storeOf(t, ending(-time.Second))
	if err := (&tokens.FileStore{Dir: dir}).Save(t.Context(), "alice", store.values["alice"], time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	first, _ := process(t, s.URL, dir)
	<-reached
	first.Process.Kill()
	first.Wait()
	close(dead)

	var outs []*bytes.Buffer
	var all []*exec.Cmd
	for range 4 {
		cmd, out := process(t, s.URL, dir)
		all, outs = append(all, cmd), append(outs, out)
	}
	for i, cmd := range all {
		if err := cmd.Wait(); err != nil || outs[i].String() != strings.Repeat("access-2\n", 25) {
			t.Errorf("process %d: %v\n%s", i, err, outs[i])
		}
	}
	if rotation.Posts() != 2 || rotation.Revoked() { // the request of the killed process, and one more
		t.Errorf("%d requests, revoked %v", rotation.Posts(), rotation.Revoked())
	}
}

// TestFileStoreOwner: root does not store its tokens in another user's directory, because that
// user could read, remove and replace them.
func TestFileStoreOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root opens a directory of another user")
	}
	dir := filepath.Join(t.TempDir(), "planted")
	s := &tokens.FileStore{Dir: dir}
	later := time.Now().Add(time.Hour)
	if err := s.Save(t.Context(), "alice", []byte("canary-1"), later); err != nil {
		t.Fatal(err)
	}
	file, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(file) != 1 {
		t.Fatal(file, err)
	}
	for _, path := range []string{file[0], dir} {
		if err := os.Chown(path, 65534, -1); err != nil {
			t.Fatal(err)
		}
		if v, err := s.Load(t.Context(), "alice"); v != nil || err == nil || !strings.Contains(err.Error(), "FileStore.Dir") {
			t.Errorf("%s: loaded %v, %v", path, v != nil, err)
		}
		if err := os.Chown(path, 0, -1); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := s.Load(t.Context(), "alice"); string(v) != "canary-1" || err != nil {
		t.Error(err)
	}
}
