package telemetry

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/causeway-im/causeway/telemetry/report"
)

// kept are events of all kinds, as a device told them.
func kept(t testing.TB) []report.Event {
	t.Helper()
	text, err := os.ReadFile("testdata/upload-0.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	var u report.Upload
	if err := json.Unmarshal(text, &u); err != nil || len(u.Events) != 38 {
		t.Fatalf("%d events, %v", len(u.Events), err)
	}
	for i := range u.Events {
		u.Events[i].Seq = 0
	}
	return u.Events
}

// rowsOf writes events as the journal does.
func rowsOf(events []report.Event) (rows [][]byte) {
	for len(events) > 0 {
		n := rowOf(events)
		rows, events = append(rows, appendRow(nil, events[:n], int64(len(rows)))), events[n:]
	}
	return rows
}

// Devices have rows as they are in testdata: they stay readable. Who changes the format
// begins rows with another version, and keeps reading these.
func TestRowsStayReadable(t *testing.T) {
	text, err := os.ReadFile("testdata/rows-1.hex")
	if err != nil {
		t.Fatal(err)
	}
	want, lines := kept(t), strings.Fields(string(text))
	for i, b := range rowsOf(want) {
		if i >= len(lines) || lines[i] != hex.EncodeToString(b) {
			t.Errorf("row %d is written as %x", i, b)
		}
	}
	var got []report.Event
	for i, line := range lines {
		b, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		r, err := readRow(b)
		if err != nil || r.claim != int64(i) || eventsIn(b) != len(r.events) {
			t.Errorf("row %d: claim %d, %d events, %v", i, r.claim, len(r.events), err)
		}
		got = append(got, r.events...)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// Whatever an event says, the row says it.
func TestRowsSayTheSame(t *testing.T) {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "", "M4gTq6V6tDGEtGZ5nCwsQA", "svMcglexHuB6YfMkxPoMug", "M4gTq6V6tDGEtGZ5nCwsQB",
		"M4gTq6V6tDGEtGZ5nCwsQ\n", strings.Repeat("x", 300), "\xff\x00"}), rapid.String())
	word := rapid.OneOf(rapid.SampledFrom(append([]string{""}, words[:]...)), rapid.String())
	number := rapid.OneOf(rapid.SampledFrom([]int64{0, 0, 1, -1, 1_700_000_000_000, math.MaxInt64, math.MinInt64}), rapid.Int64())
	event := rapid.Custom(func(t *rapid.T) (e report.Event) {
		for _, s := range []*string{&e.Community, &e.Channel, &e.Topic, &e.Pubsub, &e.Message, &e.Member, &e.Envelope} {
			*s = text.Draw(t, "text")
		}
		e.Kind, e.Class, e.Path, e.State = report.Kind(word.Draw(t, "kind")), report.Class(word.Draw(t, "class")), report.Path(word.Draw(t, "path")), report.State(word.Draw(t, "state"))
		e.Answer, e.Code = word.Draw(t, "answer"), word.Draw(t, "code")
		e.At, e.Sent = number.Draw(t, "at"), number.Draw(t, "sent")
		for _, n := range []*int{&e.Size, &e.Audience, &e.Count, &e.Attempt} {
			*n = int(number.Draw(t, "number"))
		}
		if e.Joined = rapid.Bool().Draw(t, "joined"); rapid.Bool().Draw(t, "has bytes") {
			e.Bytes = rapid.MapOfN(word, number, 1, 4).Draw(t, "bytes")
		}
		return e
	})
	rapid.Check(t, func(t *rapid.T) {
		events, claim := rapid.SliceOfN(event, 1, maxRow).Draw(t, "events"), number.Draw(t, "claim")
		b := appendRow([]byte("before"), events, claim)
		r, err := readRow(bytes.TrimPrefix(b, []byte("before")))
		if err != nil || r.claim != claim || !reflect.DeepEqual(r.events, events) {
			t.Fatalf("%v, claim %d\ngot  %+v\nwant %+v", err, r.claim, r.events, events)
		}
	})
}

// A row in the place of many is small: that is what it is for.
func TestRowsAreSmall(t *testing.T) {
	events := kept(t)
	before, alone, now := 0, 0, 0
	for i := range events {
		text, err := json.Marshal(&events[i])
		if err != nil {
			t.Fatal(err)
		}
		before, alone = before+len(text), alone+len(appendRow(nil, events[i:i+1], 0))
	}
	for _, b := range rowsOf(events) {
		now += len(b)
	}
	t.Logf("%d events: %d bytes, in rows of one %d, in JSON %d", len(events), now, alone, before)
	if now*4 > before || alone*2 > before {
		t.Errorf("too large")
	}
}

// What is damaged costs the memory of the events of one row and some of what is there,
// whatever it claims to have.
func TestDamagedRowsTakeNoMemory(t *testing.T) {
	const perByte, base = 64, 64 << 10
	whole := appendRow(nil, kept(t)[:1], 0)
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}
	event := func(fields ...byte) []byte { return append([]byte{rowVersion, 0, maxRow}, fields...) }
	keys := event(0x80, 0x80, 0x04, 16, 0, 0xf0, 0x2e) // 6,000 classes
	for i := range 6000 {
		keys = append(keys, 0, literal+2, byte(i), byte(i>>8), 1)
	}
	for name, b := range map[string][]byte{
		"nothing":         {},
		"another version": {2},
		"no events":       {rowVersion, 0, 0},
		"many events":     append([]byte{rowVersion, 0}, huge...),
		"a long text":     append(event(1, 1, 0), huge...),
		"a long word":     append(event(0, 0), huge...),
		"many classes":    append(event(0x80, 0x80, 0x04, 16, 0), huge...),
		"classes":         keys,
		"no such word":    event(0, 100, 0),
		"no such field":   event(0x80, 0x80, 0x08, 1, 0),
		"half":            whole[:len(whole)/2],
		"too much":        append(bytes.Clone(whole), 0),
		"old, many":       []byte(`{"bytes":{` + strings.Repeat(`"x":1,`, 5000)),
		"old, deep":       []byte(`{"x":` + strings.Repeat("[", 20_000)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := readRow(b)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > uint64(base+perByte*len(b)) {
			t.Errorf("%s: %d bytes for a row of %d", name, n, len(b))
		}
		if err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

// FuzzRow reads whatever bytes as a row: no panic, no more events than a row has, and
// what is read is written again to be read the same. Files are damaged by disks, and by
// whoever has them in hand.
func FuzzRow(f *testing.F) {
	events := kept(f)
	for _, b := range rowsOf(events) {
		f.Add(b)
	}
	for i := range events {
		text, err := json.Marshal(&events[i])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte{rowVersion, 0, maxRow + 1})
	f.Add([]byte{rowVersion, 0, 1, 0x80, 0x80, 0x04, 16, 0, 0xff, 0xff, 0x03, 38, 2}) // bytes of more classes than there is room for
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := readRow(b)
		if err != nil {
			if n := eventsIn(b); n < 1 || n > maxRow {
				t.Fatalf("%d events in what can't be read", n)
			}
			return
		}
		if n := len(first.events); n < 1 || n > maxRow || n != eventsIn(b) {
			t.Fatalf("%d events, counted as %d", n, eventsIn(b))
		}
		size := 0
		for i := range first.events {
			if e := &first.events[i]; len(e.Bytes) == 0 {
				e.Bytes = nil
			}
			for _, s := range textsOf(&first.events[i]) {
				size += len(s)
			}
		}
		if size > maxRow*(len(b)+2*nameText) {
			t.Fatalf("%d bytes of text in %d", size, len(b))
		}
		second, err := readRow(appendRow(nil, first.events, first.claim))
		if err != nil || !reflect.DeepEqual(first, second) {
			t.Fatalf("%x reads as %+v, and written again as %+v, %v", b, first, second, err)
		}
	})
}
