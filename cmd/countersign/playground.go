package main

import (
	"context"
	"flag"
	"fmt"
	"net"

	"github.com/countersign/countersign/client/loopback"
	"github.com/countersign/countersign/cmd/countersign/internal/playground"
)

const playgroundUsage = `Usage: countersign playground [flags]

Serves a page on 127.0.0.1 that shows a login between a browser, an application, a server and
an API as a sequence diagram. Switches change it, and buttons attack it. All four run in this
process, and no request leaves this machine. The address has a key that works once.

Exit status: 0 after an interrupt, 1 when it cannot listen, 2 for wrong arguments.

Example:
  countersign playground -no-browser
`

func runPlayground(ctx context.Context, args []string, std standard) int {
	set := flag.NewFlagSet("playground", flag.ContinueOnError)
	set.SetOutput(std.err)
	port := set.Int("port", 0, "the `PORT` of 127.0.0.1 to listen on; 0 means a free one")
	noBrowser := set.Bool("no-browser", false, "print the address instead of opening the browser")
	set.Usage = func() { fmt.Fprint(set.Output(), playgroundUsage, "\nFlags:\n"); set.PrintDefaults() }
	argument, status := parse(set, args, std)
	if status >= 0 {
		return status
	}
	if argument != "" {
		fmt.Fprintf(std.err, "countersign playground: the argument %q is not expected\n", argument)
		return 2
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err == nil {
		err = playground.Serve(ctx, l, func(address string) { announce(ctx, address, !*noBrowser, std) })
	}
	if err != nil {
		fmt.Fprintln(std.err, "countersign playground:", err)
		return 1
	}
	return 0
}

// announce prints the address too when the browser opens: it may be the wrong one.
func announce(ctx context.Context, address string, open bool, std standard) {
	fmt.Fprintf(std.out, "The playground is at\n\n%s\n\nStop it with Ctrl+C.\n", address)
	if open && loopback.Browser(ctx, address) != nil {
		fmt.Fprintln(std.err, "countersign playground: cannot open a browser: open the address in one")
	}
}
