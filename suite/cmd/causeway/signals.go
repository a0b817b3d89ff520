package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// untilSignal returns a context that ends when the program is asked to stop. A
// second SIGINT or SIGTERM then ends the program at once; a second SIGHUP does
// not, since who closes a terminal sends one and the shell another.
func untilSignal(parent context.Context) (ctx context.Context, stop func()) {
	terminal, stopTerminal := signal.NotifyContext(parent, syscall.SIGHUP)
	ctx, stopOthers := signal.NotifyContext(terminal, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stopOthers)
	return ctx, func() {
		stopOthers()
		stopTerminal()
	}
}
