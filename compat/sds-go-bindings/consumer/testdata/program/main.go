// Command consumer has the shape of status-go: payloads are wrapped, encrypted,
// segmented and published; some envelopes are lost; what arrives is reassembled,
// decrypted and unwrapped; what is missing is fetched from a store by the hints of
// its sender. It ends with status 1 unless everybody got everything.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
)

const channel = "0x02community"

// member is one client.
type member struct {
	name      string
	net       *network
	sds       *reliability
	parts     reassembler
	envelopes map[string][]string // SDS id → hashes
	delivered map[string]bool     // own SDS ids
	shown     map[string]int      // hash of content → times
	fetching  [][]byte
	others    int // payloads that are no SDS messages
}

func join(n *network, name string) *member {
	m := &member{name: name, net: n, sds: newReliability(),
		parts:     reassembler{map[string]map[int][]byte{}, map[string]bool{}},
		envelopes: map[string][]string{}, delivered: map[string]bool{}, shown: map[string]int{}}
	m.sds.hint = func(id string) []byte { return encodeHint(m.envelopes[id]) }
	m.sds.sent = func(id string) { m.delivered[id] = true }
	m.sds.missing = func(hints [][]byte) { m.fetching = append(m.fetching, hints...) }
	check(m.sds.start())
	n.members = append(n.members, m)
	return m
}

func idOf(payload []byte) string {
	sum := sha256.Sum256(payload)
	return "0x" + hex.EncodeToString(sum[:])
}

func (m *member) send(number int, payload []byte) (id string) {
	id = idOf(payload)
	wrapped, err := m.sds.wrap(payload, id, channel)
	check(err)
	m.envelopes[id] = m.net.publish(m, number, segments(seal(wrapped)))
	return id
}

func (m *member) receive(envelope []byte) {
	sealed := m.parts.add(envelope)
	if sealed == nil {
		return
	}
	plain, err := unseal(sealed)
	check(err)
	content, isSDS, err := m.sds.unwrap(plain)
	check(err)
	if !isSDS {
		m.others++
	}
	m.shown[idOf(content)]++
}

// recover fetches what was reported missing, until nothing is.
func (m *member) recover() (fetched int) {
	for len(m.fetching) > 0 {
		hash := m.fetching[0]
		m.fetching = m.fetching[1:]
		if e := m.net.fetch(hash); e != nil {
			m.receive(e)
			fetched++
		}
	}
	return fetched
}

func main() {
	n := &network{store: map[string][]byte{}}
	alice, bob, carol := join(n, "alice"), join(n, "bob"), join(n, "carol")
	// Bob is away for messages 5 to 12, and loses the second segment of all others;
	// carol loses everything of each seventh.
	n.loses = func(to *member, message, segment int) bool {
		switch to {
		case bob:
			return message >= 5 && message <= 12 || segment == 1
		case carol:
			return message%7 == 3
		}
		return false
	}
	var all []string
	authors := map[string]*member{}
	for i := range 40 {
		from := []*member{alice, alice, carol}[i%3]
		payload := fmt.Appendf(nil, "message %d of %s", i, from.name)
		if i%10 == 5 {
			payload = append(payload, bytes.Repeat([]byte{byte(i)}, 350<<10)...) // four segments
		}
		id := from.send(i, payload)
		all = append(all, id)
		authors[id] = from
	}
	fetched := 0
	for range 20 { // what was fetched may name more
		fetched += bob.recover() + carol.recover() + alice.recover()
	}
	// Bob answers: all that he names is delivered.
	last := bob.send(100, []byte("bob has it all"))
	n.loses = func(*member, int, int) bool { return false }

	// Payloads that are no SDS messages pass through, and what is too large.
	for _, payload := range [][]byte{[]byte("plain text"), {0x0a, 0x2a, 0x08, 0x01}, {}} {
		got, isSDS, err := alice.sds.unwrap(payload)
		check(err)
		expect(!isSDS && bytes.Equal(got, payload), "%x passes through", payload)
	}
	large := bytes.Repeat([]byte("x"), 1<<20+1)
	wrapped, err := alice.sds.wrap(large, idOf(large), channel)
	check(err)
	expect(bytes.Equal(wrapped, large), "a message above 1 MiB goes out as it is")

	// Hints that are none are passed over.
	for _, hint := range [][]byte{nil, {}, {1}, {10, 5, 'x'}, []byte("no hint")} {
		expect(len(decodeHint(hint)) == 0, "no hint in %x", hint)
	}

	for _, m := range []*member{alice, bob, carol} {
		for i, id := range all {
			times := m.shown[id]
			expect(authors[id] == m && times == 0 || authors[id] != m && times == 1, "%s shows message %d %d times", m.name, i, times)
		}
	}
	expect(alice.shown[last] == 1 && carol.shown[last] == 1, "bob's answer arrived")
	expect(alice.others+bob.others+carol.others == 0, "every payload was an SDS message")
	expect(fetched > 8, "%d envelopes were fetched", fetched)
	for i, id := range all[:36] { // the last ones are named by whoever writes next
		expect(authors[id].delivered[id], "message %d is delivered", i)
	}

	// Close and start: a fresh manager, and calls between are errors.
	check(bob.sds.close())
	_, _, err = bob.sds.unwrap([]byte("x"))
	expect(err == errUnavailable, "closed")
	check(bob.sds.start())
	alice.send(200, []byte("welcome back"))
	expect(bob.shown[idOf([]byte("welcome back"))] == 1, "bob is back")
	for _, m := range n.members {
		check(m.sds.close())
	}
	fmt.Printf("OK: %d messages at 3 members, %d envelopes fetched by hint\n", len(all)+2, fetched)
}

func check(err error) { expect(err == nil, "no error: %v", err) }

func expect(holds bool, format string, args ...any) {
	if !holds {
		fmt.Printf("FAILED: "+format+"\n", args...)
		os.Exit(1)
	}
}
