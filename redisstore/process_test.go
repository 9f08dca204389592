package redisstore_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/internal/redistest"
	"github.com/countersign/countersign/redisstore"
)

// The test program runs again as another process of an application. These variables say what it
// does, and where.
const (
	taskVariable   = "REDISSTORE_TEST_TASK"
	serverVariable = "REDISSTORE_TEST_SERVER"
)

// child is another process: it waits for a line on its standard input, does its task, and prints
// the result.
func child(task string) {
	s, err := redisstore.New(redisstore.Config{URL: os.Getenv(serverVariable), Timeout: patience})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := s.Ping(ctx); err != nil {
		fmt.Println(err)
		return
	}
	var watch func(string)
	if task == "revocations" {
		watch = followRevocations(ctx, s)
	}
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch task {
		case "once":
			first, err := s.Once(ctx, in.Text(), soon())
			fmt.Println(first, err)
		case "lease":
			_, held, err := s.Acquire(ctx, in.Text(), long)
			fmt.Println(held, err)
		case "refresh":
			fmt.Println(refresh(ctx, s, in.Text()))
		case "revocations":
			watch(in.Text())
		case "short lease":
			_, held, err := s.Acquire(ctx, in.Text(), time.Second)
			fmt.Println(held, err)
		}
	}
}

// refresh requests the tokens of alice many times at once, and returns a summary of the results.
func refresh(ctx context.Context, s *redisstore.Store, issuer string) string {
	c, err := client.New(client.Config{
		Issuer: issuer, ClientID: optest.ClientID, Auth: auth.SecretBasic(optest.ClientSecret), RedirectURL: optest.RedirectURL,
	})
	if err != nil {
		return err.Error()
	}
	r := &tokens.Refresher{Client: c, Store: s, Leases: s}
	outcomes := make([]string, 25)
	var wg sync.WaitGroup
	for i := range outcomes {
		wg.Go(func() {
			tokens, err := r.Tokens(ctx, "alice")
			if err != nil {
				outcomes[i] = err.Error()
				return
			}
			outcomes[i] = strings.TrimPrefix(tokens.AccessToken, "canary-")
		})
	}
	wg.Wait()
	slices.Sort(outcomes)
	return strings.Join(slices.Compact(outcomes), ", ")
}

type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startProcess(t *testing.T, task string, server *redistest.Server) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), taskVariable+"="+task, serverVariable+"="+server.URL())
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd, in, bufio.NewScanner(out)}
	t.Cleanup(p.kill)
	if line := p.line(); line != "ready" {
		t.Fatalf("the process says %q", line)
	}
	return p
}

func (p *process) say(line string) { io.WriteString(p.in, line+"\n") }

func (p *process) line() string {
	p.out.Scan()
	return p.out.Text()
}

func (p *process) kill() {
	p.in.Close()
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// TestProcesses: two and four processes try to get the same lease or proof. Exactly one gets it.
func TestProcesses(t *testing.T) {
	t.Parallel()
	const rounds = 50
	server := redistest.Start(t)
	for _, task := range []string{"once", "lease"} {
		for _, n := range []int{2, 4} {
			t.Run(fmt.Sprint(task, n), func(t *testing.T) {
				var all []*process
				for range n {
					all = append(all, startProcess(t, task, server))
				}
				for round := range rounds {
					key := fmt.Sprint(t.Name(), round)
					for _, p := range all {
						p.say(key)
					}
					winners := 0
					for _, p := range all {
						switch line := p.line(); line {
						case "true <nil>":
							winners++
						case "false <nil>":
						default:
							t.Fatalf("a process says %q", line)
						}
					}
					if winners != 1 {
						t.Fatalf("round %d: %d winners of %d", round, winners, n)
					}
				}
			})
		}
	}
}

// TestRefresh: two and four processes request the tokens of one login when they expire. The
// server treats a second use of a refresh token as a theft. There is one refresh, and all get the
// new tokens. REL.
func TestRefresh(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 4} {
		server, as := redistest.Start(t), optest.New(t)
		rotation := as.RotateRefreshTokens()
		keeper := &tokens.Refresher{Client: newClient(t, as), Store: open(t, server, nil), Leases: tokens.LocalLeases{}}
		old := &client.Tokens{Token: &oauth2.Token{AccessToken: "canary-access-0", TokenType: "Bearer", RefreshToken: "canary-refresh-0", Expiry: time.Now().Add(-time.Second)}}
		if err := keeper.Add(t.Context(), "alice", old); err != nil {
			t.Fatal(err)
		}
		var all []*process
		for range n {
			all = append(all, startProcess(t, "refresh", server))
		}
		for _, p := range all {
			p.say(as.URL)
		}
		for _, p := range all {
			if line := p.line(); line != "access-1" {
				t.Errorf("of %d processes one has %s", n, strings.ReplaceAll(line, "canary", "***"))
			}
		}
		if rotation.Posts() != 1 || rotation.Revoked() {
			t.Errorf("%d requests of %d processes, revoked %v", rotation.Posts(), n, rotation.Revoked())
		}
	}
}

func newClient(t *testing.T, as *optest.Server) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Issuer: as.URL, ClientID: optest.ClientID, Auth: auth.SecretBasic(optest.ClientSecret), RedirectURL: optest.RedirectURL})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestHolderKilled: the lease of a killed process expires, and not before its time.
func TestHolderKilled(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, server, nil)
	begin := time.Now()
	holder := startProcess(t, "short lease", server)
	holder.say(secretKey)
	if line := holder.line(); line != "true <nil>" {
		t.Fatal(strings.ReplaceAll(line, "canary", "***"))
	}
	holder.kill()
	eventually(t, func() bool {
		_, held, err := s.Acquire(t.Context(), secretKey, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return held
	})
	if waited := time.Since(begin); waited < time.Second {
		t.Errorf("a lease of one second was another's after %v", waited)
	}
}
