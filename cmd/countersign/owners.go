package main

import (
	"flag"
	"fmt"
	"slices"
	"strings"
)

// owners has the commands of each flag that not every flow has.
var owners = map[string][]string{
	"dpop":     {"login", "device", "ciba", "credentials", "jwt-bearer", "exchange", "refresh", "userinfo"},
	"scope":    {"login", "device", "ciba", "credentials", "jwt-bearer", "exchange", "refresh"},
	"resource": {"login", "device", "ciba", "credentials", "jwt-bearer", "exchange"},

	"redirect-uri": {"login"}, "par": {"login"}, "jarm": {"login"}, "prompt": {"login"}, "max-age": {"login"},
	"jar": {"login", "ciba"}, "acr-values": {"login", "ciba"}, "login-hint": {"login", "ciba"}, "no-browser": {"login", "logout"},

	"binding-message": {"ciba"}, "user-code-env": {"ciba"}, "requested-expiry": {"ciba"},
	"subject": {"jwt-bearer"}, "assertion-issuer": {"jwt-bearer"}, "assertion-typ": {"jwt-bearer"},
	"audience": {"exchange"}, "subject-token-type": {"exchange"}, "actor-token-env": {"exchange"}, "actor-token-type": {"exchange"},
	"requested-token-type": {"exchange"},
	"token-type-hint":      {"introspect", "revoke"},
}

// only returns the flags in all that the command name has.
func only(name string, all *flag.FlagSet) *flag.FlagSet {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	all.VisitAll(func(f *flag.Flag) {
		if names := owners[f.Name]; names == nil || slices.Contains(names, name) {
			set.Var(f.Value, f.Name, f.Usage)
			set.Lookup(f.Name).DefValue = f.DefValue
		}
	})
	return set
}

// printFlags writes the flags of this command first, and then those that every flow has.
func printFlags(set *flag.FlagSet) {
	own, common := flag.NewFlagSet("", flag.ContinueOnError), flag.NewFlagSet("", flag.ContinueOnError)
	set.VisitAll(func(f *flag.Flag) {
		part := common
		if owners[f.Name] != nil {
			part = own
		}
		part.Var(f.Value, f.Name, f.Usage)
		part.Lookup(f.Name).DefValue = f.DefValue
	})
	printPart(set, "Flags of "+set.Name(), own)
	printPart(set, "Flags of every flow", common)
}

func printPart(set *flag.FlagSet, title string, part *flag.FlagSet) {
	count := 0
	part.VisitAll(func(*flag.Flag) { count++ })
	if count == 0 {
		return
	}
	fmt.Fprintf(set.Output(), "\n%s:\n", title)
	part.SetOutput(set.Output())
	part.PrintDefaults()
}

// foreign returns the commands that a flag belongs to, or "".
func foreign(name string) string {
	names := owners[name]
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("-%s belongs to countersign %s", name, strings.Join(names, ", "))
}
