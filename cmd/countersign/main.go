// Command countersign examines issuers, APIs and tokens from the relying party's side.
//
//	go run github.com/countersign/countersign/cmd/countersign@latest doctor https://accounts.example.com
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
)

// A command is a command of this program. run returns the exit status: 0 for success, 1 for a fault
// of what was examined, 2 for wrong arguments.
type command struct {
	name, summary string
	run           func(ctx context.Context, args []string, std standard) int
}

// standard are the streams of a command.
type standard struct {
	in       io.Reader
	out, err io.Writer
}

var commands = []command{
	{"doctor", "examine an issuer or an API, and report what to correct", runDoctor},
	{"token", "show a JWT, and check it", runToken},
	{"playground", "show and attack a login in the browser", runPlayground},
}

func init() {
	for _, f := range flows {
		commands = append(commands, f.command())
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], standard{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, std standard) int {
	if len(args) == 0 {
		usage(std.err)
		return 2
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(ctx, args[1:], std)
		}
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		usage(std.out)
		return 0
	case "-version", "--version", "version":
		fmt.Fprintln(std.out, "countersign", version())
		return 0
	}
	fmt.Fprintf(std.err, "countersign: %q is not a command%s countersign -h lists the commands\n", args[0], suggestion(args[0]))
	return 2
}

func suggestion(typed string) string {
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
	}
	if near := nearest(typed, names); near != "" {
		return fmt.Sprintf(": did you mean %q?", near)
	}
	return ":"
}

// version returns the version of the module, or of the source that was built.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version + " " + info.GoVersion
}

func usage(w io.Writer) {
	fmt.Fprint(w, "countersign examines OAuth 2.0 and OpenID Connect servers, APIs and tokens.\n\nUsage: countersign COMMAND [flags]\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-12s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\ncountersign COMMAND -h describes a command, with an example. Start with: countersign doctor ISSUER\n")
}
