package main

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// TestStage is the quickstart for the tests of examples/browser. Those need states that the
// program reaches by waiting or by a failure. Commands on standard input change the state. The
// end of standard input ends it.
func TestStage(t *testing.T) {
	if os.Getenv("QUICKSTART_STAGE") == "" {
		t.Skip("it is started by make browser")
	}
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	s, err := start(setup{options: o, log: slog.Default(), say: func(string) {}, now: now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	commands := map[string]func(){
		"later":    func() { ahead.Store(int64(11 * time.Minute)) },
		"now":      func() { ahead.Store(0) },
		"api down": s.endAPI,
	}
	fmt.Println(s.app, s.issuer, s.api)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); fmt.Println("done") {
		commands[lines.Text()]()
	}
}
