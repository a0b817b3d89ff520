package causeway

import (
	"fmt"
	"testing"

	"github.com/causeway-im/causeway/segment"
)

// Who sends one payload over and over costs no more than who sends many: spec R144.
func TestCopiesAreBounded(t *testing.T) {
	var s assemblies
	s.init()
	parts, err := segment.Split(make([]byte, 300), segment.Config{SegmentSize: 320})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * maxAssemblies {
		for k, part := range parts {
			x, err := segment.Decode(part, segment.Config{SegmentSize: 320})
			if err != nil {
				t.Fatal(err)
			}
			a, _ := s.arrived(MessageID(fmt.Sprint(i, ".", k)), "eve", &x)
			if a != nil && a.id != "" {
				a.position, a.done = Position(i+1), true
			}
		}
	}
	if n := len(s.slots); n > maxAssemblies {
		t.Errorf("%d are kept, of at most %d", n, maxAssemblies)
	}
}

// Nothing of an own payload that everybody has stays in memory.
func TestFinishedPayloadIsForgotten(t *testing.T) {
	s := &session{Channel: &Channel{cfg: ChannelConfig{Channel: "tea", Participant: "alice"}}}
	s.assemblies.init()
	a := &assembly{own: true, data: 2, parts: map[int]MessageID{0: "m0", 1: "m1"}, position: 2}
	a.name.sender = "alice"
	a.complete()
	s.assemblies.own(a, Everyone)
	j := &job{s: s}
	j.keepPayloads(&loop{})
	for _, id := range []MessageID{"m0", "m1"} {
		a.tally.add(id, SeenByAll, 1, []PersonID{"bob"}, false, false)
	}
	s.assemblies.touch(a)
	j = &job{s: s}
	j.keepPayloads(&loop{})
	if slots, parts := len(s.assemblies.slots), len(s.assemblies.byPart); slots+parts > 0 {
		t.Errorf("%d are followed, with %d parts", slots, parts)
	}
	if _, ok := j.values[slotKey("tea", 1)]; !ok || j.values[slotKey("tea", 1)] != nil {
		t.Error("the store keeps it")
	}
}
