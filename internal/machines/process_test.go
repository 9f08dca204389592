package machines_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// process is a running process of the application.
type process struct {
	address string
	kill    func() // ends it at once
}

// startProcesses starts n processes at once, which end with the test.
func startProcesses(t testing.TB, s setup, n int) []*process {
	t.Helper()
	all, failures := make([]*process, n), make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { all[i], failures[i] = startProcess(t, s) })
	}
	group.Wait()
	for _, err := range failures {
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func startProcess(t testing.TB, s setup) (*process, error) {
	task, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), taskVariable+"="+string(task))
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // it ends with this program
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	kill := sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	return &process{strings.TrimSpace(line), kill}, err
}

// do has a process run an order. If it does not answer, every result says so.
func (p *process) do(o order) result {
	r, err := p.send(o)
	if err != nil {
		r = result{Results: make([]string, len(o.Args))}
		for i := range r.Results {
			r.Results[i] = err.Error()
		}
	}
	return r
}

func (p *process) send(o order) (r result, err error) {
	body, err := json.Marshal(o)
	if err != nil {
		return r, err
	}
	hc := &http.Client{Timeout: 5 * time.Minute}
	resp, err := hc.Post(p.address+"/do/", "application/json", bytes.NewReader(body))
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		return r, err
	}
	if len(r.Results) != len(o.Args) {
		return r, fmt.Errorf("%d results of %d", len(r.Results), len(o.Args))
	}
	return r, nil
}

// share deals the arguments out to the processes, which work at the same time. The results are in
// the order of the arguments. The calls of all processes are added up.
func share(all []*process, o order) result {
	parts := make([]result, len(all))
	var group sync.WaitGroup
	began := time.Now()
	for i, p := range all {
		part := order{Do: o.Do, Parallel: o.Parallel}
		for n := i; n < len(o.Args); n += len(all) {
			part.Args = append(part.Args, o.Args[n])
		}
		group.Go(func() { parts[i] = p.do(part) })
	}
	group.Wait()
	sum := result{Results: make([]string, len(o.Args)), Calls: map[string]int{}, Took: time.Since(began)}
	for n := range o.Args {
		sum.Results[n] = parts[n%len(all)].Results[n/len(all)]
	}
	for _, part := range parts {
		for method, calls := range part.Calls {
			sum.Calls[method] += calls
		}
	}
	return sum
}

// each runs the same order in all processes at the same time.
func each(all []*process, o order) []result {
	results := make([]result, len(all))
	var group sync.WaitGroup
	for i, p := range all {
		group.Go(func() { results[i] = p.do(o) })
	}
	group.Wait()
	return results
}
