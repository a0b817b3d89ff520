package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/suite/simulate"
)

func sim(args ...string) (code int, out, errOut string) {
	var o, e strings.Builder
	code = run(newRoot(), append([]string{"sim"}, args...), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func scenarioFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "scenario.yaml")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// little is a run of no time.
var little = []string{"--members=5", "--duration=20s", "--rate=1/2s"}

func TestSim(t *testing.T) {
	talk := chat(t, hello)
	quiet := scenarioFile(t, "members: 7\nload: {rate: 0.5, duration: 10s}\nnetwork: {loss: 0}\nseed: 9\ntail: 20s\n")
	apart := scenarioFile(t, "members: 6\nload: {rate: 0.5, duration: 10s}\nfaults: [{kind: partition, from: 1s}]\ntail: 70s\n")
	classic := scenarioFile(t, "members: 6\npolicy: classic\nload: {rate: 0.5, duration: 10s}\n")
	tests := []struct {
		name   string
		args   []string
		code   int
		out    string // a part of standard output
		errOut string // a part of standard error
	}{
		{"flags", append([]string{"--loss=20%", "--seed=3"}, little...), 0, "in 0:20; loss 20 %, seed 3\ncauseway: 2:20 of virtual time", ""},
		{"both", append([]string{"--policy=both", "--loss=0"}, little...), 0, "\nOK (classic)", ""},
		{"classic fails beside causeway", append([]string{"--policy=both"}, little...), 0, "\nFAILED (classic)", ""},
		{"classic fails alone", append([]string{"--policy=classic"}, little...), 1, "\nFAILED (classic)", ""},
		{"trace", []string{"--trace", talk}, 0, "4 members wrote 3 messages in 0:09; loss 5 %", ""},
		{"trace with listeners", []string{"--trace", talk, "--members=9"}, 0, "9 members wrote 3 messages", ""},
		{"scenario", []string{"--scenario", quiet}, 0, "7 members wrote", ""},
		{"scenario's seed", []string{"--scenario", quiet}, 0, "in 0:10; loss 0 %, seed 9\n", ""},
		{"flags before the scenario", []string{"--scenario", quiet, "--members=8", "--loss=0.1", "--seed=2", "--duration=12s"}, 0,
			"in 0:12; loss 10 %, seed 2\n", ""},
		{"scenario's policy", []string{"--scenario", classic}, 0, "\nOK (classic)", ""},
		{"policy before the scenario", []string{"--scenario", classic, "--policy=causeway"}, 0, "\nOK (causeway)", ""},
		{"trace before the scenario", []string{"--scenario", quiet, "--trace", talk}, 0, "7 members wrote 3 messages in 0:09; loss 0 %, seed 9\n", ""},
		{"trace and rate in a scenario", []string{"--scenario", scenarioFile(t, "members: 7\nload: {rate: 1}\ntrace: "+talk)}, 2, "", "load.rate beside a trace is 1"},
		{"not consistent", []string{"--scenario", apart}, 1, "\nFAILED (causeway): members do not hold the same", ""},

		{"too few members", []string{"--trace", talk, "--members=3"}, 2, "", "members is 3, but 4 members have events in the trace"},
		{"trace and rate", []string{"--trace", talk, "--rate=1"}, 2, "", "--trace goes without --rate and --duration"},
		{"no such trace", []string{"--trace", talk + "x"}, 2, "", "--trace: open "},
		{"no such scenario", []string{"--scenario", talk + "x"}, 2, "", "--scenario: open "},
		{"unknown key", []string{"--scenario", scenarioFile(t, "a: 1")}, 2, "", "scenario.yaml:1: unknown key a"},
		{"bad scenario", []string{"--scenario", scenarioFile(t, "clock_skew: 48h")}, 2, "", "clock_skew is 172800 s, must be from 0 to 86400 s"},
		{"1 member", []string{"--members=1"}, 2, "", "must be a whole number from 2 to 100000"},
		{"loss", []string{"--loss=91%"}, 2, "", "must be from 0 to 0.9, or from 0% to 90%"},
		{"rate", []string{"--rate=0"}, 2, "", "must be from 0.000001 to 100000 a second, or as 1/5s"},
		{"rate per nothing", []string{"--rate=1/"}, 2, "", "or as 1/5s"},
		{"duration", []string{"--duration=10"}, 2, "", "must be from 1s to 744h, with its unit"},
		{"seed", []string{"--seed=-1"}, 2, "", "must be a whole number from 0"},
		{"policy", []string{"--policy=best"}, 2, "", "must be causeway, classic or both"},
		{"argument", []string{"now"}, 2, "", "unknown command"},
		{"help", []string{"--help"}, 0, "Exit code: 0 all is well", ""},
		{"defaults", []string{"--help"}, 0, "how long members write (default 10m)", ""},
		{"page", append([]string{"--html", filepath.Join(quiet, "page")}, little...), 1, "", "--html: open "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errOut := sim(tt.args...)
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

// The names that others rely on.
func TestSimJSON(t *testing.T) {
	code, out, _ := sim(append([]string{"--json", "--loss=0.2"}, little...)...)
	var one map[string]any
	if err := json.Unmarshal([]byte(out), &one); err != nil || code != 0 {
		t.Fatalf("%d, %v: %s", code, err, out)
	}
	has := func(where map[string]any, of string, keys ...string) {
		for _, key := range keys {
			if _, ok := where[key]; !ok {
				t.Errorf("%s has no %s", of, key)
			}
		}
	}
	has(one, "the result", "members", "messages", "seed", "policy", "virtual_seconds", "wall_seconds", "receives", "consistent", "unrepaired",
		"false_acks", "missed", "missed_detected", "ack_first_ms", "ack_wanted_ms", "detect_ms", "repair_ms", "consistency_ms", "bytes", "verdicts")
	for _, key := range []string{"ack_first_ms", "ack_wanted_ms", "detect_ms", "repair_ms", "consistency_ms"} {
		has(one[key].(map[string]any), key, "p50", "p90", "p95", "p99", "max")
	}
	has(one["bytes"].(map[string]any), "bytes", "content", "control", "control_per_message_group", "control_in_message_p50",
		"control_in_message_p99", "idle_per_second")
	has(one["verdicts"].(map[string]any), "verdicts", "asked", "right", "undecided", "p95_ms")
	if one["members"] != 5.0 || one["policy"] != "causeway" || one["virtual_seconds"] != 140.0 || one["consistent"] != true {
		t.Errorf("%v", one)
	}
	code, out, _ = sim(append([]string{"--json", "--policy=both"}, little...)...)
	var two []map[string]any
	if err := json.Unmarshal([]byte(out), &two); err != nil || code != 0 || len(two) != 2 || two[1]["policy"] != "classic" {
		t.Errorf("%d, %v: %s", code, err, out)
	}
}

func TestSimPage(t *testing.T) {
	name := filepath.Join(t.TempDir(), "page.html")
	code, out, errOut := sim(append([]string{"--members=12", "--html", name}, little[1:]...)...)
	page, err := os.ReadFile(name)
	if code != 0 || err != nil || !strings.Contains(out, "OK (causeway)") || errOut != "" {
		t.Fatalf("%d, %v, %s%s", code, err, out, errOut)
	}
	if !strings.Contains(string(page), "12 members") || strings.Count(string(page), `<svg viewBox="0 0 520 300"`) != 4 {
		t.Errorf("%s", page)
	}
}

func TestSimInterrupted(t *testing.T) {
	for _, args := range [][]string{{"sim"}, {"sim", "sweep", "--out", t.TempDir()}} {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		root := newRoot()
		root.SetContext(ctx)
		var out, errOut strings.Builder
		if code := run(root, args, strings.NewReader(""), &out, &errOut); code != exitFailed || !strings.HasPrefix(errOut.String(), "causeway: interrupted") || out.Len() > 0 {
			t.Errorf("%v: %d, %q, %q", args, code, errOut.String(), out.String())
		}
	}
}

func TestSimSweep(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "folder")
	short := []string{"sweep", "--members=4,8", "--duration=10s", "--rate=1"}
	code, out, errOut := sim(append(short, "--loss=0,10%", "--policy=both", "--seeds=1,2", "--out", folder)...)
	if code != 0 || !strings.HasPrefix(out, "16 runs, in ") || errOut != "" {
		t.Fatalf("%d, %s%s", code, out, errOut)
	}
	entries, err := os.ReadDir(folder)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"acknowledged.svg", "consistent.svg", "control.svg", "detected.svg", "repaired.svg", "sweep.csv"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%v, %v", err, names)
	}
	text, err := os.ReadFile(filepath.Join(folder, "sweep.csv"))
	if err != nil || strings.Count(string(text), "\n") != 17 || !strings.Contains(string(text), "\nclassic,8,0.1,1,2,") {
		t.Errorf("%v, %s", err, text)
	}
	// Without losses there is nothing to notice.
	none := t.TempDir()
	if code, _, errOut := sim(append(short, "--loss=0", "--out", none)...); code != 0 {
		t.Errorf("%d, %s", code, errOut)
	}
	if _, err := os.Stat(filepath.Join(none, "detected.svg")); !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
	apart := scenarioFile(t, "members: 6\nload: {rate: 0.5, duration: 10s}\nfaults: [{kind: partition, from: 1s}]\ntail: 70s\n")
	code, out, _ = sim("sweep", "--scenario", apart, "--out", none)
	if code != exitFailed || !strings.HasPrefix(out, "1 runs") || !strings.Contains(out, "causeway, 6 members, loss 0.05, rate 0.5, seed 1: members do not hold") {
		t.Errorf("%d, %s", code, out)
	}
	for args, want := range map[string]string{
		"": "--out is missing", "--out x --members 1": "from 2 to 100000", "--out x --members 4,,5": "must be a whole number",
		"--out x --loss 5": "must be from 0 to 0.9", "--out x --parallel 0": "from 1 to 1024", "--out x --seeds a": "must be a whole number",
		"--out x --policy none": "must be causeway", "--out x --scenario " + scenarioFile(t, "tail: 1"): "1 has no unit",
		"--out x --scenario " + scenarioFile(t, "trace: "+chat(t, hello)): "a sweep has no trace",
	} {
		if code, _, errOut := sim(append([]string{"sweep"}, strings.Fields(args)...)...); code != exitUsage || !strings.Contains(errOut, want) {
			t.Errorf("%s: %d, %s", args, code, errOut)
		}
	}
}

// What the help shows is a scenario with all keys.
func TestScenarioHelp(t *testing.T) {
	text := strings.Replace(scenarioHelp, "trace: chat.jsonl", "#", 1)
	sc, err := simulate.ReadScenario(scenarioFile(t, text))
	if err != nil {
		t.Fatal(err)
	}
	if err := sc.Check(); err != nil {
		t.Error(err)
	}
	if sc.Members != 200 || len(sc.Faults) != 2 || sc.Network.MeshCopies != 5.4 {
		t.Errorf("%+v", sc)
	}
	for _, key := range simulate.Keys() {
		if !strings.Contains(scenarioHelp, key+":") && key != "policy" && key != "sides" && key != "members" {
			t.Errorf("the help does not have %s", key)
		}
	}
}
