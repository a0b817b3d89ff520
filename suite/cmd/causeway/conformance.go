package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/suite/conformance"
)

func newConformance() *cobra.Command {
	var command, only string
	var asJSON bool
	dialect := sds.LIP
	var f conformance.File
	cmd := &cobra.Command{
		Use:   "conformance",
		Short: "Hold an SDS participant against the specification",
		Long: `Conformance says to a participant what stands in the dialogues of the specification
(spec/vectors/dialogues) and prints which requirements its answers meet.

The participant is a program that reads commands and prints events as "causeway
peer" does: see causeway peer --help. It is started once for each case, with the
flags --channel, --sender, --dialect and --clock, and for some cases
--lost-timeout-ms, --possible-acks, --t-min and --t-max. Without --peer it is
"causeway peer" itself.

Each case names the requirements that it proves. Where one fails, the line below
says which step it was and what differed.

Exit code: 0 all cases hold; 1 some do not, or the participant did not start; 2
wrong usage.`,
		Example: `  causeway conformance --dialect nim
  causeway conformance --peer 'node interop/js/peer.mjs' --dialect js
  causeway conformance --only R33`,
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("peer") && len(strings.Fields(command)) == 0 {
				return errors.New("--peer is empty: give a command")
			}
			var err error
			if f, err = conformance.Load(dialect.String()); err != nil {
				return err
			}
			if f.Only(only); len(f.Cases) == 0 {
				return fmt.Errorf("--only: no case is named %q or about it", only)
			}
			return cobra.NoArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			start := ownPeer
			if command != "" {
				start = conformance.Program(strings.Fields(command)...)
			}
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			results, err := conformance.Run(ctx, start, f)
			if err != nil {
				return err
			}
			write := conformance.WriteText
			if asJSON {
				write = conformance.WriteJSON
			}
			if err := write(cmd.OutOrStdout(), dialect.String(), results); err != nil {
				return err
			}
			if conformance.Failed(results) > 0 {
				return errSilent
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&command, "peer", "", "`command` that starts the participant: words, without quotes\n(default: causeway peer)")
	flags.Var((*dialectFlag)(&dialect), "dialect", "what it writes: `lip`, js or nim")
	flags.StringVar(&only, "only", "", "the cases whose name has this `text`, or about this requirement")
	flags.BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// ownPeer is "causeway peer" in this process.
func ownPeer(_ context.Context, flags []string) (*conformance.Conn, error) {
	in, commands := io.Pipe()
	events, out := io.Pipe()
	var said strings.Builder
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(newRoot(), append([]string{"peer"}, flags...), in, out, &said)
		out.Close()
		in.Close()
	}()
	return &conformance.Conn{In: commands, Out: events, Close: func() string {
		commands.Close()
		events.Close()
		<-ended
		return strings.TrimSpace(said.String())
	}}, nil
}
