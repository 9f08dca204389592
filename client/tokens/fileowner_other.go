//go:build !unix

package tokens

import "io/fs"

func isOthers(fs.FileInfo) bool { return false }
