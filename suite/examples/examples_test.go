package examples

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// build makes a program of the folder.
func build(t *testing.T, example string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), example)
	if out, err := exec.Command("go", "build", "-o", program, "./"+example).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// prints runs a program in a folder and compares what it prints.
func prints(t *testing.T, folder, want, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = folder
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil || out.String() != want {
		t.Errorf("%v; it prints\n%s%s", err, out.String(), errOut.String())
	}
}

func TestDiary(t *testing.T) {
	folder, program := t.TempDir(), build(t, "diary")
	prints(t, folder, "1. who wants tea? (queued)\n", program, "who", "wants", "tea?")
	prints(t, folder, "1. who wants tea? (queued)\n2. anyone? (queued)\n", program, "anyone?")
}

func TestWaku(t *testing.T) {
	prints(t, t.TempDir(), "stored: seen by 0 of 1\nbob reads: tea at five (from the store: true)\neveryone: seen by 1 of 1\n", build(t, "waku"))
}
