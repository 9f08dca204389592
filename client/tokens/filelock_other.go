//go:build !windows && (!unix || solaris || illumos || aix)

package tokens

import (
	"errors"
	"os"
)

var errLocked = errors.New("locked by another process")

// lockFile fails: the standard library has no suitable lock on this system.
func lockFile(string) (*os.File, error) {
	return nil, errors.New("this operating system has no file locks: implement your own Store")
}

// isBusy is false: an open file can be replaced and removed.
func isBusy(error) bool { return false }
