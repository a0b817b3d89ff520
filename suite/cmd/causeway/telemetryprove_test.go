package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTelemetryProve(t *testing.T) {
	tests := []struct {
		name   string
		args   []string
		code   int
		out    string
		errOut string
	}{
		{"table", []string{"--seeds", "2", "--scenario", "half lost for everybody"}, 0, "half lost for everybody 60s", ""},
		{"no seeds", []string{"--seeds", "0"}, 2, "", "--seeds is 0, must be from 1"},
		{"too many seeds", []string{"--costly-seeds", "1000000"}, 2, "", "--costly-seeds is 1000000"},
		{"unknown scenario", []string{"--scenario", "rain"}, 2, "", `no scenario "rain"`},
		{"argument", []string{"now"}, 2, "", "unknown command"},
		{"help", []string{"--help"}, 0, "one member cut off", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errOut strings.Builder
			code := run(newRoot(), append([]string{"telemetry", "prove"}, tt.args...), strings.NewReader(""), &out, &errOut)
			if code != tt.code || !strings.Contains(out.String(), tt.out) || !strings.Contains(errOut.String(), tt.errOut) {
				t.Errorf("exit code %d, output %q, errors %q", code, out.String(), errOut.String())
			}
		})
	}
}

func TestTelemetryProveJSON(t *testing.T) {
	var out, errOut strings.Builder
	args := strings.Fields("telemetry prove --seeds 3 --json --scenario calm")
	if code := run(newRoot(), args, strings.NewReader(""), &out, &errOut); code != 0 {
		t.Fatalf("exit code %d: %s", code, errOut.String())
	}
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		var r struct {
			Scenario, Measure string
			Seeds             int
			Truth, Covers     float64
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Scenario != "calm" || r.Measure == "" || r.Seeds != 3 || r.Covers != 1 || r.Truth < 0.9 {
			t.Errorf("%+v", r)
		}
	}
}
