// Package deploy_test reads the YAML of docs/kubernetes.md and docs/docker-compose.md.
package deploy_test

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// The parts of Kubernetes' types (core/v1) and of the Compose specification that the pages use.
// Any other field is an error.
type (
	probe struct {
		HTTPGet struct {
			Path string
			Port int
		} `yaml:"httpGet"`
		TimeoutSeconds int `yaml:"timeoutSeconds"`
	}
	container struct {
		Name, Image    string
		LivenessProbe  probe `yaml:"livenessProbe"`
		ReadinessProbe probe `yaml:"readinessProbe"`
		VolumeMounts   []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
	pod struct {
		Containers []container
		Volumes    []struct {
			Name      string
			Projected struct {
				Sources []struct {
					ServiceAccountToken struct {
						Path, Audience    string
						ExpirationSeconds int `yaml:"expirationSeconds"`
					} `yaml:"serviceAccountToken"`
				}
			}
		}
	}
	compose struct {
		Services map[string]struct {
			Image, Build, Command string
			Ports                 []string
			Environment           map[string]string
			DependsOn             []string `yaml:"depends_on"`
			Networks              map[string]struct{ Aliases []string }
		}
	}
)

// blocks returns a page and its YAML blocks.
func blocks(t *testing.T, name string, count int) (page string, found []string) {
	t.Helper()
	raw, err := os.ReadFile("../../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(raw), -1) {
		found = append(found, m[1])
	}
	if len(found) != count {
		t.Fatalf("%s has %d blocks of YAML, expected %d", name, len(found), count)
	}
	return string(raw), found
}

func decode(t *testing.T, block string, into any) {
	t.Helper()
	if err := strictly(block, into); err != nil {
		t.Fatalf("%v\n%s", err, block)
	}
}

func strictly(block string, into any) error {
	return yaml.NewDecoder(strings.NewReader(block), yaml.Strict()).Decode(into)
}

// TestStrict: an unknown field and a duplicate field are errors.
func TestStrict(t *testing.T) {
	for _, block := range []string{"livenessProb: {}", "name: a\nname: b", "livenessProbe:\n  httpGet: {path: /, prot: 1}", "name: ["} {
		if strictly(block, &container{}) == nil {
			t.Errorf("%q is accepted", block)
		}
	}
}

// TestProbes: the probes request the paths of the handlers. A readiness probe waits for longer
// than the 10 seconds of a request to the server.
func TestProbes(t *testing.T) {
	page, found := blocks(t, "kubernetes.md", 2)
	var c container
	decode(t, found[0], &c)
	for _, p := range []probe{c.LivenessProbe, c.ReadinessProbe} {
		if !strings.Contains(page, fmt.Sprintf(`"GET %s"`, p.HTTPGet.Path)) || p.HTTPGet.Port == 0 {
			t.Errorf("no handler of the page answers %s at port %d", p.HTTPGet.Path, p.HTTPGet.Port)
		}
	}
	if c.LivenessProbe.HTTPGet.Path == c.ReadinessProbe.HTTPGet.Path || c.ReadinessProbe.TimeoutSeconds <= 10 {
		t.Errorf("%+v", c)
	}
}

// TestServiceAccountToken: the page passes the path of the mounted token to auth.FederatedFile.
func TestServiceAccountToken(t *testing.T) {
	page, found := blocks(t, "kubernetes.md", 2)
	var p pod
	decode(t, found[1], &p)
	mount, volume := p.Containers[0].VolumeMounts[0], p.Volumes[0]
	token := volume.Projected.Sources[0].ServiceAccountToken
	if mount.Name != volume.Name || !strings.Contains(page, fmt.Sprintf("FederatedFile(%q", mount.MountPath+"/"+token.Path)) {
		t.Errorf("the file is %s/%s of the volume %q", mount.MountPath, token.Path, volume.Name)
	}
	if u, err := url.Parse(token.Audience); err != nil || u.Scheme != "https" || token.ExpirationSeconds < 600 {
		t.Errorf("%+v, expected an issuer, and the 10 minutes that Kubernetes requires", token)
	}
}

// TestCompose: the browser and the containers reach the issuer at one address.
func TestCompose(t *testing.T) {
	page, found := blocks(t, "docker-compose.md", 1)
	var file compose
	decode(t, found[0], &file)
	app, server := file.Services["app"], file.Services["sso"]
	issuer, err := url.Parse(app.Environment["ISSUER"])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(server.Command, "--hostname http://"+issuer.Host) || !slices.Contains(server.Networks["default"].Aliases, issuer.Hostname()) {
		t.Errorf("the server is not at %s for the containers: %+v", issuer, server)
	}
	if !slices.Contains(server.Ports, issuer.Port()+":"+issuer.Port()) || !strings.Contains(page, "`127.0.0.1 "+issuer.Hostname()+"`") {
		t.Errorf("the server is not at %s for the browser: %+v", issuer, server)
	}
	if !slices.Contains(app.DependsOn, "sso") {
		t.Errorf("depends_on is %q", app.DependsOn)
	}
	checkProgram(t, page, app.Environment)
	host, inside, _ := strings.Cut(app.Ports[0], ":")
	if !strings.Contains(page, "Listen on `:"+inside+"`") || !strings.Contains(page, "`http://127.0.0.1:"+host+"/callback`") {
		t.Errorf("the page does not name the port of the program: %q", app.Ports)
	}
}

// checkProgram: the program of the README reads each variable that the file sets, and no other one.
func checkProgram(t *testing.T, page string, environment map[string]string) {
	t.Helper()
	program, err := os.ReadFile("../../readme/signin/main.go")
	if err != nil || !strings.Contains(page, "(../README.md#sign-users-in)") {
		t.Fatalf("the page does not name the program: %v", err)
	}
	var read []string
	for _, m := range regexp.MustCompile(`os\.Getenv\("([^"]+)"\)`).FindAllStringSubmatch(string(program), -1) {
		read = append(read, m[1])
	}
	slices.Sort(read)
	if set := slices.Sorted(maps.Keys(environment)); !slices.Equal(read, set) {
		t.Errorf("the program reads %q, the file sets %q", read, set)
	}
}
