package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/examples/internal/visitor"
)

// start runs the program, and returns its issuer and the rest of its output.
func start(t *testing.T, args ...string) (issuer string, lines *bufio.Scanner) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, append([]string{"-listen", "127.0.0.1:0"}, args...), w)
		w.Close()
	}()
	t.Cleanup(func() {
		stop()
		go io.Copy(io.Discard, r)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	lines = bufio.NewScanner(r)
	if !lines.Scan() {
		t.Fatal("it prints nothing")
	}
	issuer, ok := strings.CutPrefix(lines.Text(), "The issuer is ")
	if !ok {
		t.Fatal(lines.Text())
	}
	return issuer, lines
}

// TestLogin: a user is chosen on the page, and the requests are printed without secrets.
func TestLogin(t *testing.T) {
	issuer, lines := start(t, "-client", "web:the-secret:https://app.example/callback", "-user", "alice", "-user", "bob:Bob B.:bob@example.com")
	printed := make(chan string, 1)
	go func() {
		var all strings.Builder
		for lines.Scan() {
			all.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "/token 200") {
				break
			}
		}
		printed <- all.String()
		for lines.Scan() {
		}
	}()
	c, err := client.New(client.Config{Issuer: issuer, ClientID: "web", Auth: auth.Secret("the-secret"), RedirectURL: "https://app.example/callback", Scopes: []string{"openid", "email"}})
	if err != nil {
		t.Fatal(err)
	}
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor.Visitor{Username: "bob"}
	back, err := v.Answer(t.Context(), redirect)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := c.Finish(t.Context(), pending, back.Query())
	if err != nil || tokens.IDToken.Subject != "bob" {
		t.Fatalf("%v, %v", tokens, err)
	}
	said := <-printed
	if !strings.Contains(said, "POST /token 200 authorization_code") || strings.Contains(said, "the-secret") || strings.Contains(said, tokens.AccessToken) {
		t.Errorf("it prints\n%s", said)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-client", "web"}, {"-client", ":secret:"}, {"-client", "web:secret:callback"}, {"-user", ""}, {"-user", "a:b:c:d"}, {"-fault", "nonsense"}} {
		if err := run(t.Context(), append([]string{"-listen", "127.0.0.1:0"}, args...), io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
