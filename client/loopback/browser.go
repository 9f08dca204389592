package loopback

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"strings"
)

// Browser opens the system's browser. It is the default of Config.Open. It starts no shell. It
// accepts only addresses that begin with http, because an address from a server's metadata must not
// be an option, a file or a program. An error comes from the program that opens the browser, or
// says that address does not begin with http.
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
