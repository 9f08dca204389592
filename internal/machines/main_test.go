package machines_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

// taskVariable holds the setup of a process, if the test binary runs as one.
const taskVariable = "MACHINES_SETUP"

// setup is the common configuration of all processes of a test.
type setup struct {
	Backend string // the name of the store
	Address string // of the store
	Issuer  string
	Asked   string // URL of the introspection endpoint
	Front   string // the address of the application, as browsers see it
	Tools   string // the API that agents use
	Device  []byte // the private key of browsers that bind sessions, PKCS #8
	Keys    []byte // the JWK Set of the API's tokens, of logout tokens and of security events
}

func TestMain(m *testing.M) {
	task := os.Getenv(taskVariable)
	if task == "" {
		os.Exit(m.Run())
	}
	var s setup
	err := json.Unmarshal([]byte(task), &s)
	if err == nil {
		err = serve(s)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
