package wire

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"
)

// hostile are inputs that try to have much memory taken for few bytes.
func hostile() map[string][]byte {
	lip, nim := []byte{0x12, 0x01, 'm', 0x50, 0x01}, []byte{0x0a, 0x01, 'm', 0x10, 0x01, 0x22, 0x01, 'c'}
	fill := func(head []byte, unit ...byte) []byte { // up to MaxMessage
		return append(bytes.Clone(head), bytes.Repeat(unit, (MaxMessage-len(head))/len(unit))...)
	}
	times := func(n int, head []byte, unit ...byte) []byte {
		return append(bytes.Clone(head), bytes.Repeat(unit, n)...)
	}
	// Entries whose ids cannot be shared.
	senders := bytes.Clone(lip)
	for i := range MaxEntries {
		senders = append(senders, 0x5a, 0x08, 0x0a, 0x02, byte(i), byte(i>>8), 0x1a, 0x02, byte(i), byte(i>>8))
	}
	return map[string][]byte{
		"512 empty entries":              times(MaxEntries, lip, 0x5a, 0),
		"512 empty repair entries":       times(MaxEntries, lip, 0x6a, 0),
		"512 nim entries":                times(MaxEntries, nim, 0x1a, 2, 0x0a, 0),
		"512 plain entries":              times(MaxEntries, nim, 0x1a, 1, 'x'),
		"512 senders":                    senders,
		"513 entries":                    times(MaxEntries+1, lip, 0x5a, 0),
		"2 million entries":              fill(lip, 0x5a, 0),
		"2 million nim entries":          fill(nim, 0x1a, 0),
		"2 million timestamps":           fill(lip, 0x50, 1),
		"a million ids":                  fill(lip, 0x0a, 2, 'i', 'd'),
		"a million contents":             fill(nim, 0x2a, 2, 'h', 'i'),
		"800,000 extensions":             fill(lip, 0xa2, 0x06, 2, 'h', 'i'),
		"unknown fields in many pieces":  times(MaxFields/2-1, lip, 0x20, 1, 0x50, 1),
		"unknown fields in large pieces": times(MaxUnknown/128, lip, append([]byte{0x22, 126, 126: 0, 127: 0}, 0x50, 1)...),
		"4,096 timestamps":               times(MaxFields-2, lip, 0x50, 1),
		"4,096 ids":                      times(MaxFields-3, nim, 0x3a, 3, 'o', 'n', 'e'),
		"too many unknown fields":        fill(lip, 0x20, 1, 0x50, 1),
		"many ids in one entry": append(append(bytes.Clone(lip), 0x5a, 0x80, 0x80, 0x04),
			bytes.Repeat([]byte{0x0a, 2, 'i', 'd'}, 1<<14)...),
		"a length of 2^63-1": append(bytes.Clone(lip), "\xa2\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f"...),
		"a length of 2^64-1": append(bytes.Clone(lip), "\xa2\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"...),
		"an entry of 2^32":   append(bytes.Clone(lip), "\x5a\x80\x80\x80\x80\x10"...),
	}
}

// allocated returns how many bytes f takes from the heap.
func allocated(f func()) uint64 {
	least := ^uint64(0)
	for range 5 { // the least: other goroutines may allocate too
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// TestMemory: decoding takes at most 36 bytes of memory per byte of input, and
// never more than 256 KiB: the input is aliased, not copied.
//
// spec R5
func TestMemory(t *testing.T) {
	const perByte, base, most = 36, 2 << 10, 256 << 10
	decoders := map[string]func([]byte) (Message, error){
		"decode": Decode, "any": AnyGeneration.Decode, "c": GenerationC.Decode, "d": GenerationD.Decode,
	}
	for name, b := range hostile() {
		t.Run(name, func(t *testing.T) {
			for which, decode := range decoders {
				var err error
				n := allocated(func() { _, err = decode(b) })
				if n > uint64(perByte*len(b)+base) || n > most {
					t.Errorf("%s: %d bytes for a message of %d", which, n, len(b))
				}
				if err != nil {
					wantClass(t, err)
				}
			}
			if n := allocated(func() { _, _ = DetectDialect(b) }); n > base {
				t.Errorf("detect: %d bytes", n)
			}
		})
	}
}

// TestMemoryRefused: what is refused for its number of entries has cost nothing
// but the error.
func TestMemoryRefused(t *testing.T) {
	for _, name := range []string{"513 entries", "2 million entries", "2 million nim entries"} {
		b := hostile()[name]
		if n := allocated(func() { _, _ = Decode(b) }); n > 1<<10 {
			t.Errorf("%s: %d bytes", name, n)
		}
		wantError(t, b, ErrTooLarge)
	}
}

func TestMemoryExtension(t *testing.T) {
	x := fullExtension()
	for name, b := range map[string][]byte{
		"full":         x.Encode(),
		"many holes":   bytes.Repeat(append([]byte{0x42, 8}, make([]byte, 8)...), MaxExtension/10),
		"many unknown": bytes.Repeat([]byte{0x78, 1, 0x08, 1}, MaxExtension/4),
	} {
		var err error
		if n := allocated(func() { _, err = ParseExtension(b) }); n > uint64(len(b)+1<<10) || err != nil {
			t.Errorf("%s: %d bytes for %d, %v", name, n, len(b), err)
		}
	}
}

// TestTruncatedAndDamaged: every prefix of a message, and a message with any
// one byte changed, decodes or is refused, and what decodes keeps its promises.
func TestTruncatedAndDamaged(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, d := range []Dialect{LIP, Nim} {
		m := full(d)
		b := m.Encode()
		for i := range b {
			checkDecode(t, b[:i])
			for range 16 {
				damaged := bytes.Clone(b)
				damaged[i] = byte(rnd.Uint32())
				checkDecode(t, damaged)
			}
		}
	}
	for range 20_000 {
		b := make([]byte, rnd.IntN(64))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		checkDecode(t, b)
		checkExtension(t, b)
	}
}
