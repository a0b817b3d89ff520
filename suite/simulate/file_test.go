package simulate

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sim/crowd"
)

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadScenario(t *testing.T) {
	const text = `members: 30
seed: 18446744073709551615
load: {rate: 0.5, duration: 1h30m}
network:
  bursts: {bad: 3s}
faults:
  - {kind: cut, from: 1m, until: 90s, share: 0.3, members: [1, 2]}
mix: {attacks: [acks, clocks], hostile: 0.1}
tail: 0s
`
	want := crowd.Scenario{Members: 30, Seed: 1<<64 - 1, Load: crowd.Load{Rate: 0.5, Duration: 90 * time.Minute},
		Network: crowd.Network{Bursts: crowd.Bursts{Bad: 3 * time.Second}},
		Faults:  []crowd.Fault{{Kind: crowd.FaultCut, From: time.Minute, Until: 90 * time.Second, Share: 0.3, Members: []int{1, 2}}},
		Mix:     crowd.Mix{Attacks: []crowd.Attack{crowd.AttackAcks, crowd.AttackClocks}, Hostile: 0.1}}
	got, err := ReadScenario(write(t, "a.yaml", text))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v\n%+v", err, got, want)
	}
	const json = `{"members": 30, "load": {"rate": 0.5, "duration": "2m"}, "authenticated": true}`
	if got, err = ReadScenario(write(t, "a.json", json)); err != nil || !got.Authenticated || got.Load.Duration != 2*time.Minute {
		t.Errorf("%v, %+v", err, got)
	}
}

func TestScenarioWithTrace(t *testing.T) {
	folder := filepath.Dir(write(t, "chat.jsonl", "")) // beside the scenario
	for name, content := range map[string]string{
		"chat.jsonl": `{"t": 1, "event": "msg", "member": 4, "bytes": 10}`, "good.yaml": "members: 3\ntrace: chat.jsonl\n",
		"none.yaml": "trace: other.jsonl", "bad.yaml": "trace: bad.yaml",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sc, err := ReadScenario(filepath.Join(folder, "good.yaml"))
	if err != nil || sc.Load.Trace == nil || sc.Load.Trace.Messages() != 1 {
		t.Errorf("%v, %+v", err, sc)
	}
	if _, err := ReadScenario(filepath.Join(folder, "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml: trace: open ") {
		t.Errorf("got %v", err)
	}
	if _, err := ReadScenario(filepath.Join(folder, "bad.yaml")); err == nil || !strings.Contains(err.Error(), "bad.yaml:1: not a JSON object") {
		t.Errorf("got %v", err)
	}
}

func TestScenarioFileErrors(t *testing.T) {
	for content, want := range map[string]string{
		"":                                       "1: the file is empty",
		"\n\nmembers: 3\nmembrs: 4\n":            "4: unknown key membrs",
		"load:\n  rate: 1\n  speed: 1\n":         "3: unknown key speed",
		"faults:\n- {kind: cut, form: 1s}\n":     "2: unknown key form",
		"members: many\n":                        `1: "many" does not fit here`,
		"members: [3]\n":                         "1: a list does not fit here",
		"members: 3\nload: {duration: 10}\n":     "2: 10 has no unit: write 10s for seconds",
		"churn:\n  online: 1.5\n":                "2: 1.5 has no unit: write 1.5s for seconds",
		"faults: [{from: 1s}, {from: 5}]\n":      "1: 5 has no unit",
		"tail: soon\n":                           `1: "soon" does not fit here`,
		"members: 3\nmembers: 4\n":               `2: mapping key "members" already defined at line 1`,
		"members: 3\n---\nmembers: 4\n":          "1: the file has more than one document",
		"members: {\n":                           ": ",
		"seed: -1\n":                             `1: "-1" does not fit here`,
		"network: {delay: {min: 1s, max: 2s}, }": "",
	} {
		name := write(t, "a.yaml", content)
		_, err := ReadScenario(name)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", content, err)
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), name+":") || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want %s", content, err, want)
		}
	}
	if _, err := ReadScenario(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there was read")
	}
}

// Every field of a scenario has a key, and every time in it is checked for its unit.
func TestScenarioKeys(t *testing.T) {
	var look func(reflect.Type, string)
	fields, times := 0, 0
	look = func(typ reflect.Type, path string) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			key := f.Tag.Get("yaml")
			if key == "" {
				t.Errorf("%s%s has no key", path, f.Name)
			}
			fields++
			switch {
			case key == "-":
			case f.Type == reflect.TypeFor[time.Duration]():
				times++
			case f.Type.Kind() == reflect.Struct:
				look(f.Type, path+f.Name+".")
			case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
				look(f.Type.Elem(), path+f.Name+".")
			}
		}
	}
	look(reflect.TypeFor[crowd.Scenario](), "")
	if fields < 50 || times < 14 {
		t.Errorf("%d fields, %d times", fields, times)
	}
}

// The scenarios that come with the command work.
func TestScenarios(t *testing.T) {
	names, err := filepath.Glob("scenarios/*.yaml")
	if err != nil || len(names) < 6 {
		t.Fatalf("%v, %v", names, err)
	}
	for _, name := range names {
		sc, err := ReadScenario(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := sc.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sc.Members, sc.Load.Rate, sc.Load.Duration, sc.Seed = 20, 0.5, 20*time.Second, 1
		if r, err := crowd.Run(t.Context(), sc, nil); err != nil || r.Messages == 0 || r.FalseAcks > 0 {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
	}
}
