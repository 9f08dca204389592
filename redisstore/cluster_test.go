package redisstore_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/countersign/countersign/internal/redistest"
	"github.com/countersign/countersign/redisstore"
)

// nodes are the servers of a cluster. Each has a third of the slots.
type nodes struct {
	servers []*redistest.Server
	admins  []*redis.Client
	ids     []string
}

// start starts a node. timeout is the time without an answer after which the others call it lost.
// A replica replaces its primary without a limit for the age of its data.
func (n *nodes) start(t *testing.T, timeout time.Duration) int {
	t.Helper()
	server := redistest.Start(t, "--cluster-enabled", "yes", "--cluster-node-timeout", fmt.Sprint(timeout.Milliseconds()), "--cluster-replica-validity-factor", "0")
	admin := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { admin.Close() })
	id, err := admin.Do(t.Context(), "CLUSTER", "MYID").Text()
	if err != nil {
		t.Fatal(err)
	}
	n.servers, n.admins, n.ids = append(n.servers, server), append(n.admins, admin), append(n.ids, id)
	if host, port, _ := net.SplitHostPort(server.Addr); len(n.servers) > 1 {
		n.do(t, 0, "CLUSTER", "MEET", host, port)
	}
	return len(n.servers) - 1
}

func (n *nodes) do(t *testing.T, node int, args ...any) {
	t.Helper()
	if err := n.admins[node].Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(args, err)
	}
}

func startNodes(t *testing.T, timeout time.Duration) *nodes {
	t.Helper()
	n := &nodes{}
	for _, slots := range [][2]int{{0, 5460}, {5461, 10922}, {10923, 16383}} {
		n.do(t, n.start(t, timeout), "CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1])
	}
	n.wait(t, len(n.admins))
	return n
}

// wait waits until each node knows that many nodes, and all slots are served. Until then a node
// rejects commands.
func (n *nodes) wait(t *testing.T, known int) {
	t.Helper()
	for _, admin := range n.admins {
		eventually(t, func() bool {
			info, err := admin.ClusterInfo(t.Context()).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r", known))
		})
	}
}

// open makes a store that has the address of one node, and learns the others from it. It must
// learn of changes itself, without waiting long for a lost node.
func (n *nodes) open(t *testing.T, timeout time.Duration) *redisstore.Store {
	t.Helper()
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{n.servers[0].Addr}, ContextTimeoutEnabled: true, ClusterStateReloadInterval: time.Hour})
	t.Cleanup(func() { c.Close() })
	return open(t, n.servers[0], func(config *redisstore.Config) {
		config.URL, config.Client, config.Timeout = "", c, timeout
	})
}

// names are keys that are spread over all nodes.
func names() (all []string) {
	for i := range 60 {
		all = append(all, fmt.Sprint("key ", i))
	}
	return all
}

// wantEverywhere fails the test if a value of rememberEverywhere is missing.
func wantEverywhere(t *testing.T, s *redisstore.Store) {
	t.Helper()
	for _, key := range names() {
		inTime(t, func() error { return remembers(t.Context(), s, key) })
	}
}

// rememberEverywhere stores a value of every kind under each name. It repeats a call that fails
// for a moment. The repetition may find the first call's result.
func rememberEverywhere(t *testing.T, s *redisstore.Store) {
	t.Helper()
	ctx := t.Context()
	for _, key := range names() {
		firstInTime(t, func() (bool, error) { return s.Once(ctx, key, soon()) })
		firstInTime(t, func() (bool, error) { _, held, err := s.Acquire(ctx, key, long); return held, err })
		inTime(t, func() error { return s.Save(ctx, key, []byte(secretValue), soon()) })
		inTime(t, func() error { return s.Link(ctx, key, "x", soon()) })
	}
}

func firstInTime(t *testing.T, call func() (bool, error)) {
	t.Helper()
	failed := false
	inTime(t, func() error {
		yes, err := call()
		if err == nil && !yes && !failed {
			t.Error("another call was the first")
		}
		failed = failed || err != nil
		return err
	})
}

// TestCluster: each of three nodes has values. Other stores read what one store wrote. A slot
// that moves to another node keeps its values.
func TestCluster(t *testing.T) {
	t.Parallel()
	n := startNodes(t, time.Minute) // no node is lost
	s := n.open(t, 5*time.Second)
	wantAll(t, s)
	rememberEverywhere(t, s)
	for i, admin := range n.admins {
		if size := admin.DBSize(t.Context()).Val(); size < 20 {
			t.Errorf("node %d has %d keys", i, size)
		}
	}
	wantEverywhere(t, n.open(t, 5*time.Second))
	for slot := range 50 {
		n.move(t, slot)
	}
	wantEverywhere(t, s)
}

// move moves a slot of the first node to the second, and calls a function half way.
func (n *nodes) move(t *testing.T, slot int) {
	n.do(t, 1, "CLUSTER", "SETSLOT", slot, "IMPORTING", n.ids[0])
	n.do(t, 0, "CLUSTER", "SETSLOT", slot, "MIGRATING", n.ids[1])
	keys, err := n.admins[0].ClusterGetKeysInSlot(t.Context(), slot, 100).Result()
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(n.servers[1].Addr)
	for _, key := range keys {
		n.do(t, 0, "MIGRATE", host, port, key, 0, 60_000)
	}
	n.do(t, 1, "CLUSTER", "SETSLOT", slot, "NODE", n.ids[1])
	n.do(t, 0, "CLUSTER", "SETSLOT", slot, "NODE", n.ids[1])
}

// TestClusterNodeLost: while a node is lost, no call returns a wrong result, and the readiness
// check fails. Its replica continues with the values that it has.
func TestClusterNodeLost(t *testing.T) {
	t.Parallel()
	const timeout = 5 * time.Second
	n := startNodes(t, timeout)
	replica := n.start(t, timeout)
	n.wait(t, 4)
	n.do(t, replica, "CLUSTER", "REPLICATE", n.ids[2])
	s, hurried := n.open(t, 5*time.Second), n.open(t, 300*time.Millisecond)
	rememberEverywhere(t, s)
	inTime(t, func() error { return remembers(t.Context(), hurried, names()[0]) })
	eventually(t, func() bool {
		c, err := n.admins[2].Wait(t.Context(), 1, time.Second).Result()
		return c == 1 && err == nil
	})
	n.servers[2].Kill()
	wantEverywhere(t, s)
	n.servers[replica].Kill()
	eventually(t, func() bool { return temporary(hurried.Ping(t.Context())) })
	for i := range 3 { // the other nodes notice it in their time
		eventually(t, func() bool {
			err := remembers(t.Context(), hurried, fmt.Sprint("key ", i))
			if err != nil && !temporary(err) {
				t.Fatal("without a third of the slots:", err)
			}
			return err != nil
		})
	}
	for _, server := range n.servers[:2] {
		server.Kill()
	}
	if err := hurried.Ping(t.Context()); !temporary(err) {
		t.Errorf("without a node: %v", err)
	}
}
