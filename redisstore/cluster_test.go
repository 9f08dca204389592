package redisstore_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/countersign/countersign/internal/redistest"
	"github.com/countersign/countersign/redisstore"
)

// nodes are the servers of a cluster, each with a third of the slots.
type nodes struct {
	servers []*redistest.Server
	admins  []*redis.Client
	ids     []string
}

func (n *nodes) start(t *testing.T) int {
	t.Helper()
	server := redistest.Start(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
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

func startNodes(t *testing.T) *nodes {
	t.Helper()
	n := &nodes{}
	for _, slots := range [][2]int{{0, 5460}, {5461, 10922}, {10923, 16383}} {
		n.do(t, n.start(t), "CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1])
	}
	return n
}

// open makes a store that knows one node by its address, and the others from that one. Of
// changes it has to learn by itself, before a dead node has been tried for long.
func (n *nodes) open(t *testing.T) *redisstore.Store {
	t.Helper()
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{n.servers[0].Addr}, ContextTimeoutEnabled: true, ClusterStateReloadInterval: time.Hour})
	t.Cleanup(func() { c.Close() })
	return open(t, n.servers[0], func(config *redisstore.Config) {
		config.URL, config.Client, config.Timeout = "", c, 500*time.Millisecond
	})
}

// everywhere does something under many names, some of which are at each node.
func everywhere(t *testing.T, do func(context.Context, *redisstore.Store, string) error, s *redisstore.Store) {
	t.Helper()
	for i := range 60 {
		key := fmt.Sprint("key ", i)
		inTime(t, func() error { return do(t.Context(), s, key) })
	}
}

// TestCluster: of three nodes each has something, what one store wrote the others read,
// and slots that move to another node take it with them.
func TestCluster(t *testing.T) {
	n := startNodes(t)
	s := n.open(t)
	inTime(t, func() error { return s.Save(t.Context(), "x", nil, soon()) }) // it takes a moment to call itself ready
	wantAll(t, s)
	everywhere(t, remember, s)
	for i, admin := range n.admins {
		if size := admin.DBSize(t.Context()).Val(); size < 20 {
			t.Errorf("node %d has %d keys", i, size)
		}
	}
	everywhere(t, remembers, n.open(t))
	for slot := range 50 {
		n.move(t, slot)
	}
	everywhere(t, remembers, s)
}

// move gives a slot of the first node to the second, and stops for a look in the middle.
func (n *nodes) move(t *testing.T, slot int) {
	n.do(t, 1, "CLUSTER", "SETSLOT", slot, "IMPORTING", n.ids[0])
	n.do(t, 0, "CLUSTER", "SETSLOT", slot, "MIGRATING", n.ids[1])
	keys, err := n.admins[0].ClusterGetKeysInSlot(t.Context(), slot, 100).Result()
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(n.servers[1].Addr)
	for _, key := range keys {
		n.do(t, 0, "MIGRATE", host, port, key, 0, 1000)
	}
	n.do(t, 1, "CLUSTER", "SETSLOT", slot, "NODE", n.ids[1])
	n.do(t, 0, "CLUSTER", "SETSLOT", slot, "NODE", n.ids[1])
}

// TestClusterNodeLost: while a node is lost nothing is taken for what it is not, and a
// readiness check says so; its replica takes over with what had reached it.
func TestClusterNodeLost(t *testing.T) {
	n := startNodes(t)
	replica := n.start(t)
	eventually(t, func() bool {
		return n.admins[replica].Do(t.Context(), "CLUSTER", "REPLICATE", n.ids[2]).Err() == nil
	})
	s := n.open(t)
	inTime(t, func() error { return s.Save(t.Context(), "x", nil, soon()) })
	everywhere(t, remember, s)
	eventually(t, func() bool {
		c, err := n.admins[2].Wait(t.Context(), 1, time.Second).Result()
		return c == 1 && err == nil
	})
	n.servers[2].Kill()
	everywhere(t, remembers, s)
	n.servers[replica].Kill()
	eventually(t, func() bool { return temporary(s.Ping(t.Context())) })
	for i := range 3 {
		if err := remembers(t.Context(), s, fmt.Sprint("key ", i)); !temporary(err) {
			t.Errorf("without a third of the slots: %v", err)
		}
	}
	for _, server := range n.servers[:2] {
		server.Kill()
	}
	if err := s.Ping(t.Context()); !temporary(err) {
		t.Errorf("without a node: %v", err)
	}
}
