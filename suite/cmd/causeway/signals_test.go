package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
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
	// A signal that came after the last who wants it is gone would end the tests.
	came := make(chan os.Signal, 2)
	signal.Notify(came, syscall.SIGHUP)
	defer signal.Stop(came)
	deadline, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ctx, stop := untilSignal(deadline)
	defer stop()
	for range 2 {
		if err := self.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		<-came
		<-ctx.Done()
		if !errors.Is(ctx.Err(), context.Canceled) {
			t.Fatal(ctx.Err())
		}
	}
}
