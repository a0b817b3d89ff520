package causeway

import (
	"fmt"
	"testing"

	"github.com/causeway-im/causeway/sds"
)

// Own payloads are followed up to a bound, the newest. A part of one that is not
// says nothing any more: its receipt would pass for that of the payload.
func TestOwnPayloadsAreBounded(t *testing.T) {
	s := &session{Channel: &Channel{cfg: ChannelConfig{Channel: "tea"}}}
	s.assemblies.init()
	part := func(i, k int) MessageID { return MessageID(fmt.Sprint(i, ".", k)) }
	for i := range maxOwn + 10 {
		a := &assembly{own: true, data: 2, parts: map[int]MessageID{0: part(i, 0), 1: part(i, 1)}}
		a.complete()
		s.assemblies.own(a, AtLeastOne)
	}
	if n, k := len(s.assemblies.slots), len(s.assemblies.byPart); n != maxOwn || k != 2*maxOwn {
		t.Errorf("%d are followed, with %d parts", n, k)
	}
	if s.assemblies.byPart[part(9, 1)] != nil || s.assemblies.byPart[part(10, 1)] == nil {
		t.Error("not the oldest went")
	}
	j := &job{s: s, ready: sds.Ready{Receipts: []sds.Receipt{{ID: part(0, 1), Part: true, Level: SeenByAll, Persons: []PersonID{"bob"}}}}}
	j.receipts(&loop{})
	if len(j.events)+len(j.batch.Transitions) != 0 {
		t.Errorf("it was told: %+v, %+v", j.events, j.batch.Transitions)
	}
	j.ready.Receipts[0].Part = false
	if j.receipts(&loop{}); len(j.events) != 1 || len(j.batch.Transitions) != 1 {
		t.Error("a message of its own is told of")
	}
}
