package tokens

import (
	"errors"
	"os"
	"syscall"
)

var errLocked = errors.New("locked by another process")

// errorSharingViolation is ERROR_SHARING_VIOLATION of Windows.
const errorSharingViolation = syscall.Errno(32)

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
