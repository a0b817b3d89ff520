package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"

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
{"t": 3, "event": "leave", "member": 1}
{"t": 4, "event": "msg", "member": 12, "bytes": 200}
{"t": 5, "event": "join", "member": 1}
{"t": 9, "event": "msg", "member": 2, "bytes": 3, "text": "bye"}
`

// runVirtual executes a command line in virtual time, and demands that nothing is
// left behind in the folder for temporary files.
func runVirtual(t *testing.T, root *cobra.Command, args ...string) (code int, out, errOut string) {
	t.Helper()
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	// Package signal starts a goroutine that never ends: not in the bubble.
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	signal.Stop(c)
	synctest.Test(t, func(*testing.T) {
		var o, e strings.Builder
		code = run(root, args, strings.NewReader(""), &o, &e)
		out, errOut = o.String(), e.String()
	})
	if entries, err := os.ReadDir(folder); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	return code, out, errOut
}

func TestDemo(t *testing.T) {
	good, bad := chat(t, hello), chat(t, hello+"{}\n")
	kept := filepath.Join(t.TempDir(), "kept")
	const members, loss = "must be a whole number from 2 to 64", "must be from 0 to 0.9, or from 0% to 90%"
	const offline = "must be auto, none, or a member from 0 to "
	tests := []struct {
		name   string
		args   []string
		code   int
		out    string // a part of standard output
		errOut string // a part of standard error
	}{
		{"trace", []string{"--trace", good, "--members=3"}, 0, "3 members wrote 3 messages in 0:09; loss 20 %, seed 1\nmember 0 was cut off from 0:03 to 0:06", ""},
		{"progress", []string{"--trace", good, "--members=3"}, 0, "\n0:05  2 of 3 written, ", ""},
		{"all flags", []string{"--trace", good, "--members=3", "--loss=5%", "--seed=7", "--offline=2", "--keep", kept}, 0,
			"\nmember 2 was cut off", ""},
		{"keep", []string{"--trace", good, "--members=2", "--keep", kept + "2"}, 0, "\nThe members' databases are in " + kept + "2\n", ""},
		{"kept", []string{"--trace", good, "--members=3", "--keep", kept}, 1, "", "--keep: demo: the databases need a folder of their own: " + kept + " is not empty"},
		{"no loss, nobody", []string{"--trace", good, "--members=2", "--loss", "0", "--offline=none"}, 0, "loss 0 %, seed 1\n", ""},

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
		{"seed below 0", []string{"--seed=-1"}, 2, "", `"--seed" flag: must be a whole number from 0 to 18446744073709551615`},
		{"offline above", []string{"--offline=8"}, 2, "", `invalid argument "8" for "--offline" flag: ` + offline + "7\n"},
		{"offline above, few", []string{"--offline=3", "--members=3"}, 2, "", offline + "2\n"},
		{"offline far above", []string{"--offline=64"}, 2, "", offline + "members-1"},
		{"offline below", []string{"--offline=-1"}, 2, "", offline},
		{"argument", []string{"8"}, 2, "", "unknown command"},
		{"help", []string{"--help"}, 0, "Exit code: 0 all logs are identical", ""},
		{"default loss", []string{"--help"}, 0, "0% to 90% (default 0.2)", ""},
		{"default offline", []string{"--help"}, 0, "(default auto)", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errOut := runVirtual(t, newRoot(), append([]string{"demo", "--transport=loopback"}, tt.args...)...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !strings.Contains(out, tt.out) || tt.out == "" && out != "" {
				t.Errorf("standard output %q, want %q", out, tt.out)
			}
			if !strings.Contains(errOut, tt.errOut) || tt.errOut == "" && errOut != "" {
				t.Errorf("standard error %q, want %q", errOut, tt.errOut)
			}
			if strings.Contains(out+errOut, "\x1b") {
				t.Error("drawn on what is not a terminal")
			}
		})
	}
}

// TestDemoTransport says what the transport changes.
func TestDemoTransport(t *testing.T) {
	for args, want := range map[string]string{
		"--members=3":                `invalid argument "3" for "--members" flag: must be a whole number from 4 to 64 with --transport waku`,
		"--offline=7":                "must be auto, none, or a member from 0 to 6\n",
		"--transport=tcp":            `invalid argument "tcp" for "--transport" flag: must be waku or loopback`,
		"--transport=waku --loss=91": "must be from 0 to 0.9",
	} {
		if code, out, errOut := runVirtual(t, newRoot(), append([]string{"demo"}, strings.Fields(args)...)...); code != exitUsage || out != "" ||
			!strings.Contains(errOut, want) {
			t.Errorf("%s: exit code %d, %q, %q", args, code, out, errOut)
		}
	}
	if code, out, _ := runVirtual(t, newRoot(), "demo", "--help"); code != 0 || !strings.Contains(out, "(default waku)") {
		t.Errorf("exit code %d, %q", code, out)
	}
}

// TestDemoBounds accepts what the errors say is allowed.
func TestDemoBounds(t *testing.T) {
	for _, args := range []string{"--members=2", "--members=64", "--loss=0", "--loss=0.9", "--loss=90%", "--loss=0%", "--seed=0",
		"--seed=18446744073709551615", "--offline=auto", "--offline=none", "--offline=0", "--offline=63"} {
		if err := newDemo().ParseFlags([]string{args}); err != nil {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// TestDemoJSON gives one object on standard output and progress beside it.
func TestDemoJSON(t *testing.T) {
	kept := filepath.Join(t.TempDir(), "kept")
	code, out, errOut := runVirtual(t, newRoot(), "demo", "--transport=loopback", "--json", "--members=4", "--loss=20%", "--seed=5", "--trace", chat(t, hello), "--keep", kept)
	if code != 0 || !strings.Contains(errOut, "\n0:05  ") || !strings.HasPrefix(errOut, "4 members, each loses 20 % of what it is handed; seed 5\n") {
		t.Fatalf("exit code %d: %s", code, errOut)
	}
	var r demo.Result
	d := json.NewDecoder(bytes.NewReader([]byte(out)))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil || d.More() {
		t.Fatalf("%v in %s", err, out)
	}
	if !r.OK || r.Transport != demo.Loopback || r.Waku != nil || r.Members != 4 || r.Seed != 5 || r.Databases != kept {
		t.Errorf("%+v", r)
	}
}

// TestDemoFails ends before everything has arrived.
func TestDemoFails(t *testing.T) {
	for flag, want := range map[string]string{"--json=false": "\nFAILED: the group was not done 1.00s after", "--json": `"ok": false`} {
		o := demo.Defaults()
		o.Members, o.Loss, o.Patience = 3, demo.MaxLoss, time.Second
		root := newRoot()
		root.RemoveCommand(root.Commands()...)
		root.AddCommand(newDemoOf(o))
		code, out, errOut := runVirtual(t, root, "demo", "--transport=loopback", flag, "--trace", chat(t, hello))
		if code != exitFailed || !strings.Contains(out, want) || strings.Contains(errOut, "causeway:") {
			t.Errorf("%s: exit code %d, %q is missing in %s\n%s", flag, code, want, out, errOut)
		}
	}
}

func TestDemoInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	root := newRoot()
	root.SetContext(ctx)
	code, out, errOut := runVirtual(t, root, "demo") // over Waku, which does not start
	if code != exitFailed || errOut != "causeway: interrupted after 0:00\n" || out != "" {
		t.Errorf("exit code %d, %q, %q", code, out, errOut)
	}
}
