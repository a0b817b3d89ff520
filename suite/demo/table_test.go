package demo

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/causeway-im/causeway/suite/internal/numbers"
)

// sample is a Result whose values differ.
func sample() Result {
	next := int64(0)
	four := func() Latencies {
		p := func() Percentiles {
			next += 5
			return Percentiles{next * 1000, (next + 1) * 1000, (next + 2) * 1000, (next + 3) * 1000, (next + 4) * 1000}
		}
		return Latencies{p(), p(), p(), p()}
	}
	late := int64(4_711_000)
	r := Result{Seed: 77, Members: 41, Loss: 0.125, Messages: 1000, Handed: 20_123_456, Lost: 5_123_456, Unheard: 765_432,
		Missed: 60_001, Repaired: 60_002, Latencies: four(), AllOnline: AllOnline{Messages: 987, Latencies: four()},
		Cut: &Cut{Member: 39, FromSeconds: 3600, ToSeconds: 7325, CaughtUp: &late}, Drafts: 876,
		Packets: map[string]int{}, ConversationSeconds: 9000.5, Seconds: 9012.3, OK: true,
		Bytes: Bytes{Content: 111_000, Control: 222_000, ByClass: map[string]int{}, InMessageP50: 171, InMessageP99: 272,
			JS: 33_333_000, Nim: 44_444_000}}
	for i, c := range classes {
		r.Packets[c.String()], r.Bytes.ByClass[c.String()] = 501+i, 601_000+1000*i
	}
	return r
}

// TestTable looks for each value of a Result.
func TestTable(t *testing.T) {
	r := sample()
	want := []string{"seed 77", "41 members", "12.5 %", "1,000 messages", "20,123,456", "5,123,456", "25.5 %", "765,432",
		"60,001", "60,002", "987 messages while", "member 39", "1:00:00", "2:02:05", "1h18m", "876", "2:30:00", "11.8s after the last",
		"111,000", "111\n", "222,000", "222\n", "171", "272", "33,333,000", "33,333 ", "44,444,000", "44,444 ", "all 41 logs"}
	for i := range classes {
		want = append(want, numbers.Number(501+i), numbers.Number(601_000+1000*i), numbers.Number(601+i)+"\n")
	}
	want = append(want, numbers.Number(6*501+15), numbers.Number(6*601_000+15_000), "55 ×", "74 ×")
	for n := int64(5); n < 45; n++ {
		want = append(want, short(time.Duration(n)*time.Second))
	}
	var b bytes.Buffer
	if err := r.WriteTable(&b, false); err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if !strings.Contains(b.String(), w) {
			t.Errorf("%q is missing in\n%s", w, &b)
		}
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(line) - 1; n > 79 || strings.HasSuffix(line, " \n") {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("colours were not wanted")
	}
	b.Reset()
	if err := r.WriteTable(&b, true); err != nil || !strings.Contains(b.String(), "\x1b[32mOK:\x1b[0m") {
		t.Errorf("%v, no green in\n%s", err, &b)
	}
}

// TestTableOfWaku adds what Waku's nodes have counted.
func TestTableOfWaku(t *testing.T) {
	r := sample()
	r.Transport, r.ByMembers, r.ByStoreHint, r.ByStoreCatchUp, r.FromStore = Waku, 30_001, 20_002, 9_999, 8_765
	r.Waku = &Traffic{Published: 1_000_001, Failed: 32, Received: 1_000_002, Copies: 9_000_003, Duplicates: 9_000_004, Stored: 1_000_005,
		Queries: 60_006, Answered: 70_007, Dropped: map[string]uint64{}}
	for i, reason := range reasons {
		r.Waku.Dropped[reason] = uint64(100_001 + i)
	}
	want := []string{"over Waku: 40 relays, 1 light node, and a store node", "by members             30,001\n", "from the store         20,002    asked for by hint; 9,999 more by catching up\n", "before they were missed: 8,765\n",
		"1,000,001, taken by no peer 32\n", "1,000,002, duplicates 9,000,004; copies sent 9,000,003\n", "1,000,005; 60,006 queries answered, with 70,007 messages"}
	for i, reason := range reasons {
		want = append(want, numbers.Number(100_001+i)+"  "+reason+"\n")
	}
	var b bytes.Buffer
	if err := r.WriteTable(&b, false); err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if !strings.Contains(b.String(), w) {
			t.Errorf("%q is missing in\n%s", w, &b)
		}
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(line) - 1; n > 79 || strings.HasSuffix(line, " \n") {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}

// TestTableFails lists what is missing, but not without end.
func TestTableFails(t *testing.T) {
	r := sample()
	r.OK, r.Cut = false, nil
	r.Failures = []string{"this", "that"}
	for range maxOverdue + 3 {
		r.Overdue = append(r.Overdue, "a message")
	}
	var b bytes.Buffer
	if err := r.WriteTable(&b, false); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(b.String(), "FAILED: this;\n  that.\n"+strings.Repeat("  a message\n", maxOverdue)+"  … and 3 more\n") ||
		strings.Contains(b.String(), "cut off from") || strings.Contains(b.String(), "after the last message") {
		t.Errorf("%s", &b)
	}
}

// TestJSON holds the names of the fields, which scripts rely on.
func TestJSON(t *testing.T) {
	r := sample()
	r.Databases, r.Failures, r.Overdue, r.Violations = "x", []string{}, []string{}, []string{}
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(b.Bytes(), &tree); err != nil {
		t.Fatal(err)
	}
	const want = "acknowledged all_online bytes conversation_seconds consistent cut databases detect_ms drafts failures first_ack_ms " +
		"full_ack_ms handed loss lost members messages missed ok overdue packets repair_ms repaired repaired_by_members repaired_by_store_catch_up repaired_by_store_hint from_store_unmissed seconds seed transport unheard violations waku"
	names := slices.Sorted(maps.Keys(tree))
	sorted := strings.Fields(want)
	slices.Sort(sorted)
	if !slices.Equal(names, sorted) {
		t.Errorf("got %v\nwant %v", names, sorted)
	}
	for _, name := range regexp.MustCompile(`"[^"]*":`).FindAllString(b.String(), -1) {
		if !regexp.MustCompile(`^"[a-z0-9_]+":$`).MatchString(name) {
			t.Errorf("field %s", name)
		}
	}
}

// TestDeployedBytes compares with sums made by hand for three messages of 1, 2
// and 3 bytes: each member has heard all before it speaks.
func TestDeployedBytes(t *testing.T) {
	const (
		js       = 22 + 66 + 34 + 7 + 18_756 + 3 // fields of a message of @waku/sds
		jsEntry  = 2 + 66 + 22
		nim      = 68 + 6 + 34 + 18_772 + 2
		nimOwn   = 2 + 68
		nimOther = nimOwn + 22
	)
	play(t, Options{Transport: Loopback, Members: 3, Seed: 1, Offline: Nobody, Trace: parse(t, "0 0 msg a\n5 0 msg bb\n10 0 msg ccc")}, func(t *testing.T, r *Run, res Result) {
		if want := 3*js + 6 + 3*jsEntry; res.Bytes.JS != want {
			t.Errorf("js %d, want %d", res.Bytes.JS, want)
		}
		if want := 3*nim + 6 + 3*nimOwn; res.Bytes.Nim != want {
			t.Errorf("nim %d, want %d", res.Bytes.Nim, want)
		}
	})
	// Member 1, cut off from 10 s to 20 s, has not heard "bb" when it says "ccc".
	o := Options{Transport: Loopback, Members: 3, Seed: 1, Offline: Talker, Trace: parse(t, "0 0 msg a\n11 2 msg bb\n12 1 msg ccc\n13 1 msg d\n30 0 msg e")}
	play(t, o, func(t *testing.T, r *Run, res Result) {
		if want := 5*js + 8 + (0+1+1+2+4)*jsEntry; res.Bytes.JS != want || res.Cut.Member != 1 {
			t.Errorf("js %d, want %d; cut %+v", res.Bytes.JS, want, res.Cut)
		}
		if want := 5*nim + 8 + (0+1+1+1+3)*nimOther + (0+0+0+1+1)*nimOwn; res.Bytes.Nim != want {
			t.Errorf("nim %d, want %d", res.Bytes.Nim, want)
		}
	})
}

// TestCalm says which messages count as sent while everybody was online.
func TestCalm(t *testing.T) {
	o := Options{Transport: Loopback, Members: 2, Seed: 1, Offline: Talker, Trace: parse(t, `0 0 msg long before the cut
		9.9 0 msg ten seconds and a bit before it
		10.1 0 msg less than that before it
		30 1 msg in it
		40 1 msg at its end
		60 0 msg in the end`)}
	play(t, o, func(t *testing.T, r *Run, res Result) {
		var calm []bool
		for _, t := range r.rec.order {
			calm = append(calm, t.calm)
		}
		// What is said at its end is said by a member that is not back yet.
		if want := []bool{true, true, false, false, false, true}; !slices.Equal(calm, want) {
			t.Errorf("got %v, want %v", calm, want)
		}
		if res.AllOnline.Messages != 3 || res.Cut.Member != 1 || res.Drafts != 2 {
			t.Errorf("%+v", res)
		}
	})
}

func TestFormats(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{numbers.Number(0), "0"}, {numbers.Number(999), "999"}, {numbers.Number(1000), "1,000"}, {numbers.Number(1234567), "1,234,567"}, {numbers.Number(-1234), "-1,234"},
		{numbers.Percent(0.2), "20 %"}, {numbers.Percent(0.125), "12.5 %"}, {numbers.Percent(0), "0 %"}, {lostShare(1, 8), "12.5 %"}, {lostShare(0, 0), "0.0 %"},
		{short(0), "0.00s"}, {short(9994 * time.Millisecond), "9.99s"}, {short(59 * time.Second), "59.0s"},
		{short(61 * time.Second), "1m01s"}, {short(3660 * time.Second), "1h01m"},
		{clock(65 * time.Second), "1:05"}, {clock(3725 * time.Second), "1:02:05"},
		{numbers.Plural(1, "miss", "misses"), "1 miss"}, {numbers.Plural(2, "miss", "misses"), "2 misses"}, {each(7, 0), "-"}, {each(7, 2), "3"},
		{fit("a\x1b[31mb\tc", 7), "a [31mb"}, {fit("日本", 3), "日"}, {fit("häß", 3), "häß"}, {pad("日本", 5), "日本 "}, {pad("है", 3), "है  "},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
	if got := percentiles(nil); got != (Percentiles{}) {
		t.Errorf("of nothing: %v", got)
	}
}
