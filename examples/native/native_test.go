package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/examples/internal/visitor"
)

// TestCommands runs both ways, each as one command.
func TestCommands(t *testing.T) {
	for name, test := range map[string]struct {
		args  []string
		shows string
	}{
		"in the browser": {[]string{"-headless"}, "request_uri="},
		"on a device":    {[]string{"-headless", "-device"}, "type in the code "},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := run(t.Context(), test.args, &out); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{test.shows, "Signed in: " + demoUser.Subject + " at http://127.0.0.1:"} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("it says\n%s\nand not %q", out.String(), want)
				}
			}
		})
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-headless", "-issuer", "https://as.example"}, &out); err == nil {
		t.Error("a user at another server is played")
	}
}

// TestNo: a user who denies ends the login in both ways.
func TestNo(t *testing.T) {
	for _, device := range []bool{false, true} {
		issuer, stop, err := startServer()
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		p := &program{
			client: client.Config{Issuer: issuer, ClientID: demoID, Auth: auth.Public()}, device: device,
			visitor: &visitor.Visitor{Cancel: true}, out: &bytes.Buffer{},
		}
		var e *client.Error
		if err := p.run(t.Context()); !errors.As(err, &e) || e.Code != "access_denied" {
			t.Errorf("device %v: %v", device, err)
		}
	}
}

// TestGivenUp: the program stops waiting when its context ends.
func TestGivenUp(t *testing.T) {
	for _, device := range []bool{false, true} {
		issuer, stop, err := startServer()
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		ctx, cancel := context.WithCancel(t.Context())
		p := &program{client: client.Config{Issuer: issuer, ClientID: demoID, Auth: auth.Public()}, device: device, out: cancelling{cancel}}
		t.Setenv("PATH", "") // no browser
		if err := p.run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("device %v: %v", device, err)
		}
	}
}

// cancelling cancels at the first output.
type cancelling struct{ cancel func() }

func (c cancelling) Write(p []byte) (int, error) {
	c.cancel()
	return len(p), nil
}
