package main

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery/issuertest"
)

// TestFlagsOfOthers: a flow lists and accepts its own flags only, and names the command that a
// foreign flag belongs to.
func TestFlagsOfOthers(t *testing.T) {
	var in flowFlags
	all := flag.NewFlagSet("", flag.ContinueOnError)
	in.define(all)
	for _, f := range flows {
		_, help := runs(t, "", f.name, "-h")
		all.VisitAll(func(x *flag.Flag) {
			has := owners[x.Name] == nil || slices.Contains(owners[x.Name], f.name)
			if listed := strings.Contains(help, "\n  -"+x.Name+" ") || strings.Contains(help, "\n  -"+x.Name+"\n"); listed != has {
				t.Errorf("%s -h lists -%s: %v, expected %v", f.name, x.Name, listed, has)
			}
			if has {
				return
			}
			for _, form := range []string{"-" + x.Name, "--" + x.Name + "=1"} {
				status, out := runs(t, "", f.name, form)
				if want := "-" + x.Name + " belongs to countersign " + owners[x.Name][0]; status != 2 || !strings.Contains(out, want) {
					t.Errorf("%s %s: status %d, expected 2 with %q\n%s", f.name, form, status, want, out)
				}
			}
		})
	}
	for name, commands := range owners {
		if all.Lookup(name) == nil {
			t.Errorf("owners names -%s, which no flow defines", name)
		}
		for _, c := range commands {
			if !slices.ContainsFunc(flows, func(f aFlow) bool { return f.name == c }) {
				t.Errorf("-%s belongs to %s, which is not a flow", name, c)
			}
		}
	}
}

// TestUserDoesNotAnswer: at the end of -timeout the error says what the user did not do.
func TestUserDoesNotAnswer(t *testing.T) {
	p := newTerminal(t, issuertest.Client{ID: "web", Secret: canarySecret})
	p.issuer.Inject(issuertest.PollPending)
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"login":  {[]string{"-no-browser"}, "countersign login: the user did not finish the sign-in in the browser within %v: start again, or set a longer -timeout"},
		"device": {nil, "countersign device: the user did not enter the code on another device within %v: start again, or set a longer -timeout"},
		"ciba":   {[]string{"-login-hint", "alice"}, "countersign ciba: the user did not answer on the other device within %v: start again, or set a longer -timeout"},
	} {
		args := append([]string{name, "-issuer", p.issuer.URL, "-ca", p.ca, "-store", p.dir, "-client-id", "web", "-secret-env", "CLIENT_SECRET", "-id-token-alg", "ES256"}, test.args...)
		for limit := 2 * time.Second; ; limit *= 4 { // on a busy machine it may end before the user is asked
			status, out := runs(t, "", append(args, "-timeout", limit.String())...)
			if status == 1 && strings.Contains(out, fmt.Sprintf(test.want, limit)) && !strings.Contains(out, "deadline") {
				break
			}
			if limit > 30*time.Second {
				t.Errorf("%s: status %d, expected 1 with %q\n%s", name, status, test.want, out)
				break
			}
		}
	}
}
