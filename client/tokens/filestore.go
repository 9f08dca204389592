package tokens

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// FileStore is a [Store] and its [Leases] in a directory of the user's machine. It is for
// command-line programs. Several processes of one user may use it at once, and it is safe for
// concurrent use. Each value is a file with mode 0600 that is replaced as a whole. Directories and
// files that other users can open are rejected. Only Unix file modes are checked. On Windows the
// directory must be in the user's profile, like that of os.UserConfigDir.
//
// The files are not encrypted. A Store that uses the system's keychain also protects tokens from
// other programs of the same user.
type FileStore struct {
	// Dir is the directory, which only this store uses. It is created with mode 0700. It must be
	// set.
	Dir string
}

const (
	maxFile     = 1 << 20 // bytes
	fileTimeout = 5 * time.Second
	busyTimeout = 2 * time.Second // for a file that another program has open
	valueSuffix = ".json"
	leaseSuffix = ".lease"
	tempPrefix  = "new-"
	lockName    = "lock"
)

// fileValue is the content of a file.
type fileValue struct {
	Until time.Time `json:"until"`
	Value []byte    `json:"value"`
}

// Load implements [Store]. An error is about the directory: it cannot be created or read, or other
// users can open it. It is also an error if another process locks it for 5 seconds.
func (s *FileStore) Load(ctx context.Context, key string) (value []byte, err error) {
	err = s.locked(ctx, func(ctx context.Context) error {
		v, err := s.readPatiently(ctx, s.path(key, valueSuffix))
		if err == nil && time.Now().Before(v.Until) {
			value = v.Value
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return value, err
}

// Save implements [Store]. It also removes expired files. An error is about the directory: it
// cannot be created or read, or other users can open it. It is also an error if another process
// locks it for 5 seconds, or if value is larger than 768 KiB.
func (s *FileStore) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	content, err := json.Marshal(fileValue{until, value})
	if err != nil {
		return fmt.Errorf("tokens: FileStore: %w", err)
	}
	if len(content) > maxFile {
		return fmt.Errorf("tokens: FileStore: the value has %d bytes, expected at most %d", len(value), maxFile*3/4)
	}
	return s.locked(ctx, func(ctx context.Context) error {
		s.removeOld()
		return s.replace(ctx, s.path(key, valueSuffix), content)
	})
}

// Delete implements [Store]. An error is about the directory: it cannot be created or read, or
// other users can open it. It is also an error if another process locks it for 5 seconds.
func (s *FileStore) Delete(ctx context.Context, key string) error {
	return s.locked(ctx, func(ctx context.Context) error {
		err := insist(ctx, func() error { return os.Remove(s.path(key, valueSuffix)) })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("tokens: FileStore: %w", err)
		}
		return nil
	})
}

// Acquire implements [Leases] with a lock on a file. The operating system releases it when the
// process ends. A process that is suspended keeps it. An error is about the directory, or ctx has
// ended. A lease that another process has is not an error. release is never nil.
func (s *FileStore) Acquire(ctx context.Context, key string, d time.Duration) (release func(), held bool, err error) {
	nothing := func() {}
	if err := errors.Join(ctx.Err(), s.open()); err != nil {
		return nothing, false, err
	}
	lock, err := lockFile(s.path(key, leaseSuffix))
	switch {
	case errors.Is(err, errLocked):
		return nothing, false, nil
	case err != nil:
		return nothing, false, fmt.Errorf("tokens: FileStore: %w", err)
	}
	timer := time.AfterFunc(d, func() { lock.Close() })
	return func() {
		timer.Stop()
		lock.Close()
	}, true, nil
}

// path returns the file of a key. A key may contain any characters.
func (s *FileStore) path(key, suffix string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(s.Dir, hex.EncodeToString(sum[:16])+suffix)
}

// open creates the directory, or checks that only the user can open it.
func (s *FileStore) open() error {
	if s.Dir == "" {
		return errors.New("tokens: FileStore.Dir is empty: set it to a directory, such as one in os.UserConfigDir")
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return fmt.Errorf("tokens: FileStore.Dir: %w", err)
	}
	info, err := os.Stat(s.Dir)
	if err != nil {
		return fmt.Errorf("tokens: FileStore.Dir: %w", err)
	}
	return private(s.Dir, info, 0o700)
}

// private rejects a file or directory that other users can open, by its mode or because they own
// it.
func private(path string, info fs.FileInfo, want fs.FileMode) error {
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return fmt.Errorf("tokens: FileStore: other users can open %s: its mode is %#o, expected %#o: run chmod %o. If others may have read it, sign in again", path, mode, want, want)
	}
	if isOthers(info) {
		return fmt.Errorf("tokens: FileStore: %s belongs to another user: set FileStore.Dir to a directory of the user who runs this program", path)
	}
	return nil
}

// turns are the queues of this process, one for each directory. The lock of a file is not fair:
// of many callers that try again and again, some would wait until their time is over.
var turns sync.Map // of chan struct{}

// turn is the queue for the directory, also of other FileStores.
func (s *FileStore) turn() chan struct{} {
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		dir = s.Dir
	}
	turn, _ := turns.LoadOrStore(dir, make(chan struct{}, 1))
	return turn.(chan struct{})
}

// locked calls f while no other goroutine or process is in a call of locked.
func (s *FileStore) locked(ctx context.Context, f func(context.Context) error) error {
	if err := errors.Join(ctx.Err(), s.open()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, fileTimeout)
	defer cancel()
	turn := s.turn()
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return fmt.Errorf("tokens: FileStore: other calls of this process use %s: %w", s.Dir, ctx.Err())
	}
	for {
		lock, err := lockFile(filepath.Join(s.Dir, lockName))
		if err == nil {
			defer lock.Close()
			return f(ctx)
		}
		if !errors.Is(err, errLocked) {
			return fmt.Errorf("tokens: FileStore: %w", err)
		}
		if sleep(ctx, 2*time.Millisecond) != nil {
			return fmt.Errorf("tokens: FileStore: another process holds %s: %w", filepath.Join(s.Dir, lockName), ctx.Err())
		}
	}
}

// insist repeats what failed because another program has the file open. On Windows virus
// scanners and indexers do that for a moment with each new file.
func insist(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	for {
		err := f()
		if err == nil || !isBusy(err) || sleep(ctx, 5*time.Millisecond) != nil {
			return err
		}
	}
}

func (s *FileStore) readPatiently(ctx context.Context, path string) (v fileValue, err error) {
	err = insist(ctx, func() error { v, err = s.read(path); return err })
	return v, err
}

// read returns the content of a file.
func (s *FileStore) read(path string) (fileValue, error) {
	var v fileValue
	f, err := os.Open(path)
	if err != nil {
		return v, fmt.Errorf("tokens: FileStore: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return v, fmt.Errorf("tokens: FileStore: %w", err)
	}
	if err := private(path, info, 0o600); err != nil {
		return v, err
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil || len(content) > maxFile || json.Unmarshal(content, &v) != nil {
		return v, fmt.Errorf("tokens: FileStore: cannot read %s: remove it, and sign in again", path)
	}
	return v, nil
}

// replace writes to a temporary file first. No process reads a partial file, and after a crash
// the old or the new content is there.
func (s *FileStore) replace(ctx context.Context, path string, content []byte) error {
	f, err := os.CreateTemp(s.Dir, tempPrefix) // with mode 0600
	if err != nil {
		return fmt.Errorf("tokens: FileStore: %w", err)
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = insist(ctx, func() error { return os.Rename(f.Name(), path) })
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("tokens: FileStore: %w", err)
	}
	return nil
}

// removeOld removes expired values, and the temporary files of killed processes. It ignores a
// file that cannot be removed, because that must not prevent a save.
func (s *FileStore) removeOld() {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return
	}
	now := time.Now()
	for _, e := range entries {
		path := filepath.Join(s.Dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), tempPrefix):
			os.Remove(path)
		case strings.HasSuffix(e.Name(), valueSuffix):
			if v, err := s.read(path); err == nil && !now.Before(v.Until) {
				os.Remove(path)
			}
		}
	}
}
