//go:build go1.25

package causeway_test

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/seal"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// keyed makes a member seal with a secret, around messages or around content.
func keyed(t *testing.T, secret byte, content bool) func(*member) {
	return func(m *member) {
		keys, err := seal.New(bytes.Repeat([]byte{secret}, seal.SecretSize))
		check(t, err)
		m.config.Sealer, m.config.Profile.SealContent = keys, content
		m.config.Profile.SegmentSize = 1024
	}
}

// Members with the secret have the same log, restarts and losses included; others
// read nothing; and who sits on the line reads the SDS message only where content
// alone is sealed.
func TestReferenceSeal(t *testing.T) {
	for _, content := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, loopback.Options{Seed: 5, Loss: 0.2}, "alice", "bob", "carol")
			alice, bob, carol := w.start("alice", keyed(t, 1, content)), w.start("bob", keyed(t, 1, content)), w.start("carol", keyed(t, 2, content))
			var readable, hidden int
			w.network.SetFilter(func(from, to string, e transport.Envelope) bool {
				if bytes.Contains(e.Payload, []byte("who wants tea")) {
					t.Error("plain text on the line")
				}
				if _, err := wire.Decode(e.Payload); err == nil {
					readable++
				} else {
					hidden++
				}
				return false
			})
			large := bytes.Repeat([]byte("who wants tea? "), 500)
			want := []string{"who wants tea?", string(large), "bob too"}
			alice.send(want[0])
			_, err := alice.ch.Send(t.Context(), []byte("typing"), causeway.SendOptions{Ephemeral: true})
			check(t, err)
			alice.send(want[1])
			until(t, 10*time.Minute, "bob has both", func() bool { return len(bob.log(true)) == 2 })
			bob.restart()
			bob.send(want[2])
			until(t, 10*time.Minute, "all logs are equal", func() bool { return alice.digest() == bob.digest() && len(alice.log(true)) == 3 })
			alice.restart()
			equal(t, "alice's log", alice.log(false), want)
			equal(t, "bob's log", bob.log(false), want)
			if n := len(carol.log(true)); n != 0 {
				t.Errorf("carol reads %d messages", n)
			}
			synctest.Wait()
			if content && (readable == 0 || hidden > 0) || !content && (readable > 0 || hidden == 0) {
				t.Errorf("sealed content %v: %d packets are SDS messages, %d are not", content, readable, hidden)
			}
			for _, e := range carol.events() {
				if e.Kind == causeway.EventTampered {
					t.Error("what is for others counts as tampered with")
				}
			}
			m := carol.node.Metrics()
			gaps, err := carol.ch.Gaps(t.Context(), "", 100)
			check(t, err)
			notForMe := slices.ContainsFunc(gaps, func(g causeway.Gap) bool { return g.State == causeway.GapNotForMe })
			if m.NotForMe == 0 || m.Tampered > 0 || notForMe && !content {
				t.Errorf("carol: %d not for her, %d tampered with, gaps %+v", m.NotForMe, m.Tampered, gaps)
			}
			// What somebody named that she has not seen yet may be for her.
			until(t, 10*time.Minute, "carol waits for nothing", func() bool { st := carol.status(); return st.Missing == 0 && st.Waiting == 0 })
			var contents []string
			for _, e := range bob.events() {
				if e.Message != nil && e.Message.Ephemeral {
					contents = append(contents, string(e.Message.Content))
				}
			}
			if len(contents) > 0 && contents[0] != "typing" {
				t.Errorf("ephemeral: %q", contents)
			}
		})
	}
}

// Packets that were tampered with are told of once at once, and then together.
func TestTamperedEvents(t *testing.T) {
	for _, content := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, loopback.Options{Seed: 5}, "alice", "bob")
			alice, bob := w.start("alice", keyed(t, 1, content)), w.start("bob", keyed(t, 1, content))
			var last []byte
			w.network.SetFilter(func(from, to string, e transport.Envelope) bool {
				if from == "alice" && (!content || isContent(e)) {
					last = bytes.Clone(e.Payload)
				}
				return false
			})
			alice.send("hello")
			synctest.Wait()
			inject := w.intruder()
			if content { // the SDS message still decodes
				m, err := wire.Decode(last)
				check(t, err)
				m.Content = bytes.Clone(m.Content)
				m.Content[len(m.Content)-1] ^= 1
				last = m.Encode()
			} else {
				last[len(last)-1] ^= 1
			}
			for range 500 {
				inject(last)
			}
			synctest.Wait()
			count := func() (counts []int) {
				for _, e := range bob.events() {
					if e.Kind == causeway.EventTampered {
						counts = append(counts, e.Tampered)
					}
				}
				return counts
			}
			if got := count(); len(got) != 1 || got[0] < 1 {
				t.Errorf("content %v: at once %v", content, got)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			got := count()
			if len(got) != 2 || got[0]+got[1] != 500 {
				t.Errorf("content %v: after a minute %v", content, got)
			}
			equal(t, "bob's log", bob.log(true), []string{"hello"})
		})
	}
}

func isContent(e transport.Envelope) bool {
	m := decoded(e)
	return m.Kind() == wire.Content
}
