package interop

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// diagnosis is the output of the doctor with -json.
type diagnosis struct {
	Findings []struct{ Level, Topic, Text, Remedy string }
	Profiles []struct {
		Profile string
		Lacks   []string
	}
}

// doctor examines the server. It returns the report and the exit status.
func (p *terminal) doctor(args ...string) (d diagnosis, status int) {
	p.t.Helper()
	out, status := p.execute("", append([]string{"doctor", p.server.issuer, "-json", "-ca", keyPath("ca.crt")}, args...)...)
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		p.t.Fatalf("status %d, %v\n%s", status, err, out)
	}
	return d, status
}

// worse returns the findings that are not notes.
func (d diagnosis) worse() (all []string) {
	for _, f := range d.Findings {
		if f.Level != "note" {
			all = append(all, f.Level+" "+f.Topic+": "+f.Text)
		}
	}
	return all
}

// registration returns the findings about the client.
func (d diagnosis) registration(level string) (all []string) {
	for _, f := range d.Findings {
		if f.Topic == "registration" && f.Level == level {
			all = append(all, f.Text+" → "+f.Remedy)
		}
	}
	return all
}

// TestCommandDoctor: the doctor finds no problem at a server that works. If the server accepts
// pushed requests, the doctor finds wrong registrations.
func TestCommandDoctor(t *testing.T) {
	runDoctor.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		if d, status := p.doctor(); status != 0 || slices.ContainsFunc(d.worse(), func(f string) bool { return !plainHTTP(f) }) {
			t.Errorf("status %d, %q", status, d.worse())
		}
		right := []string{"-client-id", "basic", "-redirect-uri", appURL + "/callback", "-secret-env", "INTEROP_SECRET"}
		for name, test := range map[string]struct {
			args []string
			want string // in a problem; "" for none
		}{
			"right":              {right, ""},
			"wrong secret":       {with(right, "-secret-env", "PATH"), "-secret-env"},
			"wrong client":       {with(right, "-client-id", "nobody"), "client ID"},
			"wrong redirect URI": {with(right, "-redirect-uri", appURL+"/elsewhere"), "redirect URI"},
			"public":             {[]string{"-client-id", "public", "-redirect-uri", appURL + "/callback"}, ""},
			"by key":             {also([]string{"-client-id", "private-key-jwt", "-redirect-uri", appURL + "/callback"}, signs()), ""},
		} {
			d, status := p.doctor(test.args...)
			problems := d.registration("problem")
			switch {
			case !pushes(s.metadata):
				if len(problems) != 0 || len(d.registration("note")) == 0 || status != 0 {
					t.Errorf("%s: status %d, %+v", name, status, d.Findings)
				}
			case test.want == "" && (len(problems) != 0 || status != 0 || len(d.registration("note")) == 0):
				t.Errorf("%s: status %d, %q", name, status, problems)
			case test.want != "" && (status != 1 || len(problems) != 1 || !strings.Contains(problems[0], test.want)):
				t.Errorf("%s: status %d, %q, expected %q", name, status, problems, test.want)
			}
		}
		works(t, "each wrong registration is named")
	})
}

// TestCommandDoctorTLS is the same over TLS. There the doctor must find nothing.
func TestCommandDoctorTLS(t *testing.T) {
	runDoctor.eachTLS(t, func(t *testing.T, s *server) {
		if s.plain {
			return
		}
		if d, status := newTerminal(t, s).doctor(); status != 0 || len(d.worse()) != 0 {
			t.Errorf("status %d, %q", status, d.worse())
		}
	})
}

// plainHTTP is the finding for the tests' servers, which use http.
func plainHTTP(finding string) bool { return strings.HasPrefix(finding, "warning tls: no TLS") }

// with returns args with another value of a flag.
func with(args []string, name, value string) []string {
	out := slices.Clone(args)
	out[slices.Index(out, name)+1] = value
	return out
}
