package tokens_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/internal/optest"
)

// The processes of these tests are this test program, started again with these variables.
const (
	issuerOf = "COUNTERSIGN_TEST_ISSUER"
	storeAt  = "COUNTERSIGN_TEST_STORE"
)

// TestMain runs the tests. With the variables set, the process requests the tokens of "alice" 25
// times at once instead.
func TestMain(m *testing.M) {
	if os.Getenv(storeAt) == "" {
		os.Exit(m.Run())
	}
	c, err := client.New(client.Config{
		Issuer: os.Getenv(issuerOf), ClientID: optest.ClientID, Auth: auth.SecretBasic(optest.ClientSecret), RedirectURL: optest.RedirectURL,
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	remote := &remoteStore{os.Getenv(storeAt)}
	r := &tokens.Refresher{Client: c, Store: remote, Leases: remote}
	if filepath.IsAbs(remote.url) {
		files := &tokens.FileStore{Dir: remote.url}
		r.Store, r.Leases = files, files
	}
	var wg sync.WaitGroup
	for range 25 {
		wg.Go(func() { fmt.Println(outcome(r)) })
	}
	wg.Wait()
}

// outcome describes the result of one caller in a word.
func outcome(r *tokens.Refresher) string {
	issued, err := r.Tokens(context.Background(), "alice")
	switch {
	case errors.Is(err, tokens.ErrLoginRequired):
		return "login"
	case err != nil:
		return "error: " + err.Error()
	}
	return strings.TrimPrefix(issued.AccessToken, "canary-")
}

// remoteStore is the store of another process.
type remoteStore struct{ url string }

func (s *remoteStore) call(op, key string, value []byte) ([]byte, error) {
	resp, err := http.Post(s.url+"/"+op+"?key="+url.QueryEscape(key), "", bytes.NewReader(value))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode == http.StatusNoContent {
		return nil, err
	}
	return body, err
}

func (s *remoteStore) Load(_ context.Context, key string) ([]byte, error) {
	return s.call("load", key, nil)
}

func (s *remoteStore) Save(_ context.Context, key string, value []byte, _ time.Time) error {
	_, err := s.call("save", key, value)
	return err
}

func (s *remoteStore) Delete(_ context.Context, key string) error {
	_, err := s.call("delete", key, nil)
	return err
}

func (s *remoteStore) Acquire(_ context.Context, key string, _ time.Duration) (func(), bool, error) {
	id, err := s.call("acquire", key, nil)
	return func() { s.call("release", key, id) }, id != nil, err
}

// storeServer is a store for other processes, with a hook for each call.
type storeServer struct {
	*store
	before   func(op string)
	releases sync.Map
}

func (s *storeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op, key := strings.TrimPrefix(r.URL.Path, "/"), r.FormValue("key")
	body, _ := io.ReadAll(r.Body)
	if s.before != nil {
		s.before(op)
	}
	var out []byte
	switch op {
	case "load":
		out, _ = s.Load(r.Context(), key)
	case "save":
		s.Save(r.Context(), key, body, time.Time{})
	case "delete":
		s.Delete(r.Context(), key)
	case "acquire":
		if release, held, _ := s.Acquire(r.Context(), key, time.Minute); held {
			out = fmt.Appendf(nil, "%p", &release)
			s.releases.Store(string(out), release)
		}
	case "release":
		if release, ok := s.releases.LoadAndDelete(string(body)); ok {
			release.(func())()
		}
	}
	if out == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Write(out)
}

// process starts another process, which prints one outcome per line.
func process(t *testing.T, issuer, store string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), issuerOf+"="+issuer, storeAt+"="+store)
	out := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// TestProcesses: four processes of 25 goroutines each share a refresh token. The server rotates
// it, and ends the login at a second use. There is one request, and every caller gets tokens.
func TestProcesses(t *testing.T) {
	s := optest.New(t)
	rotation := s.RotateRefreshTokens()
	shared := httptest.NewServer(&storeServer{store: storeOf(t, ending(-time.Second))})
	defer shared.Close()
	var outs []*bytes.Buffer
	var all []*exec.Cmd
	for range 4 {
		cmd, out := process(t, s.URL, shared.URL)
		all, outs = append(all, cmd), append(outs, out)
	}
	for i, cmd := range all {
		if err := cmd.Wait(); err != nil || outs[i].String() != strings.Repeat("access-1\n", 25) {
			t.Errorf("process %d: %v\n%s", i, err, outs[i])
		}
	}
	if rotation.Posts() != 1 || rotation.Revoked() {
		t.Errorf("%d requests, revoked %v", rotation.Posts(), rotation.Revoked())
	}
}

// TestKilled: the process that holds the lease is killed at each of its steps, and another process
// continues. If the server's response was lost, the server decides: the login continues if the
// server accepts a used refresh token for a while. Otherwise a new login is required.
func TestKilled(t *testing.T) {
	for _, test := range []struct {
		name  string
		step  string // of the store, or "request" or "answer" of the server
		nth   int
		grace time.Duration
		want  string
		posts int
	}{
		{"before the lease", "acquire", 1, 0, "access-1", 1},
		{"before the second look", "load", 2, 0, "access-1", 1},
		{"before the request", "request", 1, 0, "access-1", 1},
		{"before the answer, with grace", "answer", 1, time.Minute, "access-2", 2},
		{"before the answer", "answer", 1, 0, "login", 2},
		{"before it is saved, with grace", "save", 1, time.Minute, "access-2", 2},
		{"before it is saved", "save", 1, 0, "login", 2},
		{"before the lease is given back", "release", 1, 0, "access-1", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := optest.New(t)
			rotation := s.RotateRefreshTokens()
			rotation.Grace = test.grace
			// The first process waits at its step until it is killed.
			var left atomic.Int32
			left.Store(int32(test.nth))
			reached, dead := make(chan struct{}), make(chan struct{})
			at := func(step string) bool {
				if step != test.step || left.Add(-1) != 0 {
					return false
				}
				close(reached)
				<-dead
				return true
			}
			rotation.Before = func() {
				if at("request") {
					panic(http.ErrAbortHandler) // the server no longer reads it
				}
			}
			rotation.After = func() { at("answer") }
			back := &storeServer{store: storeOf(t, ending(-time.Second)), before: func(op string) {
				if at(op) {
					panic(http.ErrAbortHandler)
				}
			}}
			back.short = time.Second
			shared := httptest.NewServer(back)
			defer shared.Close()
			first, _ := process(t, s.URL, shared.URL)
			<-reached
			first.Process.Kill()
			first.Wait()
			close(dead)
			second, out := process(t, s.URL, shared.URL)
			if err := second.Wait(); err != nil || out.String() != strings.Repeat(test.want+"\n", 25) || rotation.Posts() != test.posts {
				t.Errorf("%v, %d requests\n%s", err, rotation.Posts(), out)
			}
		})
	}
}

// TestKept: stored tokens can be refreshed and used, and print no secret.
func TestKept(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	cfg.DPoP = &client.DPoP{InsecureAllowBearer: true}
	issued, err := login(t, s, newClient(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(tokens.ToStore(issued))
	if err != nil {
		t.Fatal(err)
	}
	kept := &tokens.Stored{}
	if err := json.Unmarshal(raw, kept); err != nil {
		t.Fatal(err)
	}
	back, err := kept.Tokens()
	if err != nil || back.AccessToken != issued.AccessToken || back.RefreshToken != issued.RefreshToken || !back.Expiry.Equal(issued.Expiry) ||
		back.IDTokenHint == "" || back.IDTokenHint != issued.IDTokenHint || back.Login.Subject != optest.Subject ||
		back.DPoPKey.Key == nil || strings.Join(back.Scopes, " ") != "openid" {
		t.Errorf("got %v, %v", back, err)
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v", kept, *kept, *kept), kept.LogValue().String()} {
		if strings.Contains(text, issued.AccessToken) || strings.Contains(text, issued.RefreshToken) || strings.Contains(text, kept.DPoPKey) {
			t.Errorf("a secret is printed: %s", text)
		}
	}
	kept.DPoPKey = "bm8ga2V5"
	if _, err := kept.Tokens(); err == nil {
		t.Error("a malformed key is taken")
	}
}
