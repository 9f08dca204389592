package sqlstore_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/countersign/countersign/sqlstore"
)

// The test program runs again as another process of an application. These variables say what it
// does, and where.
const (
	taskVariable    = "SQLSTORE_TEST_TASK"
	driverVariable  = "SQLSTORE_TEST_DRIVER"
	dsnVariable     = "SQLSTORE_TEST_DSN"
	dialectVariable = "SQLSTORE_TEST_DIALECT"
)

// child is another process: for each line on its standard input it does its task, and prints the
// result.
func child(task string) {
	s, err := childStore()
	if err == nil {
		err = s.Ping(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Println(perform(task, s, in.Text()))
	}
}

func childStore() (*sqlstore.Store, error) {
	db, err := sql.Open(os.Getenv(driverVariable), os.Getenv(dsnVariable))
	if err != nil {
		return nil, err
	}
	dialect := sqlstore.PostgreSQL
	if os.Getenv(dialectVariable) == "sqlite" {
		dialect = sqlstore.SQLite
	}
	return sqlstore.New(sqlstore.Config{DB: db, Dialect: dialect, Timeout: patience})
}

func perform(task string, s *sqlstore.Store, line string) string {
	ctx := context.Background()
	switch task {
	case "once":
		first, err := s.Once(ctx, line, soon())
		return fmt.Sprint(first, err)
	case "lease":
		_, held, err := s.Acquire(ctx, line, long)
		return fmt.Sprint(held, err)
	case "refresh":
		return refresh(ctx, s, line)
	}
	return "unknown task"
}

type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startProcess(t *testing.T, task string, d database) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), taskVariable+"="+task, driverVariable+"="+d.driver, dsnVariable+"="+d.dsn, dialectVariable+"="+d.driver)
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd, in, bufio.NewScanner(out)}
	t.Cleanup(func() {
		p.in.Close()
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
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

// TestProcesses: two and four processes try to get the same lease or proof. Exactly one gets it.
func TestProcesses(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		for _, task := range []string{"once", "lease"} {
			for _, n := range []int{2, 4} {
				t.Run(fmt.Sprint(task, n), func(t *testing.T) { oneWinner(t, d, task, n) })
			}
		}
	})
}

func oneWinner(t *testing.T, d database, task string, n int) {
	var all []*process
	for range n {
		all = append(all, startProcess(t, task, d))
	}
	for round := range 25 {
		for _, p := range all {
			p.say(fmt.Sprint(t.Name(), round))
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
}

// outcomes are the different results of many goroutines.
func outcomes(n int, do func() string) string {
	all := make([]string, n)
	var group sync.WaitGroup
	for i := range all {
		group.Go(func() { all[i] = do() })
	}
	group.Wait()
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}
