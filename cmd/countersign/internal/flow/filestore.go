package flow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// fileStore keeps each entry in a file that only its owner can read. It has the methods of
// tokens.Store.
type fileStore struct{ dir string }

type entry struct {
	Value []byte    `json:"value"`
	Until time.Time `json:"until"`
}

// path: the name of a file says nothing about its key, which may have any characters.
func (s fileStore) path(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:16])+".json")
}

// Load gives nil if there is nothing, or if it has expired.
func (s fileStore) Load(_ context.Context, key string) ([]byte, error) {
	data, err := os.ReadFile(s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var e entry
	if err == nil {
		err = json.Unmarshal(data, &e)
	}
	if err != nil || time.Now().After(e.Until) {
		return nil, err
	}
	return e.Value, nil
}

// Save replaces the file at once, so that no reader sees half of it.
func (s fileStore) Save(_ context.Context, key string, value []byte, until time.Time) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	data, err := json.Marshal(entry{value, until})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(s.dir, "new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), s.path(key))
}

// Delete removes the file.
func (s fileStore) Delete(_ context.Context, key string) error {
	if err := os.Remove(s.path(key)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
