package playground

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// clauseForm matches a clause with its number, or the text for a missing clause.
var clauseForm = regexp.MustCompile(`^(((RFC \d{4}|OpenID Connect [A-Z][\w -]+|JARM|OAuth 2.0 Multiple Response Type Encoding Practices|W3C [A-Z][\w ]+) )?§[\d.]+(, )?)+$|^(RFC \d{4} §[\d.]+(, )?)+$|^WHATWG Fetch, |^no standard: |^Keycloak$`)

// TestClauses: each explanation is one line with a clause.
func TestClauses(t *testing.T) {
	all := []map[string]explanation{explanations, headerExplanations}
	for _, in := range explanationsIn {
		all = append(all, in)
	}
	for _, some := range all {
		for name, e := range some {
			if !clauseForm.MatchString(e.clause) || !strings.HasSuffix(e.text, ".") || len(e.text) > 90 || strings.Contains(e.text, "\n") {
				t.Errorf("%s: %q (%s)", name, e.text, e.clause)
			}
		}
	}
}

// TestEverythingIsExplained: the page explains every parameter, member and header field that a
// switch or an attack sends.
func TestEverythingIsExplained(t *testing.T) {
	for _, s := range append(Switches, Switch{ID: "none"}) {
		t.Run("switch "+s.ID, func(t *testing.T) {
			t.Parallel()
			explained(t, map[string]bool{s.ID: true}, nil)
		})
	}
	for i := range Attacks {
		t.Run("attack "+Attacks[i].ID, func(t *testing.T) {
			t.Parallel()
			explained(t, Attacks[i].Needs, &Attacks[i])
		})
	}
}

func explained(t *testing.T, on map[string]bool, attack *Attack) {
	l, err := newLab(on)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if attack == nil {
		l.visit(context.Background())
	} else {
		attack.run(context.Background(), l)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.arrows) == 0 {
		t.Fatal("nothing was sent")
	}
	for _, a := range l.arrows {
		if u, err := url.Parse(a.x.URL); err != nil || u.Hostname() != loopback {
			t.Errorf("a request beyond loopback: %s", a.x.URL)
		}
		shown := a.show(1)
		var names []string
		for _, g := range shown.Groups {
			for _, p := range g.Parameters {
				names = append(names, http.CanonicalHeaderKey(p.Name), p.Name)
				if p.Text == "" || p.Clause == "" {
					t.Errorf("%s in %q, %s: no explanation", p.Name, shown.Title, g.Title)
				}
			}
		}
		for _, sent := range namesIn(a) {
			if !slices.Contains(names, sent) {
				t.Errorf("%s in %q is not shown: %q", sent, shown.Title, names)
			}
		}
	}
}

// namesIn returns the names in a message. It does not use the code of the page.
func namesIn(a *arrow) (names []string) {
	u, _ := url.Parse(a.x.URL)
	to, _ := url.Parse(a.x.Answer.Get("Location"))
	form, _ := url.ParseQuery(string(a.x.Body))
	var members map[string]any
	_ = json.Unmarshal(a.x.AnswerBody, &members)
	for _, values := range []map[string][]string{u.Query(), to.Query(), form, a.x.Header, a.x.Answer} {
		names = append(names, sortedNames(values)...)
	}
	return append(names, sortedNames(members)...)
}

// TestLoopbackOnly: the lab's programs send nothing to another host.
func TestLoopbackOnly(t *testing.T) {
	l, err := newLab(map[string]bool{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	for _, address := range []string{"https://attacker.example/", "https://localhost/", "https://127.0.0.1.attacker.example/", "https://10.0.0.1/"} {
		for name, c := range map[string]*http.Client{"browser": l.newBrowser(), "program": {Transport: l.trusting()}} {
			if _, err := c.Get(address); err == nil || !strings.Contains(err.Error(), "nothing beyond loopback") {
				t.Errorf("%s, %s: %v", name, address, err)
			}
		}
	}
}
