//go:build go1.25

package causeway_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/transport/loopback"
)

// stacks are the goroutines that run code of the node.
func stacks() string {
	buffer := make([]byte, 1<<20)
	buffer = buffer[:runtime.Stack(buffer, true)]
	var ours []string
	for g := range strings.SplitSeq(string(buffer), "\n\n") {
		if strings.Contains(g, "causeway-im/causeway.") {
			ours = append(ours, g)
		}
	}
	return strings.Join(ours, "\n\n")
}

// "It returns when nothing of the node runs any more."
func TestCloseLeavesNothing(t *testing.T) {
	if before := lastSteps(); before != "" {
		t.Fatalf("another test left\n%s", before)
	}
	w := newWorld(t, loopback.Options{Seed: 1, Loss: 0.2, MinDelay: time.Millisecond, MaxDelay: 3 * time.Millisecond,
		Store: &loopback.StoreOptions{FailEvery: 3, QueryDelay: time.Millisecond}}, "alice", "bob", "carol")
	nodes := []*causeway.Node{}
	for _, name := range []string{"alice", "bob", "carol"} {
		m := w.start(name)
		nodes = append(nodes, m.node)
		for _, text := range lines(20) {
			m.send(text)
		}
		for _, err := range m.node.Events(t.Context(), 0) {
			check(t, err)
			break
		}
	}
	check(t, nodes[2].Suspend(t.Context()))
	for _, node := range nodes {
		check(t, node.Close())
	}
	if left := lastSteps(); left != "" {
		t.Errorf("left running:\n%s", left)
	}
}

// lastSteps returns what of a node is left running. Of one that was closed nothing is,
// but for goroutines that are on their last step: they are waited for.
func lastSteps() (left string) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); runtime.Gosched() {
		if left = stacks(); left == "" {
			break
		}
	}
	return left
}
