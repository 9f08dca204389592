package internal_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/loopback"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery/issuertest"
)

// The code of docs/command-line-programs.md, run.

// commandLine calls an API for the user of a command-line program. The user signs in once.
func commandLine(ctx context.Context, config loopback.Config, dir string) (*http.Client, error) {
	c, err := client.New(config.Client)
	if err != nil {
		return nil, err
	}
	store := &tokens.FileStore{Dir: filepath.Join(dir, "photoctl", "tokens")}
	refresher := &tokens.Refresher{Client: c, Store: store, Leases: store}
	_, err = refresher.Tokens(ctx, "default")
	if errors.Is(err, tokens.ErrLoginRequired) {
		issued, err := loopback.Login(ctx, config)
		if err != nil {
			return nil, err
		}
		if err := refresher.Add(ctx, "default", issued); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &tokens.Transport{
		Client: c, Tokens: refresher.Source("default"), Origins: []string{"https://photos.example"},
	}}, nil
}

// signOutOfProgram ends the login of a command-line program. Its page has a table of the errors.
func signOutOfProgram(ctx context.Context, c *client.Client, refresher *tokens.Refresher) error {
	issued, err := refresher.Tokens(ctx, "default")
	if err == nil {
		err = c.RevokeTokens(ctx, issued)
	}
	if kept := refresher.Forget(ctx, "default"); kept != nil {
		return kept // the store cannot be used
	}
	return err
}

// TestSignOutOfProgram: the errors of the page's table. No tokens are stored after any of the
// calls.
func TestSignOutOfProgram(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	bare := issuertest.New(t, issuertest.Config{Edit: issuertest.Edit{Metadata: func(m map[string]any) { delete(m, "revocation_endpoint") }}})
	for _, test := range []struct {
		name     string
		issuer   *issuertest.Issuer
		signedIn bool
		fault    issuertest.Fault
		want     error // nil: any that has text
		text     string
	}{
		{name: "signed in", issuer: issuer, signedIn: true},
		{name: "not signed in", issuer: issuer, want: tokens.ErrLoginRequired, text: "no tokens are stored under this key: sign the user in"},
		{name: "no revocation", issuer: bare, signedIn: true, want: client.ErrNoEndpoint},
		{name: "server down", issuer: issuer, signedIn: true, fault: issuertest.Unavailable.At(issuertest.RevocationEndpoint), text: "503"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := webClient(t, test.issuer, nil)
			store := &tokens.FileStore{Dir: filepath.Join(t.TempDir(), "tokens")}
			refresher := &tokens.Refresher{Client: c, Store: store, Leases: store}
			if test.signedIn {
				signInProgram(t, test.issuer, c, refresher)
			}
			if test.fault != "" {
				test.issuer.Inject(test.fault)
			}
			err := signOutOfProgram(t.Context(), c, refresher)
			if (err == nil) != (test.want == nil && test.text == "") || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%v, expected %v", err, test.want)
			}
			if err != nil && !strings.Contains(err.Error(), test.text) {
				t.Errorf("%v lacks %q", err, test.text)
			}
			if _, err := refresher.Tokens(t.Context(), "default"); !errors.Is(err, tokens.ErrLoginRequired) {
				t.Errorf("after the sign-out: %v", err)
			}
		})
	}
}

// TestUnusableStoreOfProgram: the error about a store appears once, and no request is sent. The
// same holds for a user who is not signed in.
func TestUnusableStoreOfProgram(t *testing.T) {
	c := webClient(t, issuertest.New(t, issuertest.Config{}), nil)
	store := &tokens.FileStore{Dir: filepath.Join(t.TempDir(), "tokens")}
	refresher := &tokens.Refresher{Client: c, Store: store, Leases: store}
	err := signOutOfProgram(t.Context(), c, refresher)
	if err == nil || !strings.HasPrefix(err.Error(), "client: stored tokens: a new login is required: no tokens are stored") {
		t.Errorf("%v", err)
	}
	if err := os.Chmod(store.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	err = signOutOfProgram(t.Context(), c, refresher)
	if err == nil || strings.Count(err.Error(), "other users can open") != 1 || strings.Contains(err.Error(), "token request") {
		t.Errorf("%v", err)
	}
	_, err = refresher.Tokens(t.Context(), "default")
	if err == nil || !strings.HasPrefix(err.Error(), "client: stored tokens: ") || !strings.Contains(err.Error(), "other users can open") {
		t.Errorf("%v", err)
	}
}

// signInProgram stores the tokens of a login.
func signInProgram(t *testing.T, issuer *issuertest.Issuer, c *client.Client, refresher *tokens.Refresher) {
	t.Helper()
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	issued, err := c.Finish(t.Context(), pending, issuer.SignIn(t, redirect))
	if err == nil {
		err = refresher.Add(t.Context(), "default", issued)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestCommandLine: the user signs in once. The next run finds the tokens, and after a sign-out
// the user signs in again.
func TestCommandLine(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{Clients: []issuertest.Client{{
		ID: "photoctl", RedirectURLs: []string{"http://127.0.0.1/callback"}, Scopes: []string{"openid", "offline_access"},
	}}})
	registration := client.Config{
		Issuer: issuer.URL, ClientID: "photoctl", Auth: auth.Public(), RedirectURL: "http://127.0.0.1/callback",
		Scopes: []string{"openid", "offline_access"}, HTTP: issuer.Client(),
	}
	logins, dir := 0, t.TempDir()
	openBrowser := func(ctx context.Context, address string) error {
		logins++
		r, err := http.NewRequestWithContext(ctx, "GET", address, nil)
		if err != nil {
			return err
		}
		resp, err := issuer.Browser().Do(r)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	for run := range 3 {
		if _, err := commandLine(t.Context(), loopback.Config{Client: registration, Open: openBrowser}, dir); err != nil {
			t.Fatal(err)
		}
		if want := max(1, run); logins != want {
			t.Errorf("run %d: %d logins, expected %d", run, logins, want)
		}
		if run == 1 {
			c, err := client.New(registration)
			if err != nil {
				t.Fatal(err)
			}
			store := &tokens.FileStore{Dir: filepath.Join(dir, "photoctl", "tokens")}
			if err := signOutOfProgram(t.Context(), c, &tokens.Refresher{Client: c, Store: store, Leases: store}); err != nil {
				t.Error(err)
			}
		}
	}
}
