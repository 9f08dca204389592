package loopback

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"strings"
)

// Browser opens the system's browser. It is the default of Config.Open. It starts no shell, and
// accepts only addresses that begin with http, so that an address from a server's metadata
// cannot be an option, a file or a program. The error is that of the program that opens it, or
// says that address is not one of http.
func Browser(_ context.Context, address string) error {
	if !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://") {
		return errors.New("the address does not begin with http:// or https://")
	}
	name, args := opener(runtime.GOOS)
	return exec.Command(name, append(args, address)...).Run() // not ended with ctx: it may be the browser itself
}

// opener returns the program that opens addresses on an operating system.
func opener(system string) (name string, args []string) {
	switch system {
	case "darwin":
		return "open", nil
	case "windows":
		return "rundll32", []string{"url.dll,FileProtocolHandler"}
	}
	return "xdg-open", nil
}
