package bloom

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
)

// js.json bloom
func TestJSFilters(t *testing.T) {
	v := loadJS(t).Bloom
	if len(v) != 11 {
		t.Fatalf("%d vectors, want 11", len(v))
	}
	for _, v := range v {
		o := v.Options
		p, err := Size(o.Capacity, o.ErrorRate)
		if o.K != 0 {
			p, err = SizeWithK(o.Capacity, o.ErrorRate, o.K, o.PerID)
		}
		if err != nil || p.K != v.K || p.Bits != v.TotalBits || p.Words() != v.Words {
			t.Errorf("%s: %+v, %v, want k %d, %d bits, %d words", v.Name, p, err, v.K, v.TotalBits, v.Words)
			continue
		}
		ids := idsOf(t, v.Inserted)
		f := filled(t, JS, p, ids)
		b := f.Append(nil)
		if len(b) != v.Bytes || sum(b) != v.SHA256 || v.Hex != "" && hex.EncodeToString(b) != v.Hex {
			t.Errorf("%s: %d bytes, want %d, or other bytes", v.Name, len(b), v.Bytes)
		}
		set := setBits(f)
		if len(set) != v.SetCount || v.SetBits != nil && !slices.Equal(set, v.SetBits) {
			t.Errorf("%s: bits %v (%d), want %v (%d)", v.Name, set, len(set), v.SetBits, v.SetCount)
		}
		g, err := ParseJS(b, p)
		if err != nil || len(present(g, ids)) != len(ids) || string(g.Append(nil)) != string(b) {
			t.Errorf("%s: not found again: %v", v.Name, err)
		}
	}
}

// js.json bloomFalsePositives: the same 69 of 5,000 ids.
func TestJSFalsePositives(t *testing.T) {
	v := loadJS(t).FalsePositives
	p, err := Size(100, 0.01)
	if err != nil {
		t.Fatal(err)
	}
	f := filled(t, JS, p, numbered("test", 1, 100)) // small-100-full
	got := present(f, numbered("probe", 0, v.Probes-1))
	if !slices.Equal(got, v.Present) || len(got) != 69 {
		t.Errorf("%d false positives: %v, want %v", len(got), got, v.Present)
	}
}

// nim_hash.spec.ts of @waku/sds: the published test strings; all equal signed
// MurmurHash3 over units. They are covered by TestJSHash except for this rule.
func TestJSHashIsSigned(t *testing.T) {
	key := JS.Key("ab") // 9bbfd75f as uint32
	if key.a != 1681926305 {
		t.Errorf("|int32(9bbfd75f)| = %d, want 1681926305", key.a)
	}
}

func TestParseJSLength(t *testing.T) {
	whole := filled(t, JS, Default(), []string{"test1"}).Append(nil)
	if len(whole) != 18_752 {
		t.Fatalf("a default filter has %d bytes, want 18752", len(whole))
	}
	for _, c := range []struct {
		name     string
		in       []byte
		want     error
		contains string
	}{
		{"exact", whole, nil, ""},
		{"longer is ignored", append(slices.Clone(whole), 1, 2, 3), nil, ""},
		{"at the limit", append(slices.Clone(whole), make([]byte, MaxEncoded-len(whole))...), nil, ""},
		{"empty", nil, ErrShort, "0 bytes"},
		{"one byte short", whole[:len(whole)-1], ErrShort, "18751 bytes, 150000 bits need 18752"},
		{"too large", make([]byte, MaxEncoded+1), ErrTooLarge, "limit 131072"},
	} {
		f, err := ParseJS(c.in, Default())
		if !errors.Is(err, c.want) || (err != nil && !strings.Contains(err.Error(), c.contains)) {
			t.Errorf("%s: %v, want %v with %q", c.name, err, c.want, c.contains)
			continue
		}
		if err == nil && (!f.Contains("test1") || f.Contains("test2") || string(f.Append(nil)) != string(whole)) {
			t.Errorf("%s: other filter", c.name)
		}
	}
	for _, c := range []struct {
		p    Params
		want error
	}{{Params{}, ErrHashes}, {Params{K: 1}, ErrBits}, {Params{K: 65, Bits: 64}, ErrHashes}} {
		if _, err := ParseJS(whole, c.p); !errors.Is(err, c.want) {
			t.Errorf("parameters %+v: %v, want %v", c.p, err, c.want)
		}
	}
}
