package main

import (
	"encoding/json"
	"strings"
	"testing"
)

const packet = "0a05616c69636512026d311a01635001a201026869" // made by @waku/sds 0.0.8

func TestInspect(t *testing.T) {
	tests := []struct {
		name   string
		args   string
		in     string
		code   int
		out    string // a part of standard output
		errOut string // a part of standard error
	}{
		{"argument", "inspect " + packet, "", 0, "content message, lip dialect", ""},
		{"dash", "inspect -", packet, 0, "content message, lip dialect", ""},
		{"standard input", "inspect", "0x" + packet + "\n", 0, "content message, lip dialect", ""},
		{"json", "inspect --json " + packet, "", 0, `"dialect": "lip"`, ""},
		{"format", "inspect --format=base64 AAAA", "", 1, "not an SDS message", ""},

		{"undecodable", "inspect " + packet[:40], "", 1, "not an SDS message", ""},
		{"undecodable, json", "inspect --json " + packet[:40], "", 1, `"class": "truncated"`, ""},
		{"empty", "inspect -", "", 1, "not an SDS message", ""},
		{"text", "inspect -", "How do you do?", 1, "", "neither hex nor base64"},
		{"too long", "inspect -", strings.Repeat("00", maxInput), 1, "", "bytes of input"},

		{"two packets", "inspect 00 00", "", 2, "", "at most 1 arg"},
		{"unknown format", "inspect --format=octal 00", "", 2, "", "auto, hex or base64"},
		{"unknown flag", "inspect --colour 00", "", 2, "", "Try 'causeway inspect --help'."},
		{"unknown command", "inspekt 00", "", 2, "", "unknown command"},

		{"help", "inspect --help", "", 0, "Exit code: 0", ""},
		{"no command", "", "", 0, "inspect  ", ""},
		{"version", "--version", "", 0, "causeway version ", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errOut strings.Builder
			code := run(newRoot(), strings.Fields(tt.args), strings.NewReader(tt.in), &out, &errOut)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !strings.Contains(out.String(), tt.out) || tt.out == "" && out.Len() > 0 {
				t.Errorf("standard output %q, want %q", out.String(), tt.out)
			}
			if !strings.Contains(errOut.String(), tt.errOut) || tt.errOut == "" && errOut.Len() > 0 {
				t.Errorf("standard error %q, want %q", errOut.String(), tt.errOut)
			}
		})
	}
}

func TestInspectJSON(t *testing.T) {
	var out, errOut strings.Builder
	if code := run(newRoot(), []string{"inspect", "--json", packet}, strings.NewReader(""), &out, &errOut); code != 0 {
		t.Fatalf("exit code %d: %s", code, errOut.String())
	}
	if !json.Valid([]byte(out.String())) {
		t.Errorf("no JSON: %s", out.String())
	}
}
