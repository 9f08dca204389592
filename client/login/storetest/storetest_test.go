package storetest_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/login/storetest"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/ssf"
)

// What the packages ask of a store is what the suite tests. Each line fails to compile when
// an interface gets a method.
var (
	_ login.Store    = suite(nil)
	_ login.Values   = storetest.Values(nil)
	_ login.Index    = storetest.Index(nil)
	_ tokens.Store   = storetest.Values(nil)
	_ tokens.Leases  = storetest.Leases(nil)
	_ idtoken.Replay = storetest.Replay(nil)
	_ rs.ReplayStore = storetest.Replay(nil)
	_ rs.SharedStore = storetest.Values(nil)
	_ rs.SharedLog   = storetest.Log(nil)
	_ ssf.Store      = storetest.LoadSave(nil)
)

type suite interface {
	storetest.Values
	storetest.Index
	storetest.Replay
	storetest.Leases
}

// The store in memory is one process: all handles are the same.
func TestMemory(t *testing.T) {
	memory := &login.Memory{}
	storetest.Run(t, func(*testing.T) any { return memory })
}

// The log of these tests is a store that the suite accepts.
func TestLog(t *testing.T) {
	log := &memoryLog{}
	storetest.Run(t, func(*testing.T) any { return log })
}

// fault is the broken store that a child process tests.
const fault = "STORETEST_FAULT"

// TestBroken runs the suite for one broken store, in a child process of TestFaults.
func TestBroken(t *testing.T) {
	name := os.Getenv(fault)
	if name == "" {
		t.Skip("TestFaults runs it")
	}
	b, memory := broken[name], &login.Memory{}
	store := b.store(memory)
	storetest.Run(t, func(*testing.T) any {
		if b.processes {
			return b.store(memory)
		}
		return store
	})
}

// TestFaults: the suite fails for each of these stores, in the test that is for this fault.
// The children wait for entries to expire most of the time, so eight of them run at once. On a
// busy machine a store that is wrong for 200 ms may be looked at too late, so it has five turns.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for more than a minute: make test runs it")
	}
	failures, turns := make(map[string]chan string, len(broken)), make(chan struct{}, 24)
	for name, b := range broken {
		failure := make(chan string, 1)
		failures[name] = failure
		go func() {
			turns <- struct{}{}
			out := accepted(name, b)
			for turn := 1; out != "" && turn < 5; turn++ {
				out = accepted(name, b)
			}
			failure <- out
			<-turns
		}()
	}
	for name, failure := range failures {
		if out := <-failure; out != "" {
			t.Errorf("%s: the suite accepts it:\n%s", name, out)
		}
	}
}

// accepted returns the output of the suite for a broken store, and "" if the suite fails.
func accepted(name string, b brokenStore) string {
	child := exec.Command(os.Args[0], "-test.run=^TestBroken$/"+b.test)
	child.Env = append(os.Environ(), fault+"="+name)
	out, err := child.CombinedOutput()
	if err != nil && bytes.Contains(out, []byte("--- FAIL: TestBroken"+strings.TrimSuffix("/"+b.test, "/"))) {
		return ""
	}
	return fmt.Sprintf("%v\n%s", err, out)
}

// A broken store, and the test of the suite that must fail for it.
type brokenStore struct {
	store func(*login.Memory) any
	test  string

	processes bool // each handle is a separate store on the same memory
}

var broken = map[string]brokenStore{
	"none of the interfaces":         {func(*login.Memory) any { return struct{}{} }, "", false},
	"values never expire":            {func(m *login.Memory) any { return forever{m} }, "load_and_save/expired", false},
	"values expire by the second":    {func(m *login.Memory) any { return wholeSeconds{m, down} }, "load_and_save/exact_time", false},
	"values expire a second late":    {func(m *login.Memory) any { return wholeSeconds{m, up} }, "load_and_save/exact_time", false},
	"used keys expire by the second": {func(m *login.Memory) any { return wholeSeconds{m, down} }, "replay/exact_time", false},
	"used keys expire late":          {func(m *login.Memory) any { return wholeSeconds{m, up} }, "replay/exact_time", false},
	"links expire by the second":     {func(m *login.Memory) any { return wholeSeconds{m, nearest} }, "index/exact_time", false},
	"leases end by the second":       {func(m *login.Memory) any { return wholeSeconds{m, down} }, "leases/exact_time", false},
	"the first time of a value":      {func(m *login.Memory) any { return &firstTime{Memory: m} }, "load_and_save/the_last_time_counts", false},
	"values are empty":               {func(m *login.Memory) any { return emptyIsNil{m} }, "load_and_save/empty", false},
	"values are cut":                 {func(m *login.Memory) any { return cut{m, 60 << 10} }, "load_and_save/64_KiB", false},
	"values are trimmed":             {func(m *login.Memory) any { return trimmed{m} }, "load_and_save/spaces", false},
	"values end at a zero byte":      {func(m *login.Memory) any { return zeroEnds{m} }, "load_and_save/zeros", false},
	"one slice for all":              {func(m *login.Memory) any { return &oneSlice{Memory: m} }, "load_and_save/one_slice_for_each_call", false},
	"the caller's slice":             {func(*login.Memory) any { return &aliased{} }, "load_and_save/caller's_slice", false},
	"keys ignore case":               {func(m *login.Memory) any { return keys{m, strings.ToLower} }, "load_and_save/keys_are_exact", false},
	"keys are cut":                   {func(m *login.Memory) any { return keys{m, func(k string) string { return k[:min(len(k), 128)] }} }, "load_and_save/keys_are_exact", false},
	"keys are trimmed":               {func(m *login.Memory) any { return keys{m, strings.TrimSpace} }, "load_and_save/keys_are_exact", false},
	"used keys ignore case":          {func(m *login.Memory) any { return keys{m, strings.ToLower} }, "replay/keys_are_exact", false},
	"sets ignore case":               {func(m *login.Memory) any { return keys{m, strings.ToLower} }, "index/keys_are_exact", false},
	"leases ignore case":             {func(m *login.Memory) any { return keys{m, strings.ToLower} }, "leases/keys_are_exact", false},
	"delete does nothing":            {func(m *login.Memory) any { return noDelete{m} }, "values/deleted", false},
	"delete takes a pattern":         {func(m *login.Memory) any { return patternDelete{m} }, "values/delete_is_exact", false},
	"values and leases collide":      {func(m *login.Memory) any { return oneSpace{m} }, "same_keys", false},
	"links are forgotten":            {func(m *login.Memory) any { return firstLinks{m, 1} }, "index/sets", false},
	"one page of links":              {func(m *login.Memory) any { return firstLinks{m, 1000} }, "index/parallel", false},
	"links are lost when repeated":   {func(m *login.Memory) any { return &toggled{Memory: m} }, "index/sets", false},
	"links cannot return":            {func(m *login.Memory) any { return &tombstone{Memory: m} }, "index/sets", false},
	"the last time of a link":        {func(m *login.Memory) any { return lastLink{m} }, "index/the_later_time_counts", false},
	"links are not extended":         {func(m *login.Memory) any { return &firstTime{Memory: m} }, "index/extended", false},
	"once is always true":            {func(m *login.Memory) any { return alwaysFirst{m} }, "replay/first", false},
	"once accepts the past":          {func(m *login.Memory) any { return pastOnce{m} }, "replay/a_time_that_has_passed", false},
	"once is checked, then written":  {func(m *login.Memory) any { return twoSteps{m} }, "replay/race", false},
	"once forgets at the second use": {func(m *login.Memory) any { return &lastOnce{until: map[string]time.Time{}, Memory: m} }, "replay/the_first_time_counts", false},
	"leases are shared":              {func(m *login.Memory) any { return sharedLease{m} }, "leases/one_holder", false},
	"leases have no owner":           {func(m *login.Memory) any { return &anyRelease{Memory: m} }, "leases/release_by_a_former_holder", false},
	"release needs the request":      {func(m *login.Memory) any { return requestRelease{m} }, "leases/release_after_the_request", false},
	"the context is ignored":         {func(m *login.Memory) any { return noContext{m} }, "load_and_save/ended_context", false},
	"the context of once is ignored": {func(m *login.Memory) any { return noContext{m} }, "replay/ended_context", false},
	"the context of an index":        {func(m *login.Memory) any { return noContext{m} }, "index/ended_context", false},
	"the context of a lease":         {func(m *login.Memory) any { return noContext{m} }, "leases/ended_context", false},
	"a log without its past":         {func(*login.Memory) any { return &memoryLog{onlyNew: true} }, "log/followed", false},
	"a log that is current too soon": {func(*login.Memory) any { return &memoryLog{early: true} }, "log/current", false},
	"a log that misses values":       {func(*login.Memory) any { return &memoryLog{skip: 7} }, "log/many_writers", false},
	"a log that is current for ever": {func(*login.Memory) any { return &memoryLog{skip: 2} }, "log/stays_current", false},
	"one log for all":                {func(*login.Memory) any { return &memoryLog{name: func(string) string { return "log" }} }, "log/separate", false},
	"logs ignore case":               {func(*login.Memory) any { return &memoryLog{name: strings.ToLower} }, "log/separate", false},
	"the caller's slice in a log":    {func(*login.Memory) any { return &memoryLog{alias: true} }, "log/values_are_exact", false},
	"a log that does not end":        {func(*login.Memory) any { return &memoryLog{endless: true} }, "log/ends", false},
	"the end of a longer value":      {func(m *login.Memory) any { return overwritten{m} }, "load_and_save/replaced_by_a_shorter_value", false},
	"what was read is kept":          {func(m *login.Memory) any { return &readCache{Memory: m} }, "load_and_save/replaced_at_another_process", true},
	"keys are made file names":       {func(m *login.Memory) any { return keys{m, fileNames} }, "load_and_save/punctuation", false},
	"deleted values are kept":        {func(m *login.Memory) any { return &readCache{Memory: m} }, "values/deleted_at_another_process", true},
	"deleted keys cannot return":     {func(m *login.Memory) any { return &graves{Memory: m} }, "values/saved_after_delete", false},
	"delete takes a beginning":       {func(m *login.Memory) any { return tidyDelete{m} }, "values/delete_is_exact", false},
	"a set that was read is kept":    {func(m *login.Memory) any { return &readCache{Memory: m} }, "index/removed_at_another_process", true},
	"sets and keys are joined":       {func(m *login.Memory) any { return joined{m, ":"} }, "index/separators", false},
	"expired links block new ones":   {func(m *login.Memory) any { return &unswept{Memory: m} }, "index/added_after_it_expired", false},
	"a hundred keys are remembered":  {func(m *login.Memory) any { return &lastKeys{Memory: m} }, "replay/many_keys", false},
	"each process remembers alone":   {func(*login.Memory) any { return ownKeys{&login.Memory{}} }, "replay/first", true},
	"used keys are never forgotten":  {func(m *login.Memory) any { return &neverAgain{Memory: m} }, "replay/expired", false},
	"the holder is a process":        {func(m *login.Memory) any { return &ownLease{Memory: m, mine: map[string]func(){}} }, "leases/release_of_an_earlier_lease", true},
	"asking extends a lease":         {func(m *login.Memory) any { return &waiting{Memory: m, until: map[string]time.Time{}} }, "leases/a_second_request_does_not_extend_a_lease", false},
	"one lease for each process":     {func(m *login.Memory) any { return &oneLease{Memory: m} }, "leases/many_leases", true},
	"current is called rarely":       {func(*login.Memory) any { return &memoryLog{rarely: true} }, "log/often_current", false},
	"a page of the past":             {func(*login.Memory) any { return &memoryLog{most: 100} }, "log/many_writers", false},
	"a log that expires as a whole":  {func(*login.Memory) any { return &memoryLog{whole: true} }, "log/each_value_has_its_time", false},
}
