package inspect

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"
)

const (
	inlineText = 60   // characters of content that stand in the table of fields
	maxText    = 2000 // bytes of text content that are shown
	maxDump    = 128  // bytes of binary content that are shown
	maxHex     = 40   // bytes of other binary values that are shown
	maxID      = 140  // bytes of an escaped id that are shown
	dumpWidth  = 16   // bytes in a line of a dump
)

// WriteJSON writes r as one indented JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// WriteText writes r for people. Nothing that comes from the packet reaches the
// terminal as a control character.
func (r *Report) WriteText(w io.Writer) error {
	p := &printer{}
	p.head(r)
	p.fields(r)
	p.entries("causal history", r.CausalHistory)
	p.entries("repair request", r.RepairRequest)
	p.content(r.Content)
	p.bloom(r.Bloom)
	p.extension(r.Extension)
	p.notes(r.Notes)
	_, err := io.WriteString(w, p.String())
	return err
}

type printer struct{ strings.Builder }

func (p *printer) printf(format string, args ...any) { fmt.Fprintf(p, format, args...) }

// table writes rows with aligned columns, indented, and no blanks at their ends.
func (p *printer) table(rows [][]string) {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, "  "+strings.Join(row, "\t"))
	}
	w.Flush()
	for line := range strings.Lines(out.String()) {
		p.printf("%s\n", strings.TrimRight(line, " \n"))
	}
}

func (p *printer) head(r *Report) {
	if r.Problem == nil {
		p.printf("%s message, %s dialect: %d bytes, %d of content and %d of control\n",
			r.Kind, r.Dialect, r.Bytes, r.ContentBytes, r.ControlBytes)
		switch r.ID {
		case "verified":
			p.printf("its id is made from the message, and matches\n")
		case "forged":
			p.printf("FORGED: its id is of a form that is made from the message, and does not match\n")
		}
		return
	}
	p.printf("not an SDS message: %s\n", r.Problem.Message)
	if at := r.Problem.Offset; at != nil {
		p.printf("\n%s", dumpAround(r.packet, *at))
	}
}

func (p *printer) fields(r *Report) {
	if len(r.Fields) == 0 {
		return
	}
	title := "fields"
	if last := r.Fields[len(r.Fields)-1]; last.Offset+last.Bytes < r.Bytes {
		title = "fields before the damage"
	}
	p.printf("\n%s\n", title)
	rows := [][]string{{"at", "no", "name", "bytes", "value"}}
	for i := 0; i < len(r.Fields); {
		f := r.Fields[i]
		n, size := 0, 0 // a run of entries is one row
		for i < len(r.Fields) && (n == 0 || f.isEntry() && r.Fields[i].Name == f.Name) {
			size += r.Fields[i].Bytes
			n++
			i++
		}
		value := r.value(f)
		if f.isEntry() {
			value = strconv.Itoa(n) + plural(" entry", " entries", n)
		}
		if f.Superseded {
			value += " (does not count: it comes again)"
		}
		rows = append(rows, []string{
			strconv.Itoa(f.Offset), strconv.FormatUint(f.Number, 10), f.Name, strconv.Itoa(size), value,
		})
	}
	p.table(rows)
}

func (f *Field) isEntry() bool { return f.Name == causalHistory || f.Name == repairRequest }

// value is what the table of fields says about f.
func (r *Report) value(f Field) string {
	switch {
	case f.Name == lamport && r.Lamport != nil && !f.Superseded:
		return r.Lamport.text()
	case f.Name == content && r.Content != nil && !f.Superseded && r.Content.inline():
		return brief(r.Content.raw)
	case f.Name == unknown && f.Type == "bytes":
		b, _ := hex.DecodeString(f.Value)
		return brief(b)
	}
	return briefID(f.Value)
}

func (l *Lamport) text() string {
	s := fmt.Sprintf("%d %s", l.Value, l.Unit)
	if t, err := time.Parse(time.RFC3339, l.Time); err == nil {
		layout := map[string]string{"ms": "2006-01-02 15:04:05.000 UTC", "s": "2006-01-02 15:04:05 UTC"}
		s += " = " + t.Format(layout[l.Unit])
	}
	return s
}

func (p *printer) entries(title string, list []Entry) {
	if len(list) == 0 {
		return
	}
	p.printf("\n%s\n", title)
	rows := [][]string{{"message id", "sender", "retrieval hint"}}
	for _, e := range list {
		hint := "-"
		switch {
		case e.Plain:
			hint = "(bare id)"
		case e.hint != nil:
			hint = brief(e.hint)
		}
		rows = append(rows, []string{briefID(orDash(e.MessageID)), briefID(orDash(e.SenderID)), hint})
	}
	p.table(rows)
}

// inline tells whether c is short enough for the table of fields.
func (c *Content) inline() bool {
	if c.Text == nil {
		return c.Bytes <= dumpWidth
	}
	return c.Bytes <= inlineText && !strings.Contains(*c.Text, "\n")
}

func (p *printer) content(c *Content) {
	switch {
	case c == nil || c.inline():
	case c.Text == nil:
		p.printf("\ncontent, %d bytes\n%s", c.Bytes, dump(c.raw[:min(maxDump, c.Bytes)], 0))
		p.more(c.Bytes - maxDump)
	default:
		p.printf("\ncontent, %d bytes of text\n", c.Bytes)
		text := *c.Text
		if len(text) > maxText {
			text = strings.ToValidUTF8(text[:maxText], "")
		}
		for line := range strings.Lines(text) {
			p.printf("  %s\n", escape(strings.TrimSuffix(line, "\n")))
		}
		p.more(c.Bytes - len(text))
	}
}

func (p *printer) more(bytes int) {
	if bytes > 0 {
		p.printf("  … and %d bytes more\n", bytes)
	}
}

func (p *printer) bloom(b *Bloom) {
	if b == nil {
		return
	}
	p.printf("\nbloom filter\n")
	rows := [][]string{{"container", fmt.Sprintf("%s, %d bytes", b.Container, b.Bytes)}}
	if b.Bytes == 0 {
		p.table(rows)
		return
	}
	if b.Problem != "" {
		p.table(append(rows, []string{"unreadable", b.Problem}))
		return
	}
	p.table(append(rows,
		[]string{"hashes (k)", strconv.Itoa(b.K)},
		[]string{"bits (m)", strconv.Itoa(b.M)},
		[]string{"made for", fmt.Sprintf("%d ids at a false-positive rate of %.3g", b.Capacity, b.ErrorRate)},
		[]string{"bits set", fmt.Sprintf("%d, %.3g %% of all: about %d ids", b.BitsSet, 100*b.Fill, b.EstimatedIDs)},
		[]string{"false positives", fmt.Sprintf("%.2g", b.FalsePositiveRate)},
	))
}

func (p *printer) extension(x *Extension) {
	if x == nil {
		return
	}
	p.printf("\nextension\n")
	rows := [][]string{{"size", strconv.Itoa(x.Bytes) + " bytes"}}
	if x.Problem != nil {
		p.table(append(rows, []string{"unreadable", x.Problem.Message}))
		return
	}
	add := func(name string, present bool, value string) {
		if present {
			rows = append(rows, []string{name, value})
		}
	}
	uint := func(v uint64) string { return strconv.FormatUint(v, 10) }
	add("version", x.Version != 0, uint(uint64(x.Version)))
	add("incarnation", x.Incarnation != "", x.Incarnation)
	add("sequence", x.Sequence != 0, uint(x.Sequence))
	add("group size", x.GroupSize != 0, "code "+uint(uint64(x.GroupSize)))
	add("round trip", x.RoundTrip != 0, "code "+uint(uint64(x.RoundTrip)))
	add("fingerprint", x.Fingerprint != "", x.Fingerprint)
	add("base", x.Base != 0, uint(x.Base))
	add("holes", len(x.Holes) > 0, strings.Join(x.Holes, " "))
	add("want", len(x.Want) > 0, strings.Join(x.Want, " "))
	add("census", x.Census != "", x.Census)
	add("digest", x.Digest != "", briefHex(x.Digest))
	add("ask", x.AskAll, "everybody")
	add("ask", len(x.Ask) > 0, strings.Join(x.Ask, " "))
	add("unknown", x.Unknown != "", briefHex(x.Unknown))
	p.table(rows)
}

func (p *printer) notes(list []string) {
	for i, note := range list {
		if i == 0 {
			p.printf("\n")
		}
		p.printf("note: %s\n", note)
	}
}

// dumpAround shows the line of a dump that offset is in, with the byte marked.
func dumpAround(b []byte, offset int) string {
	start := offset - offset%dumpWidth
	line := dump(b[start:min(start+dumpWidth, len(b))], start)
	column := offset - start
	return line + strings.Repeat(" ", dumpColumn(column)) + "^^ here\n"
}

// dump shows bytes as hexdump -C does.
func dump(b []byte, start int) string {
	var out strings.Builder
	for at := 0; at < len(b); at += dumpWidth {
		line := b[at:min(at+dumpWidth, len(b))]
		var digits, chars strings.Builder
		for i, c := range line {
			digits.WriteString(strings.Repeat(" ", dumpColumn(i)-dumpColumn(0)-digits.Len()))
			fmt.Fprintf(&digits, "%02x", c)
			if c < 0x20 || c > 0x7e {
				c = '.'
			}
			chars.WriteByte(c)
		}
		fmt.Fprintf(&out, "  %08x  %-48s  |%s|\n", start+at, digits.String(), chars.String())
	}
	return out.String()
}

// dumpColumn is where byte i of a dumped line stands.
func dumpColumn(i int) int { return 12 + 3*i + i/8 }

// brief shows a few bytes: as text if they are text, else as hex.
func brief(b []byte) string {
	if isText(b) && len(b) <= inlineText {
		return strconv.Quote(string(b))
	}
	return briefHex(hex.EncodeToString(b))
}

func briefHex(digits string) string {
	if len(digits) <= 2*maxHex {
		return digits
	}
	return fmt.Sprintf("%s… (%d bytes)", digits[:2*maxHex], len(digits)/2)
}

// briefID shows an escaped id. Those of deployed peers are shown in full.
func briefID(id string) string {
	if len(id) <= maxID {
		return id
	}
	return fmt.Sprintf("%s… (%d characters)", strings.ToValidUTF8(id[:maxID], ""), utf8.RuneCountInString(id))
}

// isText tells whether b is meant to be read: UTF-8 with at most one character
// in ten that cannot be printed.
func isText(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	all, bad := 0, 0
	for _, r := range string(b) {
		all++
		if !strconv.IsPrint(r) && r != '\n' && r != '\t' && r != '\r' {
			bad++
		}
	}
	return bad*10 <= all
}

// escape makes s safe for a terminal: what cannot be printed, and the backslash,
// is written as in a Go string.
func escape[T ~string | ~[]byte](s T) string {
	quoted := strconv.Quote(string(s))
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func plural(one, many string, n int) string {
	if n == 1 {
		return one
	}
	return many
}
