package inspect

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/cockroachdb/datadriven"

	"github.com/causeway-im/causeway/sds/wire"
)

// TestPackets holds the transcripts: see testdata/README.md.
func TestPackets(t *testing.T) {
	datadriven.Walk(t, "testdata/packets", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			text, format := d.Input, Auto
			for _, arg := range d.CmdArgs {
				switch arg.Key {
				case "file":
					b, err := os.ReadFile(filepath.Join("testdata", arg.Vals[0]))
					if err != nil {
						d.Fatalf(t, "%v", err)
					}
					text = string(b)
				case "format":
					if err := format.Set(arg.Vals[0]); err != nil {
						d.Fatalf(t, "%v", err)
					}
				default:
					d.Fatalf(t, "no such argument: %s", arg.Key)
				}
			}
			packet, err := Parse(text, format)
			if err != nil {
				return "error: " + err.Error() + "\n"
			}
			return render(t, d, Inspect(packet))
		})
	})
}

func render(t *testing.T, d *datadriven.TestData, r *Report) string {
	var out strings.Builder
	write := r.WriteText
	switch d.Cmd {
	case "text":
	case "json":
		write = r.WriteJSON
	default:
		d.Fatalf(t, "no such command: %s", d.Cmd)
	}
	if err := write(&out); err != nil {
		d.Fatalf(t, "%v", err)
	}
	return out.String()
}

func TestParse(t *testing.T) {
	const sds = "0a05616c69636512026d311a01635001a201026869"
	const inBase64 = "CgVhbGljZRICbTEaAWNQAaIBAmhp"
	tests := []struct {
		name, text string
		format     Format
		want       string // in hex; "" for an error
	}{
		{"hex", sds, Auto, sds},
		{"upper case", strings.ToUpper(sds), Auto, sds},
		{"prefix", "0x" + sds, Auto, sds},
		{"blanks and lines", " 0a 05 61 6c\n69\t63 65" + sds[14:] + "\r\n", Auto, sds},
		{"bytes of a program", "0x0a, 0x05,\n0x61,", Hex, "0a0561"},
		{"string of a program", `\x0a\x05`, Hex, "0a05"},
		{"capture", "0a:05:61", Hex, "0a0561"},
		{"base64", inBase64, Auto, sds},
		{"base64 in lines", inBase64[:9] + "\n" + inBase64[9:] + "\n", Auto, sds},
		{"padded", "/+8=", Auto, "ffef"},
		{"padding left out", "/+8", Auto, "ffef"},
		{"URL alphabet", "_-8=", Auto, "ffef"},
		{"URL alphabet without padding", "_-8", Base64, "ffef"},
		{"hex and base64", "abcd", Auto, "abcd"},
		{"hex and base64, told", "abcd", Base64, "69b71d"},
		{"hex and base64, a message only in base64", "0ACEadD82E13", Auto, "d0008469d0fcd84d77"},
		{"odd digits are base64", "abc", Auto, "69b7"},
		{"neither", "h!", Auto, ""},
		{"no hex", "xy", Hex, ""},
		{"no base64", "a", Base64, ""},
		{"no format", "00", "octal", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.text, tt.format)
			if (err != nil) != (tt.want == "") {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if want, _ := parseHex(tt.want); string(got) != string(want) {
				t.Errorf("got %x, want %s", got, tt.want)
			}
		})
	}
	if b, err := Parse("", Auto); err != nil || len(b) != 0 {
		t.Errorf("nothing: got %x, %v", b, err)
	}
}

func TestText(t *testing.T) {
	for s, want := range map[string]bool{
		"": true, "hi": true, "line\n\tline\r\n": true, "héllo 😀": true,
		"a long enough text with one \x00 in it": true,
		"\x00":                                   false, "\xff\xfe": false, "\n\x05hello": false,
	} {
		if isText([]byte(s)) != want {
			t.Errorf("isText(%q) = %v", s, !want)
		}
	}
	if got := escape("a\x1b[2J\n\"\\\u202e\xffé"); got != `a\x1b[2J\n"\\\u202e\xffé` {
		t.Errorf("escape: got %s", got)
	}
}

// TestLongText cuts content that would end in the middle of a character.
func TestLongText(t *testing.T) {
	m := wire.Message{Dialect: wire.LIP, Content: []byte("a" + strings.Repeat("é", 2*maxText))}
	var out strings.Builder
	if err := Inspect(m.Encode()).WriteText(&out); err != nil {
		t.Fatal(err)
	}
	want := "  a" + strings.Repeat("é", maxText/2-1) + "\n  … and 6002 bytes more\n"
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("cut badly:\n%s", out.String())
	}
}

// FuzzInspect checks that no packet breaks the report or reaches the terminal.
func FuzzInspect(f *testing.F) {
	for _, seed := range []string{
		"0a05616c69636512026d311a01635001a201026869",
		"0a046d736731100122036368312a030102033200",
		"ffd8ffe000104a46494600010100000100010000ffdb0043",
	} {
		b, err := parseHex(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		r := Inspect(packet)
		if r.Problem == nil && r.ContentBytes+r.ControlBytes != len(packet) {
			t.Errorf("%d + %d bytes of %d", r.ContentBytes, r.ControlBytes, len(packet))
		}
		var text, inJSON strings.Builder
		if err := r.WriteText(&text); err != nil {
			t.Error(err)
		}
		for _, c := range text.String() {
			if c != '\n' && !unicode.IsPrint(c) {
				t.Errorf("%q in the text:\n%s", c, text.String())
			}
		}
		if err := r.WriteJSON(&inJSON); err != nil {
			t.Error(err)
		}
	})
}
