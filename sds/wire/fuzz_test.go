package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"reflect"
	"testing"
)

// checkDecode checks what must be true of any input: no panic, and for whatever
// decodes a Size that is right and an encoding that decodes to the same.
func checkDecode(t *testing.T, b []byte) {
	t.Helper()
	before := bytes.Clone(b)
	m, err := Decode(b)
	if err == nil {
		checkRoundTrip(t, Decode, m)
		if d, err := DetectDialect(b); err != nil || d != m.Dialect {
			t.Errorf("detected %v, %v, decoded %v", d, err, m.Dialect)
		}
		if m.Dialect == LIP && m.Kind() == 0 {
			t.Error("a LIP message of no kind")
		}
	} else {
		wantClass(t, err)
	}

	anyM, anyErr := AnyGeneration.Decode(b)
	if anyErr == nil {
		checkRoundTrip(t, AnyGeneration.Decode, anyM)
	} else {
		wantClass(t, anyErr)
	}
	if err == nil && m.Dialect == Nim && (anyErr != nil || !reflect.DeepEqual(anyM, m)) {
		t.Errorf("Decode and AnyGeneration differ: %+v, %+v, %v", m, anyM, anyErr)
	}
	for _, g := range []Generation{GenerationC, GenerationD} {
		m, err := g.Decode(b)
		if err != nil {
			wantClass(t, err)
			continue
		}
		checkRoundTrip(t, g.Decode, m)
		if anyErr != nil || !reflect.DeepEqual(anyM, m) {
			t.Errorf("generation %v reads %+v, any reads %+v, %v", g, m, anyM, anyErr)
		}
	}
	if !bytes.Equal(b, before) {
		t.Error("the input was modified")
	}
}

func checkRoundTrip(t *testing.T, decode func([]byte) (Message, error), m Message) {
	t.Helper()
	b := m.Encode()
	if m.Size() != len(b) {
		t.Errorf("Size() = %d, encoded %d bytes", m.Size(), len(b))
	}
	again, err := decode(b)
	if err != nil {
		t.Errorf("encoded %x: %v", b, err)
	} else if !reflect.DeepEqual(again, m) {
		t.Errorf("encoded %x\ndecodes to %+v\nwant       %+v", b, again, m)
	}
	if twice := again.Encode(); err == nil && !bytes.Equal(twice, b) {
		t.Errorf("encoded %x, then %x", b, twice)
	}
}

func checkExtension(t *testing.T, b []byte) {
	t.Helper()
	x, err := ParseExtension(b)
	if err != nil {
		wantClass(t, err)
		return
	}
	out := x.Encode()
	if x.Size() != len(out) {
		t.Errorf("Size() = %d, encoded %d bytes", x.Size(), len(out))
	}
	if len(out) > len(b) {
		t.Errorf("%d bytes became %d", len(b), len(out))
	}
	again, err := ParseExtension(out)
	if err != nil || !reflect.DeepEqual(again, x) {
		t.Errorf("encoded %x\nparses to %+v, %v\nwant      %+v", out, again, err, x)
	}
}

func FuzzDecode(f *testing.F) {
	add := func(h string) {
		b, err := hex.DecodeString(h)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 2048 { // full-size filters only slow the fuzzer down
			f.Add(b)
		}
	}
	js := load[jsVectors](f, "js.json")
	for _, v := range js.Message {
		add(v.Hex)
	}
	for _, v := range js.Decode {
		add(v.Hex)
	}
	for _, v := range js.Transcript[:1] {
		b, err := base64.StdEncoding.DecodeString(v.WireBase64)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	nim := load[nimVectors](f, "nim.json")
	for _, v := range nim.Master.Messages {
		add(v.WireHex)
	}
	for _, v := range nim.V04.Messages {
		add(v.WireHex)
	}
	for _, v := range nim.Master.Decode {
		add(v.WireHex)
	}
	for _, v := range load[nimBloomVectors](f, "nim-bloom.json").Messages {
		add(v.Hex)
	}
	for _, d := range []Dialect{LIP, Nim} {
		m := full(d)
		x := fullExtension()
		m.Extension = x.Encode()
		f.Add(m.Encode())
	}
	f.Fuzz(checkDecode)
}

func FuzzExtension(f *testing.F) {
	x := fullExtension()
	f.Add(x.Encode())
	f.Add([]byte{})
	for _, x := range []Extension{
		{Version: 1, Incarnation: 7, Sequence: 300},
		{HasFingerprint: true, Base: 1, Holes: []uint64{1, 2}},
		{HasAsk: true},
		{Want: []uint64{1, 2}, WantFrom: 1 << 40, WantTo: 1<<53 - 1},
		{Census: []byte{3, 8, 1, 2, 3, 4, 5, 6, 7, 8}, GroupSize: 200, RoundTrip: 255},
		{Digest: bytes.Repeat([]byte{7}, 300), Sequence: 1<<64 - 1},
		{HasAsk: true, Ask: []uint32{1}, Unknown: []byte{0x78, 0x01}},
	} {
		f.Add(x.Encode())
	}
	f.Fuzz(checkExtension)
}
