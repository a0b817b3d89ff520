package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/causeway-im/causeway/sim/trace"
	"github.com/causeway-im/causeway/suite/demo"
)

// demoFlags are the choices on the command line of the demo.
type demoFlags struct {
	trace        string
	asJSON, fast bool
}

func newDemo() *cobra.Command {
	return newDemoOf(demo.Options{Members: 8, Loss: 0.2, Seed: 1})
}

// newDemoOf returns the command with defaults of its own.
func newDemoOf(o demo.Options) *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a group chat over a lossy network, in one terminal",
		Long: `Demo lets a group have a real conversation again, in virtual time, over a
network on which every member loses a part of everything that it is handed. One
member is cut off for the middle third; everybody goes on writing. What was
missed has to be found and repaired among the members: there is no store.

In the end a table says how that went: what was lost, found and repaired, how
long it took until senders knew that their messages had reached all, and what it
cost. The same seed gives the same table.

A trace is one JSON object a line, {"t": seconds, "event": "msg", "member": 0,
"bytes": 5, "text": "hello"}; the events "join" and "leave" take a member online
and offline; a message without text gets one of that many bytes.

Exit code: 0 all logs are identical and every message is known to have reached
all, 1 they are not, or something failed, 2 wrong usage.`,
		Example: `  causeway demo
  causeway demo --members 24 --loss 5% --seed 7
  causeway demo --json | jq .full_ack_ms`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd, o, f) },
	}
	flags := cmd.Flags()
	flags.Var(&intFlag{&o.Members, demo.MinMembers, demo.MaxMembers}, "members",
		fmt.Sprintf("how many members take part, %d to %d", demo.MinMembers, demo.MaxMembers))
	flags.Var((*lossFlag)(&o.Loss), "loss", "what each member loses, 0 to 0.9 or 0% to 90%")
	flags.Var((*seedFlag)(&o.Seed), "seed", "where all randomness comes from, a whole number")
	flags.StringVar(&f.trace, "trace", "", "`file` with another conversation")
	flags.BoolVar(&f.asJSON, "json", false, "print one JSON object, and no progress")
	flags.BoolVar(&f.fast, "fast", false, "do not wait between the pictures")
	return cmd
}

func runDemo(cmd *cobra.Command, o demo.Options, f demoFlags) error {
	if f.trace != "" {
		conversation, err := readTrace(f.trace)
		if err != nil {
			return err
		}
		o.Trace = conversation
	}
	run, err := demo.New(o)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err = play(ctx, run, cmd.OutOrStdout(), f)
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted at %s of virtual time", run.Clock())
	}
	if err != nil {
		return err
	}
	result := run.Result()
	if f.asJSON {
		err = result.WriteJSON(cmd.OutOrStdout())
	} else {
		err = result.WriteTable(cmd.OutOrStdout(), colours(cmd.OutOrStdout()))
	}
	if err == nil && !result.OK {
		err = errSilent
	}
	return err
}

func readTrace(name string) (*trace.Trace, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--trace: %w", err)
	}
	defer file.Close()
	return trace.Read(file, name)
}

// play runs the demo to its end in the way that suits out.
func play(ctx context.Context, run *demo.Run, out io.Writer, f demoFlags) (err error) {
	file, ok := terminal(out)
	if f.asJSON {
		return run.Quiet(ctx, nil)
	}
	if width, height := size(file); !ok || width < demo.MinWidth || height < demo.MinHeight {
		if err := run.Quiet(ctx, demo.NewLines(out)); err != nil {
			return err
		}
		_, err := fmt.Fprintln(out)
		return err
	}
	screen := demo.NewScreen(out, colours(out), func() (int, int) { return size(file) })
	defer func() { err = errors.Join(err, screen.Close()) }()
	return run.Watch(ctx, screen, !f.fast)
}

// terminal tells whether out is a terminal on which lines can be drawn again.
func terminal(out io.Writer) (*os.File, bool) {
	file, ok := out.(*os.File)
	return file, ok && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb"
}

// size returns width and height of a terminal, 0 if it is none.
func size(file *os.File) (width, height int) {
	if file == nil {
		return 0, 0
	}
	width, height, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0, 0
	}
	return width, height
}

// colours tells whether out is to be coloured: see no-color.org.
func colours(out io.Writer) bool {
	_, ok := terminal(out)
	return ok && os.Getenv("NO_COLOR") == ""
}
