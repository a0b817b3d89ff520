package main

import (
	"context"
	"errors"
	"os"
	"runtime"
	"syscall"
	"testing"
)

// TestHangUp: a terminal that is closed ends a command in good order, also when
// it says so twice.
func TestHangUp(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals")
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	deadline, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ctx, stop := untilSignal(deadline)
	defer stop()
	for range 2 {
		if err := self.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		if !errors.Is(ctx.Err(), context.Canceled) {
			t.Fatal(ctx.Err())
		}
	}
}
