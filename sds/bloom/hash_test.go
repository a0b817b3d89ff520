package bloom

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"testing"

	farm "github.com/dgryski/go-farm"
)

// nim.json farmhash64.string_hash
func TestFarmStringHash(t *testing.T) {
	v := loadNim(t).Farm.Hash
	if len(v) != 54 {
		t.Fatalf("%d vectors, want 54", len(v))
	}
	for _, v := range v {
		want, err := strconv.ParseInt(v.Hash, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		in := unhex(t, v.InputHex)
		if got := int64(farm.Fingerprint64(in)); got != want {
			t.Errorf("Fingerprint64(%x) = %d, want %d", in, got, want)
		}
		if got := Nim.Key(string(in)).a; got != abs(want) {
			t.Errorf("Nim.Key(%x).a = %d, want %d", in, got, abs(want))
		}
	}
}

// nim.json murmur3_32.string_hash: the ordinary hash over bytes, which ours is
// if a byte is a unit.
func TestMurmurStringHash(t *testing.T) {
	for _, v := range loadNim(t).Murmur.Hash {
		want, err := strconv.ParseUint(v.Hash, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		var units []rune
		for _, b := range unhex(t, v.InputHex) {
			units = append(units, rune(b))
		}
		var m murmur
		m.write(string(units))
		if got := m.sum(); got != uint32(want) {
			t.Errorf("murmur(%s) = %d, want %d", v.InputHex, got, want)
		}
	}
}

// Writing in pieces is the same as writing at once, and sum changes nothing.
func TestMurmurInPieces(t *testing.T) {
	const s = "The quick brown fox αβγ 😀 jumps"
	var whole murmur
	whole.write(s)
	var pieces murmur
	for _, r := range s {
		pieces.write(string(r))
		pieces.sum()
	}
	if pieces.sum() != whole.sum() {
		t.Errorf("pieces %x, whole %x", pieces.sum(), whole.sum())
	}
}

// nim-bloom.json hash
func TestNimBloomHash(t *testing.T) {
	v := loadNimBloom(t).Hash
	if len(v) != 23 {
		t.Fatalf("%d vectors, want 23", len(v))
	}
	for _, v := range v {
		key := Nim.Key(v.Input)
		a, errA := strconv.ParseInt(v.Signed, 10, 64)
		b, errB := strconv.ParseInt(v.BSigned, 10, 64)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if key.a != abs(a) || key.b != abs(b) {
			t.Errorf("Nim.Key(%q) = %+v, want |%d|, |%d|", v.Input, key, a, b)
		}
		if int(key.a%150_000) != v.HashA || int(key.b%150_000) != v.HashB {
			t.Errorf("%q: hashA, hashB = %d, %d, want %d, %d", v.Input, key.a%150_000, key.b%150_000, v.HashA, v.HashB)
		}
		if got := positions(key, 150_000, 10); !slices.Equal(got, v.Bits) {
			t.Errorf("%q: bits %v, want %v", v.Input, got, v.Bits)
		}
	}
}

// nim.json farmhash64.hashN
func TestNimHashN(t *testing.T) {
	v := loadNim(t).Farm.HashN
	if len(v) != 30 {
		t.Fatalf("%d vectors, want 30", len(v))
	}
	for _, v := range v {
		key := Nim.Key(v.Input)
		m := int64(v.M)
		if int(key.a%m) != v.HashA || int(key.b%m) != v.HashB {
			t.Errorf("%q mod %d: %d, %d, want %d, %d", v.Input, m, key.a%m, key.b%m, v.HashA, v.HashB)
		}
		if got := positions(key, v.M, 10); !slices.Equal(got, v.Bits) {
			t.Errorf("%q mod %d: bits %v, want %v", v.Input, m, got, v.Bits)
		}
	}
}

// js.json hash.vectors
func TestJSHash(t *testing.T) {
	v := loadJS(t).Hash.Vectors
	if len(v) != 21 {
		t.Fatalf("%d vectors, want 21", len(v))
	}
	for _, v := range v {
		key := JS.Key(v.Input)
		if key.a != abs(v.Signed) || key.b != abs(v.BSigned) {
			t.Errorf("JS.Key(%q) = %+v, want |%d|, |%d|", v.Input, key, v.Signed, v.BSigned)
		}
		if int(key.a%150_000) != v.HashA || int(key.b%150_000) != v.HashB {
			t.Errorf("%q: hashA, hashB = %d, %d, want %d, %d", v.Input, key.a%150_000, key.b%150_000, v.HashA, v.HashB)
		}
		if got := positions(key, 150_000, 10); !slices.Equal(got, v.Bits) {
			t.Errorf("%q: bits %v, want %v", v.Input, got, v.Bits)
		}
	}
}

// js.json hash.nonAscii: units instead of bytes.
func TestJSHashNonASCII(t *testing.T) {
	v := loadJS(t).Hash.NonASCII.Vectors
	if len(v) != 4 {
		t.Fatalf("%d vectors, want 4", len(v))
	}
	for _, v := range v {
		got := positions(JS.Key(v.Input), 150_000, 10)
		if !slices.Equal(got, v.Bits) {
			t.Errorf("%q: bits %v, want %v", v.Input, got, v.Bits)
		}
		if slices.Equal(got, v.IfUTF8) {
			t.Errorf("%q: hashed as UTF-8, JS does not", v.Input)
		}
	}
}

// The one hash in 2⁶⁴ whose absolute value is negative: nim takes the remainder
// of a negative number, and the absolute value only at the end.
func TestSmallestHash(t *testing.T) {
	for _, key := range []Key{
		{kind: Nim, a: math.MinInt64, b: 12345},
		{kind: Nim, a: 12345, b: math.MinInt64},
		{kind: Nim, a: math.MinInt64, b: math.MinInt64},
		{kind: Nim, a: math.MinInt64},
	} {
		for _, m := range []int64{1, 2, 63, 64, 65, 100, 150_000, 1 << 20} {
			var want []int
			for i := range int64(MaxK) {
				a := new(big.Int).Rem(big.NewInt(key.a), big.NewInt(m))
				b := new(big.Int).Rem(big.NewInt(key.b), big.NewInt(m))
				s := a.Add(a, b.Mul(b, big.NewInt(i)))
				want = append(want, int(s.Rem(s.Abs(s), big.NewInt(m)).Int64()))
			}
			if got := positions(key, int(m), MaxK); !slices.Equal(got, want) {
				t.Errorf("%+v mod %d: %v, want %v", key, m, got, want)
			}
		}
	}
	if abs(math.MinInt64) != math.MinInt64 {
		t.Error("abs(MinInt64) is not MinInt64")
	}
}

func TestKeyAllocations(t *testing.T) {
	const id = "0xb0bf45126fdcae4c3cb4d0fc8bca3e089f8113b85a56ae89e1ee751499488dd8"
	if n := testing.AllocsPerRun(100, func() { JS.Key(id) }); n != 0 {
		t.Errorf("JS.Key allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { Nim.Key(id) }); n > 1 {
		t.Errorf("Nim.Key allocates %v times", n)
	}
}

func TestKindString(t *testing.T) {
	for k, want := range map[Kind]string{Nim: "nim", JS: "js", 0: "unknown", 9: "unknown"} {
		if k.String() != want {
			t.Errorf("Kind(%d) is %q, want %q", k, k, want)
		}
	}
}

func TestUnknownKind(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Kind(0).Key did not panic")
		}
	}()
	Kind(0).Key("id")
}
