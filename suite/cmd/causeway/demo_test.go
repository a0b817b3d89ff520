package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/suite/demo"
)

// chat is a small conversation in a file.
func chat(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "chat.jsonl")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const hello = `{"t": 0, "event": "msg", "member": 0, "bytes": 5, "text": "hello"}
{"t": 30, "event": "leave", "member": 1}
{"t": 40, "event": "msg", "member": 12, "bytes": 200}
{"t": 50, "event": "join", "member": 1}
{"t": 90, "event": "msg", "member": 2, "bytes": 3, "text": "bye"}
`

func TestDemo(t *testing.T) {
	good, bad := chat(t, hello), chat(t, hello+"{}\n")
	const members, loss = "must be a whole number from 2 to 64", "must be from 0 to 0.9, or from 0% to 90%"
	tests := []struct {
		name   string
		args   []string
		code   int
		out    string // a part of standard output
		errOut string // a part of standard error
	}{
		{"built-in conversation", nil, 0, "8 members wrote 195 messages", ""},
		{"progress", nil, 0, "0:05:00  written 5, had by each", ""},
		{"all flags", []string{"--members=24", "--loss=5%", "--seed=7", "--fast"}, 0, "24 members wrote 195 messages", ""},
		{"trace", []string{"--trace", good}, 0, "8 members wrote 3 messages", ""},
		{"no loss", []string{"--trace", good, "--loss", "0"}, 0, "loss 0 %, seed 1", ""},
		{"bounds", []string{"--trace", good, "--members", "2", "--loss", "10%", "--seed", "18446744073709551615"}, 0, "2 members wrote", ""},

		{"no such trace", []string{"--trace", good + "x"}, 1, "", "--trace: open "},
		{"malformed trace", []string{"--trace", bad}, 1, "", bad + ":6: t is missing"},
		{"folder", []string{"--trace", filepath.Dir(good)}, 1, "", "is a directory"},

		{"1 member", []string{"--members=1"}, 2, "", `invalid argument "1" for "--members" flag: ` + members},
		{"65 members", []string{"--members=65"}, 2, "", members},
		{"half a member", []string{"--members=2.5"}, 2, "", members},
		{"loss above", []string{"--loss=0.91"}, 2, "", `invalid argument "0.91" for "--loss" flag: ` + loss},
		{"loss below", []string{"--loss=-0.1"}, 2, "", loss},
		{"loss above, percent", []string{"--loss=91%"}, 2, "", loss},
		{"loss without a percent sign", []string{"--loss=20"}, 2, "", loss},
		{"loss not a number", []string{"--loss=NaN"}, 2, "", loss},
		{"loss in words", []string{"--loss=much"}, 2, "", loss},
		{"seed below 0", []string{"--seed=-1"}, 2, "", `"--seed" flag: must be a whole number from 0 to 18446744073709551615`},
		{"argument", []string{"8"}, 2, "", "unknown command"},
		{"help", []string{"--help"}, 0, "Exit code: 0 all logs are identical", ""},
		{"defaults", []string{"--help"}, 0, "0% to 90% (default 0.2)", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errOut strings.Builder
			code := run(newRoot(), append([]string{"demo"}, tt.args...), strings.NewReader(""), &out, &errOut)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !strings.Contains(out.String(), tt.out) || tt.out == "" && out.Len() > 0 {
				t.Errorf("standard output %q, want %q", out.String(), tt.out)
			}
			if !strings.Contains(errOut.String(), tt.errOut) || tt.errOut == "" && errOut.Len() > 0 {
				t.Errorf("standard error %q, want %q", errOut.String(), tt.errOut)
			}
			if strings.Contains(out.String(), "\x1b") {
				t.Error("drawn on what is not a terminal")
			}
		})
	}
}

// TestDemoBounds accepts what the errors say is allowed.
func TestDemoBounds(t *testing.T) {
	for _, args := range []string{"--members=2", "--members=64", "--loss=0", "--loss=0.9", "--loss=90%", "--loss=0%", "--seed=0"} {
		if err := newDemo().ParseFlags([]string{args}); err != nil {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// TestDemoJSON gives one object and nothing else, the same for the same seed.
func TestDemoJSON(t *testing.T) {
	outputs := map[string]string{}
	for _, loss := range []string{"0.2", "20%", "0.3"} {
		var out, errOut bytes.Buffer
		args := []string{"demo", "--json", "--fast", "--members=4", "--loss", loss, "--seed=5"}
		if code := run(newRoot(), args, strings.NewReader(""), &out, &errOut); code != 0 || errOut.Len() > 0 {
			t.Fatalf("exit code %d: %s", code, &errOut)
		}
		var r demo.Result
		d := json.NewDecoder(bytes.NewReader(out.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil || d.More() {
			t.Fatalf("%v in %s", err, &out)
		}
		if !r.OK || r.Members != 4 || r.Seed != 5 {
			t.Errorf("%+v", r)
		}
		outputs[loss] = out.String()
	}
	if outputs["0.2"] != outputs["20%"] || outputs["0.2"] == outputs["0.3"] {
		t.Errorf("%v", outputs)
	}
}

// TestDemoFails lets the member that is cut off never come back.
func TestDemoFails(t *testing.T) {
	for flag, want := range map[string]string{"--fast": "\nFAILED: the logs differ: member 0 has ", "--json": `"ok": false`} {
		root := newRoot()
		root.RemoveCommand(root.Commands()...)
		root.AddCommand(newDemoOf(demo.Options{Members: 8, Loss: 0.2, Seed: 1, KeepCut: true}))
		var out, errOut strings.Builder
		if code := run(root, []string{"demo", flag}, strings.NewReader(""), &out, &errOut); code != exitFailed {
			t.Errorf("exit code %d", code)
		}
		if !strings.Contains(out.String(), want) || errOut.Len() > 0 {
			t.Errorf("%s: %q is missing in %s\n%s", flag, want, &out, &errOut)
		}
	}
}

func TestDemoInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	root := newRoot()
	root.SetContext(ctx)
	var out, errOut strings.Builder
	code := run(root, []string{"demo"}, strings.NewReader(""), &out, &errOut)
	if code != exitFailed || errOut.String() != "causeway: interrupted at 0:00:00 of virtual time\n" || out.Len() > 0 {
		t.Errorf("exit code %d, %q, %q", code, out.String(), errOut.String())
	}
}
