package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/countersign/countersign/client"
)

var profileFlag = map[string]client.Profile{
	"": client.NoProfile, "oidc-basic": client.OIDCBasic, "oauth-2.1": client.OAuth21, "fapi1-advanced": client.FAPI1Advanced,
	"fapi2-security": client.FAPI2Security, "fapi2-message-signing": client.FAPI2MessageSigning, "fapi-ciba": client.FAPICIBA,
}

func profileNames() string {
	var names []string
	for name := range profileFlag {
		if name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func unknownProfile(name string) error {
	return fmt.Errorf("-profile is %q, expected one of %s", name, profileNames())
}

// parse reads flags before and after the one argument. A negative status means that the command
// continues.
func parse(set *flag.FlagSet, args []string, std standard) (argument string, status int) {
	out := set.Output()
	for {
		set.SetOutput(io.Discard)
		err := set.Parse(args)
		set.SetOutput(out)
		switch {
		case errors.Is(err, flag.ErrHelp):
			set.SetOutput(std.out)
			set.Usage()
			return "", 0
		case err != nil:
			fmt.Fprintf(std.err, "countersign %s: %s\n", set.Name(), explain(set, err))
			return "", 2
		case set.NArg() == 0:
			return argument, -1
		case argument != "":
			fmt.Fprintf(std.err, "countersign %s: expected one argument, received also %q\n", set.Name(), set.Arg(0))
			return "", 2
		}
		argument, args = set.Arg(0), set.Args()[1:]
	}
}

// explain says what to do about a flag that cannot be read.
func explain(set *flag.FlagSet, err error) string {
	const unknown = "flag provided but not defined: -"
	help := "countersign " + set.Name() + " -h lists the flags"
	name, found := strings.CutPrefix(err.Error(), unknown)
	if !found {
		return err.Error() + ": " + help
	}
	name, _, _ = strings.Cut(name, "=")
	if belongs := foreign(name); belongs != "" {
		return belongs + ": remove it, or use that command. " + help
	}
	var names []string
	set.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf("-%s is not a flag: did you mean -%s? %s", name, near, help)
	}
	return fmt.Sprintf("-%s is not a flag: %s", name, help)
}

// nearest returns the name that a person may have meant, or "".
func nearest(typed string, names []string) string {
	best, most := "", max(1, len(typed)/3)
	for _, name := range names {
		if d := distance(strings.ToLower(typed), name); d <= most {
			best, most = name, d-1
		}
	}
	return best
}

// distance counts the characters to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
