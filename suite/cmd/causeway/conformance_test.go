package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestConformance(t *testing.T) {
	tests := []struct {
		args        string
		code        int
		out, errOut string
	}{
		{"", 0, "dialect lip: ", ""},
		{"--dialect js", 0, "dialect js: ", ""},
		{"--dialect nim", 0, "dialect nim: ", ""},
		{"--only R33", 0, "dialect lip: 2 of 2 cases hold\n", ""},
		{"--peer false --only R33", 1, "", "did not start"},
		{"--peer /no/such/program", 1, "", "no such file"},
		{"--only nothing-like-this", 2, "", `--only: no case is named "nothing-like-this"`},
		{"--dialect klingon", 2, "", "must be lip, js or nim"},
		{"--peer= ", 2, "", "--peer is empty"},
		{"more", 2, "", "unknown command"},
	}
	for _, tt := range tests {
		var out, errOut strings.Builder
		code := run(newRoot(), strings.Fields("conformance "+tt.args), strings.NewReader(""), &out, &errOut)
		if code != tt.code || !strings.Contains(out.String(), tt.out) || !strings.Contains(errOut.String(), tt.errOut) {
			t.Errorf("%s: code %d, says %s%s", tt.args, code, out.String(), errOut.String())
		}
	}
}

// TestConformanceOfAProgram: participants in processes of their own, one as it should
// be and one that neither asks nor answers.
func TestConformanceOfAProgram(t *testing.T) {
	t.Setenv(asCommand, "1")
	for _, tt := range []struct {
		peer           string
		code           int
		cases, failing int
	}{
		{os.Args[0] + " peer", 0, 2, 0},
		{os.Args[0] + " peer --no-repair", exitFailed, 2, 2},
	} {
		var out, errOut strings.Builder
		code := run(newRoot(), []string{"conformance", "--peer", tt.peer, "--json", "--only", "request"}, strings.NewReader(""), &out, &errOut)
		var got struct {
			Dialect string
			Failed  int
			Cases   []struct {
				Name, Problem string
				Holds         bool
				Requirements  []string
			}
		}
		if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
			t.Fatalf("%v: %s%s", err, &out, &errOut)
		}
		failing := 0
		for _, c := range got.Cases {
			if !c.Holds {
				failing++
			}
			if c.Holds != (c.Problem == "") || c.Name == "" || len(c.Requirements) == 0 {
				t.Errorf("%+v", c)
			}
		}
		if code != tt.code || got.Dialect != "lip" || got.Failed != tt.failing || failing != tt.failing || len(got.Cases) != tt.cases {
			t.Errorf("%s: code %d, %+v, %s", tt.peer, code, got, &errOut)
		}
	}
}
