package spec

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/sketch"
)

// spec R46 R48: sketchCases are digests of two sets.
func sketchCases(t *testing.T) []vector {
	many := func(n, from int) (ids []string) {
		for i := range n {
			ids = append(ids, fmt.Sprintf("m%d", from+i))
		}
		return ids
	}
	cases := []vector{
		sketchCase(t, "three messages and three, two of them the same", "tea", 1000, 2000, 16, []string{"a", "b", "c"}, []string{"b", "c", "d"}),
		sketchCase(t, "nothing against three", "tea", 1000, 2000, 16, nil, []string{"b", "c", "d"}),
		sketchCase(t, "another range has another key", "tea", 1000, 2001, 16, []string{"a", "b", "c"}, []string{"b", "c", "d"}),
		sketchCase(t, "another secret, too", "te", 1000, 2000, 16, []string{"a", "b", "c"}, []string{"b", "c", "d"}),
		sketchCase(t, "twelve of forty differ, in 32 symbols", "tea", 1000, 2000, 32, many(34, 0), many(34, 6)),
		sketchCase(t, "thirty differ: sixteen symbols do not tell all", "tea", 1000, 2000, 16, many(50, 0), many(50, 15)),
	}
	good, err := sketch.Encode([]byte("tea"), 1000, 2000, []string{"a"}, 16)
	if err != nil {
		t.Fatal(err)
	}
	b, err := good.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	change := func(i int, to byte) []byte { c := slices.Clone(b); c[i] = to; return c }
	for _, r := range []struct {
		name string
		b    []byte
	}{
		{"fifteen symbols", b[:len(b)-13]}, {"half a symbol", b[:len(b)-6]}, {"an empty range", change(2, 0)[:len(b)]},
		{"two messages, of which symbol 0 counts one", change(4, 2)},
	} {
		if _, err := sketch.Parse(r.b); err == nil {
			t.Errorf("%s: %x was read", r.name, r.b)
			continue
		}
		cases = append(cases, vector{Name: "refused: " + r.name, Requirements: need("R46"), In: object{"digest": inHex(r.b)}, Out: object{"refused": true}})
	}
	return cases
}

// splitMix is the mapping of section 8.1, once more: the symbols among the first m
// that an id takes part in.
func splitMix(h uint64, m int) (places []int) {
	for i := 0; i < m; {
		places = append(places, i)
		h += 0x9e3779b97f4a7c15
		z := (h ^ h>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		u := (z ^ z>>31) >> 32
		j := i + 1
		for ; j < m && u*uint64(j+2)*uint64(j+2) < uint64(i+2)*uint64(i+2)<<32; j++ {
		}
		i = j
	}
	return places
}

// sip is SipHash-2-4, once more.
func sip(k0, k1 uint64, in []byte) uint64 {
	v := [4]uint64{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573}
	round := func() {
		v[0] += v[1]
		v[1] = bits.RotateLeft64(v[1], 13) ^ v[0]
		v[0] = bits.RotateLeft64(v[0], 32)
		v[2] += v[3]
		v[3] = bits.RotateLeft64(v[3], 16) ^ v[2]
		v[0] += v[3]
		v[3] = bits.RotateLeft64(v[3], 21) ^ v[0]
		v[2] += v[1]
		v[1] = bits.RotateLeft64(v[1], 17) ^ v[2]
		v[2] = bits.RotateLeft64(v[2], 32)
	}
	padded := append(slices.Clone(in), make([]byte, 8-len(in)%8)...)
	padded[len(padded)-1] = byte(len(in))
	for i := 0; i < len(padded); i += 8 {
		w := binary.LittleEndian.Uint64(padded[i:])
		v[3] ^= w
		round()
		round()
		v[0] ^= w
	}
	v[2] ^= 0xff
	for range 4 {
		round()
	}
	return v[0] ^ v[1] ^ v[2] ^ v[3]
}

func sketchCase(t *testing.T, name, secret string, from, to uint64, m int, theirs, ours []string) vector {
	t.Helper()
	_, material := hashed([]byte("causeway/digest/1"), part(secret), be64(from), be64(to))
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(material[8*i:]) }
	symbols := make([]sketch.Symbol, m)
	messages := []object{}
	for _, id := range theirs {
		short := sip(word(0), word(1), []byte(id))
		h := sip(word(2), word(3), binary.LittleEndian.AppendUint64(nil, short))
		places := splitMix(h, m)
		for _, i := range places {
			symbols[i].Sum ^= short
			symbols[i].Check ^= uint32(h)
			symbols[i].Count++
		}
		if len(theirs) < 8 {
			messages = append(messages, object{"id": id, "short": hex64(short), "check": hex64(h)[8:], "places": places})
		}
	}
	d, err := sketch.Encode([]byte(secret), from, to, theirs, m)
	if err != nil || !slices.Equal(d.Symbols, symbols) {
		t.Fatalf("%s: the code makes %v, %v, the text %v", name, d.Symbols, err, symbols)
	}
	b, err := d.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	local, err := sketch.New([]byte(secret), from, to, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ours {
		local.Add(id)
	}
	onlyTheirs, onlyOurs, complete := local.Decode(d)
	in := object{"secret": inHex(secret), "from": decimal(from), "to": decimal(to), "symbols": m, "theirs": theirs, "ours": ours}
	if theirs == nil {
		in["theirs"] = []string{}
	}
	out := object{"material": inHex(material[:]), "digest": inHex(b), "onlyTheirs": hexList(onlyTheirs), "onlyOurs": hexList(onlyOurs), "complete": complete}
	if len(messages) > 0 {
		out["messages"] = messages
	}
	return vector{Name: name, Requirements: need("R46", "R48"), In: in, Out: out}
}

// spec R8 R55 R80 R82: filterCases are filters of both kinds, and the positions of ids.
// What deployed peers recorded decides.
func filterCases(t *testing.T) []vector {
	cases := append(positionCases(t), wholeFilters(t)...)
	words := func(n int) []byte { return append([]byte{0x0a, byte(n)}, make([]byte, n)...) }
	for _, r := range []struct {
		name string
		b    []byte
		err  error
	}{
		{"k is 0", append(words(16), 0x10, 10, 0x18, 100, 0x20, 0, 0x28, 100), bloom.ErrHashes},
		{"k is 65", append(words(16), 0x10, 10, 0x18, 100, 0x20, 65, 0x28, 100), bloom.ErrHashes},
		{"no bits", append(words(16), 0x10, 10, 0x18, 100, 0x20, 7, 0x28, 0), bloom.ErrBits},
		{"129 bits in 16 bytes", append(words(16), 0x10, 10, 0x18, 100, 0x20, 7, 0x28, 0x81, 1), bloom.ErrShort},
		{"no capacity", append(words(16), 0x18, 100, 0x20, 7, 0x28, 100), bloom.ErrMalformed},
	} {
		if _, err := bloom.ParseNim(r.b); !errors.Is(err, r.err) {
			t.Errorf("%s: %v", r.name, err)
		}
		cases = append(cases, vector{Name: "ignored: nim: " + r.name, Requirements: need("R8"), In: object{"hex": inHex(r.b)}, Out: object{"ignored": true}})
	}
	short := make([]byte, 18_751)
	if _, err := bloom.ParseJS(short, bloom.Default()); !errors.Is(err, bloom.ErrShort) {
		t.Errorf("a short filter: %v", err)
	}
	return append(cases, vector{Name: "ignored: JS: short by a byte", Requirements: need("R8", "R80"), In: object{"zeroBytes": len(short)}, Out: object{"ignored": true}})
}

// positionCases are the bits of single ids in a filter of the default size.
func positionCases(t *testing.T) []vector {
	var js struct {
		Hash struct {
			Vectors []struct {
				Input string
				Bits  []int
			}
		}
	}
	var nim struct {
		Master struct {
			HashN []struct {
				Input string
				Bits  int   `json:"m_bits"`
				At    []int `json:"idx_n0_to_9"`
			}
		} `json:"farmhash64"`
	}
	record(t, "../sds/bloom/testdata/js.json", &js)
	record(t, "../sds/bloom/testdata/nim.json", &nim)
	var cases []vector
	add := func(kind bloom.Kind, source, id string, m int, recorded []int) {
		f, err := bloom.New(kind, bloom.Params{K: 10, Bits: m, Capacity: 10_000, PPM: 1000})
		if err != nil {
			t.Fatal(err)
		}
		f.Add(id)
		set := slices.Clone(recorded)
		slices.Sort(set)
		if set = slices.Compact(set); !slices.Equal(bitsOf(f), set) {
			t.Errorf("%v %q: bits %v, recorded %v", kind, id, bitsOf(f), set)
		}
		cases = append(cases, vector{Name: fmt.Sprintf("%v: the bits of %q among %d", kind, id, m), Requirements: need("R55"), Source: source,
			In: object{"kind": kind.String(), "id": id, "k": 10, "m": m}, Out: object{"bits": recorded}})
	}
	for _, v := range js.Hash.Vectors {
		add(bloom.JS, recordJS, v.Input, 150_000, v.Bits)
	}
	for _, v := range nim.Master.HashN {
		if v.Bits == 150_000 {
			add(bloom.Nim, recordNim, v.Input, v.Bits, v.At)
		}
	}
	return cases
}

// bitsOf are the positions that are set.
func bitsOf(f *bloom.Filter) (set []int) {
	b := f.Append(nil)
	if f.Kind() == bloom.Nim {
		b = b[len(b)-f.Len()+nimHead(b):]
	}
	for i := range f.Params().Bits {
		at := i >> 3
		if f.Kind() == bloom.JS {
			at ^= 7
		}
		if b[at]>>(i&7)&1 == 1 {
			set = append(set, i)
		}
	}
	return set
}

// nimHead is where the words begin: behind a tag and their length.
func nimHead(b []byte) int {
	_, n := binary.Uvarint(b[1:])
	return 1 + n
}

// wholeFilters are filters with some ids, as bytes.
func wholeFilters(t *testing.T) []vector {
	var js struct {
		Bloom []struct {
			Name    string
			Options struct {
				Capacity  int
				ErrorRate float64
			}
			Inserted any
			SHA256   string
		}
	}
	var nim struct {
		Master struct {
			Rolling []struct {
				After int    `json:"after_add"`
				First string `json:"first"`
				SHA   string `json:"sha256"`
				Hex   string
			} `json:"rolling_capacity10_err0.01"`
		} `json:"farmhash64"`
	}
	record(t, "../sds/bloom/testdata/js.json", &js)
	record(t, "../sds/bloom/testdata/nim.json", &nim)
	ids := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf("test%d", i+1))
		}
		return list
	}
	var cases []vector
	for _, v := range js.Bloom {
		n, ok := map[string]int{"default-empty": 0, "default-test1": 1, "default-test1..10": 10, "default-test1..100": 100}[v.Name]
		if !ok {
			continue
		}
		f, err := bloom.New(bloom.JS, bloom.Default())
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids(n) {
			f.Add(id)
		}
		sum := sha256.Sum256(f.Append(nil))
		if hex.EncodeToString(sum[:]) != v.SHA256 {
			t.Errorf("%s: SHA-256 %x, recorded %s", v.Name, sum, v.SHA256)
		}
		cases = append(cases, vector{Name: "JS: " + v.Name, Requirements: need("R80"), Source: recordJS,
			In: object{"capacity": 10_000, "errorRate": json.Number("0.001"), "ids": append([]string{}, ids(n)...)}, Out: object{"bytes": f.Len(), "sha256": v.SHA256}})
	}
	rolling, err := bloom.NewRolling(10, 0.01)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range nim.Master.Rolling {
		rolling.Add(fmt.Sprintf("test%d", i+1))
		if got := inHex(rolling.Append(nil)); got != v.Hex {
			t.Errorf("nim after %d: %s, recorded %s", i+1, got, v.Hex)
		}
		if i != 9 && i != 11 && i != 12 {
			continue
		}
		cases = append(cases, vector{Name: fmt.Sprintf("nim: %d ids in a filter for 10, the oldest is %s", i+1, v.First), Requirements: need("R55"), Source: recordNim,
			In: object{"capacity": 10, "errorRate": json.Number("0.01"), "ids": ids(i + 1)}, Out: object{"hex": v.Hex}})
	}
	newest, err := bloom.NewSliding(256, 1e-4)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids(300) {
		newest.Add(id)
	}
	sum := sha256.Sum256(newest.Append(nil))
	p := newest.Params()
	return append(cases, vector{Name: "nim: the newest 256 of 300", Requirements: need("R82"), In: object{"capacity": 256, "errorRate": json.Number("0.0001"), "ids": "test1 … test300"},
		Out: object{"k": p.K, "m": p.Bits, "bytes": len(newest.Append(nil)), "sha256": inHex(sum[:])}})
}
