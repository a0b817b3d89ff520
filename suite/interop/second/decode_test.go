package second

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// TestDecode damages the messages of the vectors and has both implementations read them:
// what one refuses the other must, and what both read must be the same, written again as
// well, with the same extension and the same verdict about its id (spec R1, R2, R3, R7, R12).
func TestDecode(t *testing.T) {
	needNode(t)
	seeds := messages(t, "wire.json", "ids.json")
	second := startSecond(t, "alice", "lip")
	random := rand.New(rand.NewPCG(3, 3))
	read, extended := 0, 0
	for range 6000 {
		b := damaged(random, seeds)
		want, err := wire.Decode(b)
		e := decoded(t, second, b)
		if (err == nil) != (e != nil) {
			t.Fatalf("%x: we say %v, it reads %+v", b, err, e)
		}
		if err != nil {
			continue
		}
		read++
		wantTrust := map[sds.Trust]string{sds.Opaque: "opaque", sds.Verified: "verified", sds.Forged: "refused"}[sds.VerifyID(&want)]
		wantDialect := map[wire.Dialect]string{wire.LIP: "lip", wire.Nim: "nim"}[want.Dialect]
		if e.Kind != want.Kind().String() || e.Dialect != wantDialect || e.Verified != wantTrust {
			t.Errorf("%x: %s %s %s, want %s %s %s", b, e.Dialect, e.Kind, e.Verified, wantDialect, want.Kind(), wantTrust)
		}
		if !bytes.Equal(e.Again, want.Encode()) {
			t.Errorf("%x: written again\n%x, want\n%x", b, e.Again, want.Encode())
		}
		x, err := wire.ParseExtension(want.Extension)
		if want.Extension == nil || err != nil {
			if e.Extension != nil {
				t.Errorf("%x: it reads the extension %s, we say %v", b, e.Extension, err)
			}
			continue
		}
		extended++
		x.Unknown = nil // it skips them, and writes its own alone
		if e.Extension == nil || !bytes.Equal(e.ExtensionAgain, x.Encode()) {
			t.Errorf("%x: extension %x, want %x", b, e.ExtensionAgain, x.Encode())
		}
	}
	t.Logf("%d of 6000 could be read, %d with an extension", read, extended)
	if read < 500 || extended < 100 {
		t.Error("too few could be read: this shows little")
	}
}

// reading is what a decoded event has.
type reading struct {
	Event, Dialect, Kind, Verified string
	Again, ExtensionAgain          []byte
	Extension                      json.RawMessage
}

// decoded has it read a message. nil: it refuses.
func decoded(t *testing.T, l *line, b []byte) *reading {
	t.Helper()
	var e reading
	l.raw(t, "decode", map[string]any{"payload": b}, func(line []byte) {
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
	})
	switch e.Event {
	case "decoded":
		return &e
	case "undecodable":
		return nil
	}
	t.Fatalf("decode: %+v", e)
	return nil
}

// messages are all messages in files of vectors.
func messages(t *testing.T, files ...string) (all [][]byte) {
	t.Helper()
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join("..", "..", "..", "spec", "vectors", name))
		if err != nil {
			t.Fatal(err)
		}
		var f struct {
			Cases []struct {
				In struct {
					Hex  string `json:"hex"`
					Seed string `json:"seed"` // of a census
				} `json:"in"`
			} `json:"cases"`
		}
		if err := json.Unmarshal(b, &f); err != nil {
			t.Fatal(err)
		}
		for _, c := range f.Cases {
			message, err := hex.DecodeString(c.In.Hex)
			if err != nil {
				t.Fatal(err)
			}
			if len(message) > 0 && len(message) < 1000 {
				all = append(all, message)
			}
		}
	}
	return all
}

// damaged is a message with one to four things changed.
func damaged(r *rand.Rand, seeds [][]byte) []byte {
	b := slices.Clone(seeds[r.IntN(len(seeds))])
	for range 1 + r.IntN(4) {
		at := r.IntN(len(b) + 1)
		switch r.IntN(7) {
		case 0:
			b = slices.Insert(b, at, byte(r.IntN(256)))
		case 1:
			b = b[:at]
		case 2:
			b = append(b, seeds[r.IntN(len(seeds))]...)
		case 3: // a short field
			tags := []byte{0x08, 0x0a, 0x10, 0x12, 0x18, 0x1a, 0x22, 0x2a, 0x32, 0x3a, 0x50, 0x5a, 0x62, 0x6a}
			b = append(b, tags[r.IntN(len(tags))], byte(r.IntN(3)), byte(r.IntN(256)))
		case 4: // of the extension
			b = append(b, 0xa2, 0x06, 4, byte(r.IntN(128)), byte(r.IntN(4)), byte(r.IntN(256)), byte(r.IntN(256)))
		default:
			if at < len(b) {
				b[at] ^= 1 << r.IntN(8)
			}
		}
	}
	return b
}
