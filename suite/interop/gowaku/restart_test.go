package gowaku

import (
	"testing"

	"github.com/causeway-im/causeway/suite/waku"
)

// TestKill: a go-waku relay is killed with kill -9 and comes back as the same, in
// another process. go-waku would not dial again; we do.
func TestKill(t *testing.T) {
	need(t)
	n, c := pair(t, waku.Options{})
	got := listen(t, n, topic)
	wants(t, got, "before", c.publish(note("before")))
	again := c.again()
	c.kill()
	await(t, n, "the end", func(h waku.Health) bool { return !h.Online && !h.Peers[0].Connected })
	back := launch(t, again)
	if back.ID != c.ID {
		t.Error("another identity")
	}
	await(t, n, "a mesh", meshed(1))
	back.grafted(n)
	wants(t, got, "after", back.publish(note("after")))
	hint := publish(t, n, "welcome back")
	back.message("relay") // its own
	back.wants("relay", "welcome back", hint)
}
