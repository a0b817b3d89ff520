package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestPeerFlags(t *testing.T) {
	const js = `"dialect":"js","causalHistory":200,"possibleAcks":2,"lostTimeoutMs":0,"repair":true,"repairBuffer":1000,"tMin":30000,"tMax":120000,"groups":1}`
	tests := []struct {
		args   string
		code   int
		out    string // of the first line
		errOut string
	}{
		{"--channel tea --sender alice --dialect js", 0, `{"event":"ready","implementation":"causeway","channel":"tea","sender":"alice",` + js, ""},
		{"--channel tea --sender alice", 0, `"dialect":"lip","causalHistory":20,"possibleAcks":2,`, ""},
		{"--channel tea --sender alice --dialect nim", 0, `"causalHistory":10,"possibleAcks":1,"lostTimeoutMs":0,"repair":true,"repairBuffer":1000,"tMin":30000,"tMax":300000`, ""},
		{"--channel tea --sender alice --causal-history 0", 0, `"causalHistory":0,`, ""},
		{"--channel tea --sender alice --possible-acks 5", 0, `"possibleAcks":5,`, ""},
		{"--channel tea --sender alice --lost-timeout-ms 77", 0, `"lostTimeoutMs":77,`, ""},
		{"--channel tea --sender alice --no-repair", 0, `"repair":false,`, ""},
		{"--channel tea --sender alice --repair-buffer 9", 0, `"repairBuffer":9,`, ""},
		{"--channel tea --sender alice --t-min 11", 0, `"tMin":11,`, ""},
		{"--channel tea --sender alice --t-max 12", 0, `"tMax":12,`, ""},
		{"--channel tea --sender alice --groups 3", 0, `"groups":3}`, ""},

		{"--sender alice", 2, "", "channel is 0 bytes"},
		{"--channel tea", 2, "", "sender is 0 bytes"},
		{"--channel tea --sender alice --dialect klingon", 2, "", "must be lip, js or nim"},
		{"--channel tea --sender alice --possible-acks 0", 2, "", "possible-acks is 0"},
		{"--channel tea --sender alice --t-min -4", 2, "", "t-min is -4"},
		{"--channel tea --sender alice --t-max 9223372036854775807", 2, "", "t-max is"},
		{"--channel tea --sender alice --clock -1", 2, "", "clock is -1"},
		{"--channel tea --sender alice more", 2, "", "unknown command"},
	}
	for _, tt := range tests {
		var out, errOut strings.Builder
		code := run(newRoot(), strings.Fields("peer "+tt.args), strings.NewReader(""), &out, &errOut)
		if code != tt.code || !strings.Contains(out.String(), tt.out) || !strings.Contains(errOut.String(), tt.errOut) {
			t.Errorf("%s: code %d, says %s%s", tt.args, code, out.String(), errOut.String())
		}
	}
}

func TestPeerClock(t *testing.T) {
	var out, errOut strings.Builder
	in := strings.NewReader(`{"cmd":"state","seq":5}` + "\n" + `{"cmd":"exit"}` + "\n" + `{"cmd":"state"}` + "\n")
	args := strings.Fields("peer --channel tea --sender alice --dialect js --clock 1700000000123")
	if code := run(newRoot(), args, in, &out, &errOut); code != 0 {
		t.Fatal(errOut.String())
	}
	var lines []struct{ Event, Cmd, Lamport string }
	for d := json.NewDecoder(strings.NewReader(out.String())); d.More(); {
		var l struct{ Event, Cmd, Lamport string }
		if err := d.Decode(&l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	if got := fmt.Sprint(lines); got != "[{ready  } {state  1700000000123} {done state } {done exit }]" {
		t.Errorf("says %s", got)
	}
}
