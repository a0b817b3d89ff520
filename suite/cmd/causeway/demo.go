package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/causeway-im/causeway/sim/trace"
	"github.com/causeway-im/causeway/suite/demo"
)

// demoFlags are the choices on the command line that are not those of a run.
type demoFlags struct {
	trace   string
	offline offlineFlag
	asJSON  bool
}

func newDemo() *cobra.Command { return newDemoOf(demo.Defaults()) }

const demoHelp = `Demo lets a group of real nodes, each with its own SQLite file, have a real
conversation again: two hours in a minute, over a network on which every member
loses a part of everything that it is handed. One member is cut off for the
middle third; it and everybody else go on writing. What was missed has to be
found and fetched.

With --transport waku, the default, each member is a real Waku node on a free
port of 127.0.0.1: all are relays but the last, which is a light node. One more
relay is no member and has a store, which is asked for what was missed, besides
the other members. Members lose what their Waku node has received. With
--transport loopback the network is a part of this process, takes 40 to 160 ms
for a packet and has no store: all is repaired among the members.

While they talk, the terminal shows who has what. In the end a table says how it
went: what was lost, found and repaired, how long it took until senders knew that
their messages had reached all, and what it cost. Every receipt is compared with
what the member that it counts really had at that instant.

Nodes run in real time. The same seed loses the same copies of what each member
is handed, one after the other; but which packet is the first, the second and so
on varies, and so do times and figures.

A trace is one JSON object a line, {"t": seconds, "event": "msg", "member": 0,
"bytes": 5, "text": "hello"}; the events "join" and "leave" take a member online
and offline; a message without text gets one of that many bytes. A trace of more
than a minute is sped up to one, its silences are cut short; more than 400 messages
take longer, and so does, over waku, a group of more than 12: all its nodes share
the processors of this machine.

Exit code: 0 all logs are identical, every message is known to have reached all
and no receipt was ever wrong; 1 it is not so ten minutes after the last
message, or something failed, or it was interrupted; 2 wrong usage.`

// newDemoOf returns the command with defaults of its own.
func newDemoOf(o demo.Options) *cobra.Command {
	f := demoFlags{offline: offlineFlag(o.Offline)}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a group chat over a lossy network, in one terminal",
		Long:  demoHelp,
		Example: `  causeway demo
  causeway demo --members 20
  causeway demo --transport loopback --members 24 --loss 5% --seed 7
  causeway demo --offline 3 --keep /tmp/chat
  causeway demo --json | jq .full_ack_ms`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return err
			}
			if o.Members == 0 {
				o.Members = o.Transport.Members()
			}
			if err := checkMembers(o.Members, o.Transport); err != nil {
				return err
			}
			return f.offline.check(o.Members)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Offline = int(f.offline)
			return runDemo(cmd, o, f)
		},
	}
	flags := cmd.Flags()
	flags.Var((*transportFlag)(&o.Transport), "transport", "over what they talk: waku or loopback")
	flags.Var(&intFlag{&o.Members, demo.MinMembers, demo.MaxMembers}, "members",
		fmt.Sprintf("how many members take part: %d to %d, default %d, over waku;\n%d to %d, default %d, over loopback",
			demo.Waku.MinMembers(), demo.MaxMembers, demo.Waku.Members(),
			demo.Loopback.MinMembers(), demo.MaxMembers, demo.Loopback.Members()))
	flags.Var((*lossFlag)(&o.Loss), "loss", "what each member loses, 0 to 0.9 or 0% to 90%")
	flags.Var((*seedFlag)(&o.Seed), "seed", "where all losses come from, a whole number")
	flags.StringVar(&f.trace, "trace", "", "`file` with another conversation")
	flags.Var(&f.offline, "offline", "who is cut off: a member from 0 to members-1, none,\nor auto, who writes most in that time")
	flags.BoolVar(&f.asJSON, "json", false, "print one JSON object, and progress on standard error")
	flags.StringVar(&o.Keep, "keep", "", "empty or new `folder` that keeps all databases")
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
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	progress := cmd.OutOrStdout()
	if f.asJSON {
		progress = cmd.ErrOrStderr()
	}
	err = play(ctx, run, progress)
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted after %s", run.Clock())
	}
	if errors.Is(err, demo.ErrKeep) {
		return fmt.Errorf("--keep: %w", err)
	}
	if err != nil {
		return err
	}
	return report(cmd, run, f)
}

// report prints what a run has shown.
func report(cmd *cobra.Command, run *demo.Run, f demoFlags) error {
	result, err := run.Result()
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if f.asJSON {
		err = result.WriteJSON(out)
	} else {
		err = result.WriteTable(out, colours(out))
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

// play plays a run in the way that suits out.
func play(ctx context.Context, run *demo.Run, out io.Writer) (err error) {
	file, ok := terminal(out)
	if width, height := size(file); !ok || width < demo.MinWidth || height < demo.MinHeight {
		if err := run.Play(ctx, demo.NewLines(out)); err != nil {
			return err
		}
		_, err := fmt.Fprintln(out)
		return err
	}
	screen := demo.NewScreen(out, colours(out), func() (int, int) { return size(file) })
	defer func() { err = errors.Join(err, screen.Close()) }()
	if err := run.Play(ctx, screen); err != nil {
		return err
	}
	select { // the last picture is the one that everybody has waited for
	case <-time.After(lastPicture):
	case <-ctx.Done():
	}
	return nil
}

const lastPicture = 1500 * time.Millisecond

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
