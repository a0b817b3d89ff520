package bloom

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The vectors, as far as the tests read them. See testdata/README.md.

type jsVectors struct {
	Hash struct {
		Vectors  []jsHashVector `json:"vectors"`
		NonASCII struct {
			Vectors []jsHashVector `json:"vectors"`
		} `json:"nonAscii"`
	} `json:"hash"`
	Sizing []struct {
		Capacity  int     `json:"capacity"`
		ErrorRate float64 `json:"errorRate"`
		K         int     `json:"k"`
		TotalBits int     `json:"totalBits"`
		Words     int     `json:"words"`
		Bytes     int     `json:"byteLength"`
	} `json:"bloomSizing"`
	Bloom []struct {
		Name    string `json:"name"`
		Options struct {
			Capacity  int     `json:"capacity"`
			ErrorRate float64 `json:"errorRate"`
			K         int     `json:"kHashes"`
			PerID     int     `json:"forceNBitsPerElem"`
		} `json:"options"`
		K         int             `json:"k"`
		TotalBits int             `json:"totalBits"`
		Words     int             `json:"words"`
		Bytes     int             `json:"byteLength"`
		Inserted  json.RawMessage `json:"inserted"`
		SetCount  int             `json:"setBitCount"`
		SetBits   []int           `json:"setBits"`
		SHA256    string          `json:"sha256"`
		Hex       string          `json:"hex"`
	} `json:"bloom"`
	FalsePositives struct {
		Probes  int      `json:"probes"`
		Present []string `json:"present"`
	} `json:"bloomFalsePositives"`
}

type jsHashVector struct {
	Input   string `json:"input"`
	Signed  int64  `json:"murmur3_signed"`
	BSigned int64  `json:"murmur3_b_signed"`
	HashA   int    `json:"hashA"`
	HashB   int    `json:"hashB"`
	Bits    []int  `json:"bits"`
	IfUTF8  []int  `json:"bits_if_utf8_bytes_were_hashed"`
}

type nimVectors struct {
	Farm struct {
		Hash  []hashVector `json:"string_hash"`
		HashN []struct {
			Input string `json:"input"`
			M     int    `json:"m_bits"`
			HashA int    `json:"hashA"`
			HashB int    `json:"hashB"`
			Bits  []int  `json:"idx_n0_to_9"`
		} `json:"hashN"`
		Params []struct {
			Capacity  int     `json:"capacity"`
			ErrorRate float64 `json:"error_rate"`
			K         int     `json:"k"`
			M         int     `json:"m_bits"`
			Words     int     `json:"words"`
			Min       int     `json:"min_capacity"`
			Max       int     `json:"max_capacity"`
			Len       int     `json:"serialized_len_empty"`
			PPM       uint64  `json:"error_rate_field"`
			SHA256    string  `json:"serialized_empty_sha256"`
		} `json:"params"`
		Filters []struct {
			Capacity       int      `json:"capacity"`
			ErrorRate      float64  `json:"error_rate"`
			K              int      `json:"k"`
			M              int      `json:"m_bits"`
			Len            int      `json:"serialized_len"`
			SHA256         string   `json:"serialized_sha256"`
			Hex            string   `json:"serialized_hex"`
			Nonzero        [][]any  `json:"nonzero_words_index_u64hex"`
			Inserted       []string `json:"inserted"`
			InsertedHex    []string `json:"inserted_hex"`
			BitsSet        int      `json:"bits_set"`
			FalsePositives []string `json:"false_positives"`
			Note           string   `json:"note"`
		} `json:"filters"`
		Rolling []struct {
			After    int    `json:"after_add"`
			Messages int    `json:"messages"`
			First    string `json:"first"`
			Capacity uint64 `json:"filter_capacity"`
			K        int    `json:"k"`
			M        int    `json:"m_bits"`
			SHA256   string `json:"sha256"`
			Hex      string `json:"hex"`
		} `json:"rolling_capacity10_err0.01"`
		Decode []decodeVector `json:"bloom_decode"`
	} `json:"farmhash64"`
	Murmur struct {
		Hash []hashVector `json:"string_hash"`
	} `json:"murmur3_32"`
	V04 struct {
		Decode []decodeVector `json:"bloom_decode"`
		Hex    string         `json:"bloom_cap10_err0.01_test1_3_hex"`
	} `json:"release_v0_4"`
}

type hashVector struct {
	InputHex string `json:"input_hex"`
	Hash     string `json:"hash_int64"`
}

type decodeVector struct {
	Name    string `json:"name"`
	Hex     string `json:"wire_hex"`
	Result  string `json:"result"`
	Decoded struct {
		Capacity string  `json:"capacity"`
		Rate     float64 `json:"error_rate"`
		K        string  `json:"k"`
		M        string  `json:"m_bits"`
		Words    int     `json:"words"`
	} `json:"decoded"`
}

type nimBloomVectors struct {
	Hash []struct {
		Input   string `json:"input"`
		Signed  string `json:"hash_signed"`
		BSigned string `json:"hash_b_signed"`
		HashA   int    `json:"hashA"`
		HashB   int    `json:"hashB"`
		Bits    []int  `json:"bits"`
	} `json:"hash"`
	Bloom []struct {
		Name          string `json:"name"`
		Inserted      string `json:"inserted"`
		K             int    `json:"k"`
		SetCount      int    `json:"setBitCount"`
		SetBits       []int  `json:"setBits"`
		WordsSHA256   string `json:"wordsLeSha256"`
		WrappedSHA256 string `json:"wrappedSha256"`
		WrappedHex    string `json:"wrappedHex"`
	} `json:"bloom"`
	OldHash struct {
		Test1To10 []int `json:"setBitsTest1..10"`
		Common    struct {
			Common int `json:"common"`
		} `json:"commonWithJs"`
	} `json:"murmurBuildBloom"`
}

func loadJS(t testing.TB) (v jsVectors)             { load(t, "js.json", &v); return }
func loadNim(t testing.TB) (v nimVectors)           { load(t, "nim.json", &v); return }
func loadNimBloom(t testing.TB) (v nimBloomVectors) { load(t, "nim-bloom.json", &v); return }

func load(t testing.TB, name string, v any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

var idRange = regexp.MustCompile(`^(test)(\d+)(?:\.\.test(\d+))?(?: \(\d+\))?$`)

// idsOf expands what the vectors call inserted: a list of ids, or a range of
// them such as "test1..test100 (100)".
func idsOf(t testing.TB, raw []byte) []string {
	t.Helper()
	var ids []string
	if json.Unmarshal(raw, &ids) == nil {
		return ids
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(s, " (100)") && len(s) == 64+2+64+6 {
		return sha256IDs(100)
	}
	m := idRange.FindStringSubmatch(s)
	if m == nil {
		t.Fatalf("vector inserts %q", s)
	}
	first := atoi(t, m[2])
	last := first
	if m[3] != "" {
		last = atoi(t, m[3])
	}
	return numbered(m[1], first, last)
}

// numbered returns prefix+first … prefix+last.
func numbered(prefix string, first, last int) []string {
	var ids []string
	for i := first; i <= last; i++ {
		ids = append(ids, prefix+strconv.Itoa(i))
	}
	return ids
}

// sha256IDs returns message ids as @waku/sds makes them, for the contents
// message-1 … message-n.
func sha256IDs(n int) []string {
	ids := numbered("message-", 1, n)
	for i, c := range ids {
		ids[i] = sum(c)
	}
	return ids
}

func sum[T string | []byte](b T) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(b)))
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func atoi(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// filled returns a filter with the ids in it.
func filled(t testing.TB, kind Kind, p Params, ids []string) *Filter {
	t.Helper()
	f, err := New(kind, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		f.Add(id)
	}
	return f
}

// setBits lists the bits that are set, by the definition of the bit order:
// from the words, not from the bytes.
func setBits(f *Filter) []int {
	var set []int
	for b := range 8 * len(f.words) {
		inWord := 8 * (b / 64)
		if f.kind == Nim {
			inWord += b % 64 / 8
		} else {
			inWord += 7 - b%64/8
		}
		if f.words[inWord]>>(b%8)&1 == 1 {
			set = append(set, b)
		}
	}
	return set
}

// positions lists the bits that a key sets in a filter of m bits, in order.
func positions(key Key, m, k int) []int {
	var bits []int
	f := Filter{kind: key.kind, params: Params{K: k, Bits: m}}
	s, b, _ := f.walk(key)
	for range k {
		bits = append(bits, int(abs(s)))
		s = step(s, b, int64(m))
	}
	return bits
}
