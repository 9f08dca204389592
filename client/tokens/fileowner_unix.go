//go:build unix

package tokens

import (
	"io/fs"
	"os"
	"syscall"
)

// isOthers tells whether a file belongs to another user. Only root gets this far with one.
func isOthers(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) != os.Geteuid()
}
