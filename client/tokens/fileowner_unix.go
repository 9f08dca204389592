//go:build unix

package tokens

import (
	"io/fs"
	"os"
	"syscall"
)

// isOthers reports whether a file belongs to another user. Only root can open such a private
// file.
func isOthers(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) != os.Geteuid()
}
