package sds

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/causeway-im/causeway/sds/wire"
)

// What a channel has no use for any more must not live on in its queues and
// scratch memory: content that was delivered, and messages that left the window.
// A long run of a group in virtual time found these.

func collected[T any](p weak.Pointer[T]) bool {
	runtime.GC()
	runtime.GC()
	return p.Value() == nil
}

// empty takes out what the last Ready, and the one before, still hold.
func empty(c *Channel) {
	for range 3 {
		drain(c)
	}
}

func TestDeliveredContentIsFreed(t *testing.T) {
	me := testChannel(t, LIP, nil)
	parent := lip("bob", uint64(testStart), "parent")
	content := func() weak.Pointer[byte] {
		child := lip("carol", uint64(testStart)+1, strings.Repeat("x", 1000), parent.MessageID)
		receive(t, me, testStart, child)
		return weak.Make(&child.Content[0])
	}()
	if empty(me); collected(content) || me.Sizes().Parked != 1 {
		t.Fatal("content that waits was freed")
	}
	receive(t, me, testStart, parent)
	if empty(me); !collected(content) || me.Sizes().Parked != 0 {
		t.Errorf("delivered content lives on, %d parked", me.Sizes().Parked)
	}
	runtime.KeepAlive(me)
}

// leave has so many messages push what was before out of the window.
func leave(t *testing.T, c *Channel, now Time, n int, parent MessageID) (last MessageID) {
	t.Helper()
	for i := range n {
		m := lip("dave", uint64(now)+uint64(i), fmt.Sprint("later", i), parent)
		receive(t, c, now, m)
		parent = m.MessageID
	}
	return parent
}

func TestWhatAWalkSawIsFreed(t *testing.T) {
	me := testChannel(t, LIP, func(c *Config) { c.Window = 100 })
	log := chain(t, me, "author", 60)
	now := calmly(me)
	say(t, me, now, "hello", SendOptions{}) // its sender compares claims
	e := wire.Extension{HasFingerprint: true, Fingerprint: 1}
	receive(t, me, now, saying("bob", now, e, log[0].MessageID)) // everything else is no ancestor
	if len(me.others) < 59 {
		t.Fatalf("the walk saw %d messages", len(me.others))
	}
	old := weak.Make(me.nodes[log[50].MessageID])
	now = now.Add(time.Second)
	last := leave(t, me, now, 200, log[59].MessageID)
	receive(t, me, now, saying("bob", now, e, last)) // another walk, a short one
	if empty(me); me.Has(log[50].MessageID) || !collected(old) {
		t.Error("a message that left the window lives on")
	}
	runtime.KeepAlive(me)
}

func TestWhatWasGivenUpHoldsNothing(t *testing.T) {
	me := testChannel(t, LIP, func(c *Config) { c.Window, c.GapAfter, c.LostAfter = 100, time.Second, time.Minute })
	m := lip("carol", uint64(testStart), "depends on what nobody has", invented(0, 1)...)
	receive(t, me, testStart, m)
	now := testStart.Add(2 * time.Second)
	me.Tick(now)
	if empty(me); !me.Has(m.MessageID) || me.Sizes().Skipped != 1 {
		t.Fatal("it was not delivered with a gap")
	}
	old := weak.Make(me.nodes[m.MessageID])
	for now = now.Add(time.Second); me.Sizes().Lost == 0; now = now.Add(time.Second) {
		me.Tick(now)
	}
	leave(t, me, now, 200, m.MessageID)
	if empty(me); me.Has(m.MessageID) || !collected(old) {
		t.Error("a message that left the window lives on")
	}
	runtime.KeepAlive(me)
}
