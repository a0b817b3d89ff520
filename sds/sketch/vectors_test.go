package sketch

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

// Objects and lists of plain values get one line each.
var (
	innermost = regexp.MustCompile(`[{\[][^{}\[\]]*[}\]]`)
	lineBreak = regexp.MustCompile(`\n\t*`)
)

const vectorsFile = "testdata/vectors.json"

// vectors is what testdata/README.md describes.
type vectors struct {
	Places  []placesVector `json:"places"`
	Digests []digestVector `json:"digests"`
	Refused []refusal      `json:"refused"`
}

type placesVector struct {
	Hash   string `json:"hash"`
	Places []int  `json:"places"`
}

type digestVector struct {
	Name   string `json:"name"`
	Secret string `json:"secret"` // hex, as all bytes are
	From   uint64 `json:"from"`
	To     uint64 `json:"to"`
	Key    string `json:"key"`

	Theirs  []idVector `json:"theirs"`
	Symbols []string   `json:"symbols"`
	Digest  string     `json:"digest"`

	Ours       []idVector `json:"ours"`
	OnlyTheirs []string   `json:"only_theirs"`
	OnlyOurs   []string   `json:"only_ours"`
	Complete   bool       `json:"complete"`
}

type idVector struct {
	ID    string `json:"id"`
	Short string `json:"short"`
	Check string `json:"check"`
}

type refusal struct {
	Digest string `json:"digest"`
	Error  string `json:"error"`
}

func number(v uint64) string { return fmt.Sprintf("%016x", v) }

func numbers(list []uint64) []string {
	out := []string{}
	for _, v := range list {
		out = append(out, number(v))
	}
	return out
}

// chatIDs returns ids as rule P3 makes them look.
func chatIDs(prefix string, n int) []string {
	ids := names(prefix, n)
	for i, id := range ids {
		ids[i] = "c1" + (id + strings.Repeat("_", 27))[:27]
	}
	return ids
}

func makeVectors(t *testing.T) vectors {
	var v vectors
	for _, hash := range []uint64{0, 1, 1 << 63, ^uint64(0), mix(1), mix(2), mix(3), mix(4)} {
		v.Places = append(v.Places, placesVector{number(hash), list(places(hash, MaxSymbols))})
	}
	const from = 1_700_000_000_000
	common := chatIDs("common", 12)
	for _, c := range []struct {
		name, secret string
		from, to     uint64
		m            int
		theirs, ours []string
	}{
		{"nothing", "", 0, 1, 16, nil, nil},
		{"one message, greatest range", "s", 0, MaxTo, 16, []string{"m"}, nil},
		{"last range", "s", MaxTo - 1, MaxTo, 16, nil, []string{"m"}},
		{"odd ids", "\x00\xff", 1, 300, 16, []string{"", "\x00", "αβγ😀", "0123456", "01234567", "012345678"}, []string{"\x00"}},
		{"equal", "channel secret", from, testTo, 16, common, common},
		{"five differences", "channel secret", from, testTo, 16, append(chatIDs("a", 3), common...), append(chatIDs("b", 2), common...)},
		{"twelve differences", "channel secret", from, testTo, 32, append(chatIDs("a", 9), common...), append(chatIDs("b", 3), common...)},
		{"more than can be decoded", "channel secret", from, testTo, 16, append(chatIDs("a", 10), common...), append(chatIDs("b", 8), common...)},
		{"300 messages", "channel secret", from, testTo, 24, chatIDs("c", 300), chatIDs("c", 297)},
		{"too many differences to try", "channel secret", from, testTo, 16, chatIDs("d", 17), nil},
		{"64 symbols", "channel secret", from, testTo, 64, chatIDs("e", 20), chatIDs("f", 20)},
	} {
		v.Digests = append(v.Digests, makeDigestVector(t, c.name, c.secret, c.from, c.to, c.m, c.theirs, c.ours))
	}
	good := digestBytes(from, 1000, 0, make([]Symbol, 16)...)
	for _, b := range [][]byte{
		{},
		good[:8],
		good[:len(good)-1],
		append([]byte{0x80, 0}, good[6:]...),
		digestBytes(from, 1000, 0, make([]Symbol, 15)...),
		digestBytes(from, 1000, 0, make([]Symbol, 65)...),
		digestBytes(from, 0, 0, make([]Symbol, 16)...),
		digestBytes(MaxTo, 1, 0, make([]Symbol, 16)...),
		digestBytes(MaxTo-1, 2, 0, make([]Symbol, 16)...),
		digestBytes(from, 1000, 1001, make([]Symbol, 16)...),
		digestBytes(from, 1000, 1, make([]Symbol, 16)...),
	} {
		_, err := Parse(b)
		if err == nil {
			t.Fatalf("%x is accepted", b)
		}
		v.Refused = append(v.Refused, refusal{hex.EncodeToString(b), err.Error()})
	}
	return v
}

func makeDigestVector(t *testing.T, name, secret string, from, to uint64, m int, theirs, ours []string) digestVector {
	t.Helper()
	key := NewKey([]byte(secret), from, to)
	about := func(ids []string) []idVector {
		out := []idVector{}
		for _, id := range ids {
			short := key.ShortID(id)
			out = append(out, idVector{hex.EncodeToString([]byte(id)), number(short), fmt.Sprintf("%08x", uint32(key.hash(short)))})
		}
		return out
	}
	var keyBytes []byte
	for _, w := range []uint64{key.id[0], key.id[1], key.check[0], key.check[1]} {
		keyBytes = binary.LittleEndian.AppendUint64(keyBytes, w)
	}
	d, err := Encode([]byte(secret), from, to, theirs, m)
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	var symbols []string
	for at := b[len(b)-m*symbolBytes:]; len(at) > 0; at = at[symbolBytes:] {
		symbols = append(symbols, hex.EncodeToString(at[:symbolBytes]))
	}
	local, err := New([]byte(secret), from, to, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ours {
		local.Add(id)
	}
	onlyTheirs, onlyOurs, complete := local.Decode(d)
	return digestVector{
		Name: name, Secret: hex.EncodeToString([]byte(secret)), From: from, To: to, Key: hex.EncodeToString(keyBytes),
		Theirs: about(theirs), Symbols: symbols, Digest: hex.EncodeToString(b),
		Ours: about(ours), OnlyTheirs: numbers(onlyTheirs), OnlyOurs: numbers(onlyOurs), Complete: complete,
	}
}

// What the package makes today is what testdata/vectors.json says.
func TestVectors(t *testing.T) {
	now, err := json.MarshalIndent(makeVectors(t), "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	now = append(innermost.ReplaceAllFunc(now, func(b []byte) []byte { return lineBreak.ReplaceAll(b, nil) }), '\n')
	if *update {
		if err := os.WriteFile(vectorsFile, now, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	then, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(now, then) {
		t.Errorf("%s differs from what the package makes; if that is right, go test ./sds/sketch -run TestVectors -update", vectorsFile)
	}
}

// And the second implementation says the same.
func TestVectorsAgain(t *testing.T) {
	file, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(file, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Places) < 8 || len(v.Digests) < 11 || len(v.Refused) < 11 {
		t.Fatalf("%d places, %d digests, %d refusals: vectors are missing", len(v.Places), len(v.Digests), len(v.Refused))
	}
	for _, p := range v.Places {
		var hash uint64
		if _, err := fmt.Sscanf(p.Hash, "%x", &hash); err != nil {
			t.Fatal(err)
		}
		if got := dumbPlaces(hash, MaxSymbols); !slices.Equal(got, p.Places) {
			t.Errorf("hash %s: %v, want %v", p.Hash, got, p.Places)
		}
	}
	for _, d := range v.Digests {
		t.Run(d.Name, func(t *testing.T) { d.checkAgain(t) })
	}
}

func unhex(t *testing.T, text string) string {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (d *digestVector) checkAgain(t *testing.T) {
	theirs := dumbSet{secret: unhex(t, d.Secret), from: d.From, to: d.To}
	ours := theirs
	id, check := theirs.keys()
	if got := hex.EncodeToString(slices.Concat(id, check)); got != d.Key {
		t.Errorf("key %s, want %s", got, d.Key)
	}
	for _, side := range []struct {
		from []idVector
		to   *dumbSet
	}{{d.Theirs, &theirs}, {d.Ours, &ours}} {
		for _, v := range side.from {
			id := unhex(t, v.ID)
			short := side.to.short(id)
			if got := number(short); got != v.Short {
				t.Errorf("id %q: short id %s, want %s", id, got, v.Short)
			}
			if got := fmt.Sprintf("%08x", side.to.hash(short)%(1<<32)); got != v.Check {
				t.Errorf("id %q: check %s, want %s", id, got, v.Check)
			}
			side.to.ids = append(side.to.ids, id)
		}
	}
	m := len(d.Symbols)
	b := theirs.digest(m)
	if got := hex.EncodeToString(b); got != d.Digest || !strings.HasSuffix(got, strings.Join(d.Symbols, "")) {
		t.Errorf("digest %s, want %s", got, d.Digest)
	}
	var onlyTheirs, onlyOurs []uint64
	complete := false
	if apart := len(theirs.ids) - len(ours.ids); -m <= apart && apart <= m {
		onlyTheirs, onlyOurs, complete = dumbDecode(&theirs, &ours, m)
	}
	if !slices.Equal(numbers(onlyTheirs), d.OnlyTheirs) || !slices.Equal(numbers(onlyOurs), d.OnlyOurs) || complete != d.Complete {
		t.Errorf("%x, %x, %v, want %v, %v, %v", onlyTheirs, onlyOurs, complete, d.OnlyTheirs, d.OnlyOurs, d.Complete)
	}
}
