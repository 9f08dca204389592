package tokens_test

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/countersign/countersign/client/tokens"
)

// TestFileStoreScanned: another program has the file of a value open for a moment, as virus
// scanners do. Save, Load and Delete wait for it.
func TestFileStoreScanned(t *testing.T) {
	ctx, dir := t.Context(), filepath.Join(t.TempDir(), "tokens")
	s := &tokens.FileStore{Dir: dir}
	later := time.Now().Add(time.Hour)
	if err := s.Save(ctx, "alice", []byte("canary-1"), later); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	scan := func() {
		t.Helper()
		name, err := syscall.UTF16PtrFromString(files[0])
		if err != nil {
			t.Fatal(err)
		}
		h, err := syscall.CreateFile(name, syscall.GENERIC_READ, 0, nil, syscall.OPEN_EXISTING, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(200*time.Millisecond, func() { syscall.CloseHandle(h) })
	}
	scan()
	if err := s.Save(ctx, "alice", []byte("canary-2"), later); err != nil {
		t.Errorf("Save: %v", err)
	}
	scan()
	if v, err := s.Load(ctx, "alice"); string(v) != "canary-2" || err != nil {
		t.Errorf("Load: %v", err)
	}
	scan()
	if err := s.Delete(ctx, "alice"); err != nil {
		t.Errorf("Delete: %v", err)
	}
}
