package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTelemetryServeMistakes: each is told in the words of the command line.
func TestTelemetryServeMistakes(t *testing.T) {
	folder := t.TempDir()
	store := filepath.Join(folder, "telemetry.db")
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"--keep-raw 1h", exitUsage, "--keep-raw must be at least 72h, and is 1h0m0s"},
		{"--keep-cells -1h", exitUsage, "--keep-raw and --keep-cells must not be negative"},
		{"--every 0s", exitUsage, "--every must be above 0s"},
		{"more", exitUsage, "unknown command"},
		{"--token-file " + file + "x", exitFailed, "--token-file: open "},
		{"--password-file " + file + "x", exitFailed, "--password-file: open "},
		{"--listen here", exitFailed, "--listen: listen tcp: address here"},
		{"--store " + file, exitFailed, "--store: archive: sqlite: "},
		{"--store " + filepath.Join(folder, "none", "t.db"), exitFailed, "--store: archive: sqlite: open "},
	} {
		var out, errOut strings.Builder
		code := run(newRoot(), append([]string{"telemetry", "serve", "--store", store}, strings.Fields(tt.args)...), strings.NewReader(""), &out, &errOut)
		if code != tt.code || !strings.Contains(errOut.String(), tt.want) || out.Len() > 0 {
			t.Errorf("%s: code %d, want %d with %q; says %s%s", tt.args, code, tt.code, tt.want, &out, &errOut)
		}
	}
}
