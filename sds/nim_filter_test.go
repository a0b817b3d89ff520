package sds

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/causeway-im/causeway/sds/bloom"
)

// spec R82: exactly the newest 256 received ids, whatever went before.
func TestNimFilterSlides(t *testing.T) {
	c := testChannel(t, Nim, nil)
	seconds := uint64(testStart) / 1000
	for i := range 700 {
		receive(t, c, testStart, nimContent("nim", MessageID(fmt.Sprint("0x", i)), seconds))
	}
	p, err := bloom.Size(256, 1e-4)
	if err != nil {
		t.Fatal(err)
	}
	want := newFilter(bloom.Nim, p)
	for i := 700 - 256; i < 700; i++ {
		want.Add(fmt.Sprint("0x", i))
	}
	if m := say(t, c, testStart, "hello", SendOptions{}); !bytes.Equal(m.BloomFilter, want.Append(nil)) {
		t.Error("the filter is not that of the newest 256")
	}
}
