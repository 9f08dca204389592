package interop

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// tablePath is the page that is compared with the results of the run.
const tablePath = "../../docs/interop.md"

const tableHead = `# See what works with which server

` + "`internal/interop/run`" + ` tests each line with servers that others wrote. A test checks the request and the response. It
also checks that a wrong key, a stolen token and a response of another kind are rejected. Every run compares its results
with this page. Do not edit the page: ` + "`COUNTERSIGN_INTEROP_WRITE=1 internal/interop/run`" + ` writes it.
[Settings for servers](servers.md) lists what each server needs, and which other servers were tested by hand.
` + "`make openam`" + ` runs similar tests with OpenAM.

`

// columns are the servers in order.
var columns = []string{oidcProvider.name, keycloak.name, hydra.name}

//go:embed oidc-provider/package.json
var packageJSON []byte

// versions returns the versions of the servers that ran.
func versions() (map[string]string, error) {
	var npm struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	if err := json.Unmarshal(packageJSON, &npm); err != nil {
		return nil, err
	}
	return map[string]string{
		oidcProvider.name: "oidc-provider " + npm.Dependencies[oidcProvider.name],
		keycloak.name:     "Keycloak " + os.Getenv("COUNTERSIGN_INTEROP_KEYCLOAK_VERSION"),
		hydra.name:        "ory/hydra " + os.Getenv("COUNTERSIGN_INTEROP_HYDRA_VERSION"),
	}, nil
}

// complete reports whether every feature was tested with every server.
func complete() bool {
	for _, f := range features {
		for _, name := range columns {
			if f.ended[name] == untested {
				return false
			}
		}
	}
	for _, f := range commandFlows {
		for _, name := range columns {
			if f.ended[name] == untested {
				return false
			}
		}
	}
	return true
}

// table returns the page with the results of the tests, without the part about MCP.
func table() (string, error) {
	titles, err := versions()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(tableHead + "| |")
	for _, name := range columns {
		fmt.Fprintf(&b, " %s |", titles[name])
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, f := range features {
		fmt.Fprintf(&b, "| %s |", f.name)
		for _, name := range columns {
			fmt.Fprintf(&b, " %s |", f.ended[name])
		}
		b.WriteString("\n")
	}
	return b.String() + commandTable(), nil
}

// mcpHeading is the heading of the part that TestMCP checks.
const mcpHeading = "\n## Model Context Protocol\n"

// splitPage separates the table of the servers from the part about MCP.
func splitPage(page string) (servers, mcp string) {
	i := strings.Index(page, mcpHeading)
	if i < 0 {
		return page, ""
	}
	return page[:i], page[i:]
}

var errStale = errors.New(tablePath + " is not what this run has shown; COUNTERSIGN_INTEROP_WRITE=1 writes it")

// holdTable compares the page with the results of a complete run, or writes the page.
func holdTable() error {
	write := os.Getenv("COUNTERSIGN_INTEROP_WRITE") == "1"
	if !complete() {
		if write {
			return errors.New(tablePath + " is not written: not everything was tried")
		}
		return nil
	}
	want, err := table()
	if err != nil {
		return err
	}
	page, err := os.ReadFile(tablePath)
	if err != nil {
		return err
	}
	got, mcp := splitPage(string(page))
	if write {
		return os.WriteFile(tablePath, []byte(want+mcp), 0o644)
	}
	if got != want {
		return errStale
	}
	return nil
}
