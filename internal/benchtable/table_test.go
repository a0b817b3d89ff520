package main

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	const in = `goos: linux
goarch: amd64
pkg: github.com/causeway-im/causeway/sds/wire
cpu: Some CPU
BenchmarkDecode/lip-2         	 1000000	      1042 ns/op	     384 B/op	       5 allocs/op
BenchmarkEncode   	    1000	   2500000 ns/op	     0.5 fill/op	 1234567 B/op	       0 allocs/op
PASS
ok  	github.com/causeway-im/causeway/sds/wire	2.345s
pkg: github.com/causeway-im/causeway/sim
BenchmarkHour-2   	    1	   61250000000 ns/op	     12.34 receives/s
`
	const want = `| benchmark       | time/op |    B/op | allocs/op | fill/op | receives/s |
|-----------------|--------:|--------:|----------:|--------:|-----------:|
| wire.Decode/lip | 1.04 µs |     384 |         5 |         |            |
| wire.Encode     | 2.50 ms | 1234567 |         0 |   0.500 |            |
| sim.Hour        |  61.2 s |         |           |         |       12.3 |
`
	results, err := parse(strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	render(&got, results)
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestParseBadNumber(t *testing.T) {
	if _, err := parse(strings.NewReader("BenchmarkX 10 fast ns/op\n")); err == nil {
		t.Error("no error")
	}
}

func TestDuration(t *testing.T) {
	for ns, want := range map[float64]string{
		0: "0 ns", 0.123: "0.123 ns", 12.34: "12.3 ns", 999: "999 ns", 1000: "1 µs", 1042: "1.04 µs",
		12345678: "12.3 ms", 2e9: "2 s",
	} {
		if got := duration(ns); got != want {
			t.Errorf("%v ns: got %q, want %q", ns, got, want)
		}
	}
}
