package demo

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/causeway-im/causeway/suite/internal/numbers"
)

// WriteTable writes r for people, 80 columns wide; with colour if the terminal
// has it.
func (r *Result) WriteTable(w io.Writer, colour bool) error {
	t := &table{style: style(colour)}
	t.head(r)
	t.latencies(r)
	t.traffic(r)
	t.deployed(r)
	t.waku(r.Waku)
	t.verdict(r)
	if r.Databases != "" {
		t.printf("\nThe members' databases are in %s\n", r.Databases)
	}
	_, err := io.WriteString(w, t.String())
	return err
}

type table struct {
	strings.Builder
	style style
}

func (t *table) printf(format string, args ...any) { fmt.Fprintf(t, format, args...) }

// title writes a line in bold.
func (t *table) title(format string, args ...any) {
	t.printf("%s\n", t.style.paint(bold, fmt.Sprintf(format, args...)))
}

func (t *table) head(r *Result) {
	t.title("%d members wrote %s in %s; loss %s, seed %d",
		r.Members, numbers.Plural(r.Messages, "message", "messages"), clock(seconds(r.ConversationSeconds)), numbers.Percent(r.Loss), r.Seed)
	if r.Waku != nil {
		t.printf("over Waku: %d relays, 1 light node, and a store node that is no member\n", r.Members-1)
	}
	if c := r.Cut; c != nil {
		caughtUp := "has not caught up since"
		if c.CaughtUp != nil {
			caughtUp = "had caught up " + short(time.Duration(*c.CaughtUp)*time.Millisecond) + " later"
		}
		t.printf("member %d was cut off from %s to %s and %s\n", c.Member, clock(seconds(c.FromSeconds)), clock(seconds(c.ToSeconds)), caughtUp)
	}
	if r.OK {
		t.printf("%s after the last message every sender knew that all had everything\n", short(seconds(r.Seconds-r.ConversationSeconds)))
	}
	t.printf("\npackets handed over %11s    lost %10s    %s\n", numbers.Number(r.Handed), numbers.Number(r.Lost), lostShare(r.Lost, r.Handed))
	t.printf("misses detected %15s    repaired %6s\n", numbers.Number(r.Missed), numbers.Number(r.Repaired))
	if r.Waku != nil {
		t.printf("  by members %18s\n  from the store %14s    asked for by hint; %s more by catching up\n", numbers.Number(r.ByMembers),
			numbers.Number(r.ByStoreHint), numbers.Number(r.ByStoreCatchUp))
		t.printf("the store brought others before they were missed: %s\n", numbers.Number(r.FromStore))
	}
	t.printf("messages written offline %6s    packets not heard offline %s\n\n", numbers.Number(r.Drafts), numbers.Number(r.Unheard))
}

func (t *table) latencies(r *Result) {
	t.title("%-36s%8s%8s%8s%8s%8s", "all "+numbers.Plural(r.Messages, "message", "messages"), "p50", "p90", "p95", "p99", "max")
	t.rows(&r.Latencies)
	t.title("%s while all were online*", numbers.Plural(r.AllOnline.Messages, "message", "messages"))
	t.rows(&r.AllOnline.Latencies)
	t.printf("* and for %s after; above, who was cut off sets the long times\n\n", short(calmFor))
}

func (t *table) rows(l *Latencies) {
	for _, row := range []struct {
		name string
		p    Percentiles
	}{
		{"written → a miss is detected", l.Detect},
		{"miss detected → repaired", l.Repair},
		{"written → first acknowledgement", l.FirstAck},
		{"written → full acknowledgement", l.FullAck},
	} {
		t.printf("  %-34s", row.name)
		for _, ms := range []int64{row.p.P50, row.p.P90, row.p.P95, row.p.P99, row.p.Max} {
			t.printf("%8s", short(time.Duration(ms)*time.Millisecond))
		}
		t.printf("\n")
	}
}

func (t *table) traffic(r *Result) {
	t.title("%-36s%8s%13s%14s", "sent, each broadcast counted once", "packets", "bytes", "per message")
	packets, bytes := 0, 0
	for _, c := range classes {
		name := c.String()
		packets += r.Packets[name]
		bytes += r.Bytes.ByClass[name]
		t.counts("  "+name, r.Packets[name], r.Bytes.ByClass[name], r.Messages)
	}
	t.counts("  total", packets, bytes, r.Messages)
	t.printf("%-44s%13s%14s\n", "    of it what the members wrote", numbers.Number(r.Bytes.Content), each(r.Bytes.Content, r.Messages))
	t.printf("%-44s%13s%14s\n", "    of it control, for the whole group", numbers.Number(r.Bytes.Control), each(r.Bytes.Control, r.Messages))
	t.printf("control in one content message: p50 %s bytes, p99 %s bytes\n\n",
		numbers.Number(r.Bytes.InMessageP50), numbers.Number(r.Bytes.InMessageP99))
}

func (t *table) counts(name string, packets, bytes, messages int) {
	t.printf("%-36s%8s%13s%14s\n", name, numbers.Number(packets), numbers.Number(bytes), each(bytes, messages))
}

// waku says what the Waku nodes did for that.
func (t *table) waku(w *Traffic) {
	if w == nil {
		return
	}
	t.title("Waku messages, all members' nodes together")
	t.printf("  published %13s, taken by no peer %s\n", numbers.Number(int(w.Published)), numbers.Number(int(w.Failed)))
	t.printf("  received  %13s, duplicates %s; copies sent %s\n", numbers.Number(int(w.Received)),
		numbers.Number(int(w.Duplicates)), numbers.Number(int(w.Copies)))
	var dropped []string
	for _, reason := range reasons {
		if n := w.Dropped[reason]; n > 0 {
			dropped = append(dropped, fmt.Sprintf("%13s  %s", numbers.Number(int(n)), reason))
		}
	}
	t.printf("  dropped   %s\n", strings.TrimSuffix(strings.Join(dropped, "\n            "), "\n"))
	t.printf("  stored    %13s; %s answered, with %s messages\n\n", numbers.Number(int(w.Stored)),
		numbers.Plural(w.Queries, "query", "queries"), numbers.Number(w.Answered))
}

// deployed compares with what others would have sent.
func (t *table) deployed(r *Result) {
	content := r.Bytes.ByClass["content"]
	t.title("%-44s%13s%14s", "the content messages alone, sent once**", "bytes", "per message")
	for _, row := range []struct {
		name  string
		bytes int
	}{{"Causeway", content}, {"nim-sds master", r.Bytes.Nim}, {"@waku/sds 0.0.8", r.Bytes.JS}} {
		times := ""
		if row.bytes != content && content > 0 {
			times = fmt.Sprintf("%6.0f ×", float64(row.bytes)/float64(content))
		}
		t.printf("  %-42s%13s%14s%s\n", row.name, numbers.Number(row.bytes), each(row.bytes, r.Messages), times)
	}
	t.printf("** without the syncs, resends and repairs of those two; counted by encoding\n" +
		"   the same messages, over the same logs, in their formats\n\n")
}

// verdict says what was found out, fact by fact.
func (t *table) verdict(r *Result) {
	if r.OK {
		t.printf("%s all %d logs are identical, every message is known to its sender to have\n"+
			"reached all, and no receipt ever counted a member before it had the message.\n", t.style.paint(green, "OK:"), r.Members)
		return
	}
	t.printf("%s %s.\n", t.style.paint(red, "FAILED:"), strings.Join(r.Failures, ";\n  "))
	for i, line := range r.Overdue {
		if i == maxOverdue {
			t.printf("  … and %s more\n", numbers.Number(len(r.Overdue)-i))
			break
		}
		t.printf("  %s\n", line)
	}
}

// maxOverdue is how many of the messages that have not reached all are listed.
const maxOverdue = 10

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func each(total, messages int) string {
	if messages == 0 {
		return "-"
	}
	return numbers.Number(total / messages)
}

// lostShare writes a share with one decimal.
func lostShare(lost, handed int) string {
	return fmt.Sprintf("%.1f %%", 100*float64(lost)/float64(max(handed, 1)))
}

// short writes d in at most seven characters.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}

// clock writes d as m:ss, or h:mm:ss.
func clock(d time.Duration) string {
	s := int(d / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
