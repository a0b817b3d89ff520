package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/causeway-im/causeway"
)

func secret(b byte) []byte { return bytes.Repeat([]byte{b}, SecretSize) }

func keys(t testing.TB, secrets ...[]byte) *Keys {
	t.Helper()
	k, err := New(secrets[0], secrets[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The bytes of version 1, for other implementations.
func TestVector(t *testing.T) {
	sealed, err := keys(t, secret(1)).seal("tea", []byte("hello"), bytes.NewReader(bytes.Repeat([]byte{9}, 24)))
	if err != nil {
		t.Fatal(err)
	}
	const want = "01f18588a70429cb62090909090909090909090909090909090909090909090909613351ae05ddac2e6392c04b694b569ffc2f57cf6d"
	if got := hex.EncodeToString(sealed); got != want {
		t.Errorf("got %s", got)
	}
}

func TestSealAndOpen(t *testing.T) {
	k := keys(t, secret(1))
	for _, message := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("long "), 1000)} {
		a, err := k.Seal("tea", message)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := k.Seal("tea", message)
		if bytes.Equal(a, b) || len(a) != len(message)+Overhead || len(message) > 8 && bytes.Contains(a, message[:8]) {
			t.Errorf("sealed %x and %x", a, b)
		}
		o, err := k.Open("tea", a)
		if err != nil || !bytes.Equal(o.Message, message) || o.Authenticated || o.Sender != "" {
			t.Errorf("opened %+v, %v", o, err)
		}
	}
}

func TestNotForUsAndTampered(t *testing.T) {
	k := keys(t, secret(1))
	sealed, err := k.Seal("tea", []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed { // version and name of the key come first
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		want := ErrTampered
		if i < headSize {
			want = causeway.ErrNotForMe
		}
		if o, err := k.Open("tea", changed); !errors.Is(err, want) || o.Message != nil {
			t.Errorf("byte %d changed: %q, %v", i, o.Message, err)
		}
	}
	for n := range sealed {
		if _, err := k.Open("tea", sealed[:n]); err == nil {
			t.Errorf("%d bytes were opened", n)
		}
	}
	if _, err := k.Open("coffee", sealed); !errors.Is(err, ErrTampered) {
		t.Errorf("in another channel: %v", err)
	}
	if _, err := keys(t, secret(2)).Open("tea", sealed); !errors.Is(err, causeway.ErrNotForMe) {
		t.Errorf("with another secret: %v", err)
	}
}

// A secret is changed in two steps: nobody is left out in between.
func TestChangeOfSecret(t *testing.T) {
	before, between, after := keys(t, secret(1), secret(2)), keys(t, secret(2), secret(1)), keys(t, secret(2))
	for name, c := range map[string]struct {
		from, to *Keys
		ok       bool
	}{
		"before to between": {before, between, true}, "between to before": {between, before, true},
		"between to after": {between, after, true}, "after to between": {after, between, true}, "before to after": {before, after, false},
	} {
		sealed, err := c.from.Seal("tea", []byte("hello"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.to.Open("tea", sealed); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, s := range [][]byte{nil, make([]byte, 31), make([]byte, 33)} {
		if _, err := New(s); err == nil {
			t.Errorf("a secret of %d bytes was taken", len(s))
		}
		if _, err := New(secret(1), s); err == nil {
			t.Errorf("an older secret of %d bytes was taken", len(s))
		}
	}
	if _, err := New(secret(1), make([][]byte, maxKeys)...); err == nil {
		t.Error("too many secrets were taken")
	}
}

func FuzzOpen(f *testing.F) {
	k, err := New(secret(1))
	if err != nil {
		f.Fatal(err)
	}
	// The same in each of the processes that fuzz.
	sealed, _ := k.seal("tea", []byte("hello"), bytes.NewReader(make([]byte, 24)))
	f.Add(sealed)
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, err := k.Open("tea", b); err == nil && !bytes.Equal(b, sealed) {
			t.Errorf("opened %q", o.Message)
		}
	})
}
