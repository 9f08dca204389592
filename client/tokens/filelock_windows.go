package tokens

import (
	"errors"
	"os"
	"syscall"
)

var errLocked = errors.New("locked by another process")

// errorSharingViolation is ERROR_SHARING_VIOLATION of Windows.
const errorSharingViolation = syscall.Errno(32)

// errorLockViolation is ERROR_LOCK_VIOLATION of Windows.
const errorLockViolation = syscall.Errno(33)

// isBusy reports whether another program has a file open. Windows responds with "access denied"
// for a file that is about to be removed, and to a replacement of an open file.
func isBusy(err error) bool {
	return errors.Is(err, errorSharingViolation) || errors.Is(err, errorLockViolation) || errors.Is(err, syscall.ERROR_ACCESS_DENIED)
}

// lockFile opens a file so that no other process can open it until it is closed. It returns
// errLocked if the file is open already.
func lockFile(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	switch {
	case err == nil:
		return os.NewFile(uintptr(h), path), nil
	case errors.Is(err, errorSharingViolation):
		return nil, errLocked
	}
	return nil, &os.PathError{Op: "lock", Path: path, Err: err}
}
