package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/suite/peer"
)

func newPeer() *cobra.Command {
	f := peerFlags{dialect: sds.LIP}
	cmd := &cobra.Command{
		Use:   "peer --channel id --sender id",
		Short: "Be one SDS participant that does what standard input says",
		Long: `Peer is one participant in one channel, for whoever tests an SDS implementation:
it reads a command a line, answers with events, and keeps its state until the end.
It has no network: carry the payloads yourself. Nothing in it runs on a timer.

Commands and events are JSON objects; bytes are base64, Lamport timestamps decimal
strings, times milliseconds since 1970. The first line is the event "ready". The
events of a command end with {"event":"done","cmd":…,"seq":…}, seq being the
command's. What can't be done is an event "error". The commands:

  {"cmd":"send","content":…}        also retrievalHint, and fail: the transport
                                    refused it
  {"cmd":"ephemeral","content":…}
  {"cmd":"receive","payload":…}     also retrievalHint
  {"cmd":"sweep"}                   deliver what waited, give up, answer repair
                                    requests; with resend also send again
  {"cmd":"sync"}
  {"cmd":"state"}
  {"cmd":"decode","payload":…}
  {"cmd":"clock","now":…}           or "advance"; "now":null is the real time
  {"cmd":"exit"}

The documentation of the package suite/peer has all events and says where this
peer does better than deployed ones. What a flag is left out for is what the
deployed implementation of the dialect does: nim-sds for nim, and @waku/sds for js
and, except for the causal history, for lip.

Exit code: 0 it was told to, or its input ended; 1 it failed; 2 wrong usage.`,
		Example: `  causeway peer --channel tea --sender alice --dialect js --clock 1700000000000`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return err
			}
			config := f.config(cmd.Flags())
			return config.Check()
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return peer.Serve(f.config(cmd.Flags()), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	f.add(cmd.Flags())
	return cmd
}

// peerFlags are the flags of peer. Most have a default that depends on the
// dialect.
type peerFlags struct {
	channel, sender                            string
	dialect                                    sds.Dialect
	causalHistory, possibleAcks, buffer, group int
	lostTimeout, tMin, tMax, clock             int64
	noRepair                                   bool
}

func (f *peerFlags) add(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.StringVar(&f.channel, "channel", "", "channel `id`")
	flags.StringVar(&f.sender, "sender", "", "participant `id`, unique in the channel")
	flags.Var((*dialectFlag)(&f.dialect), "dialect", "what it writes: `lip`, js or nim (it reads all)")
	flags.IntVar(&f.causalHistory, "causal-history", 0, "how many messages a message names at most\n(`n`; default: lip 20, js 200, nim 10)")
	flags.IntVar(&f.possibleAcks, "possible-acks", 0, "how many messages whose filter has an id acknowledge\nit (`n`; default: lip and js 2, nim 1)")
	flags.Int64Var(&f.lostTimeout, "lost-timeout-ms", 0, "give a missing message up after so many `ms`\n(default: never)")
	flags.BoolVar(&f.noRepair, "no-repair", false, "neither ask for missing messages nor answer (no SDS-R)")
	flags.IntVar(&f.buffer, "repair-buffer", 0, "how many requests, and answers, wait at most\n(`n`; default 1000)")
	flags.Int64Var(&f.tMin, "t-min", 0, "least wait before a repair request, `ms`\n(default 30000)")
	flags.Int64Var(&f.tMax, "t-max", 0, "bound of the wait before a repair request or answer,\n`ms` (default: lip and js 120000, nim 300000)")
	flags.IntVar(&f.group, "groups", 0, "response groups (`n`; default 1)")
	flags.Int64Var(&f.clock, "clock", 0, "stop the clock at this `ms` since 1970\n(default: it runs)")
}

// config returns the defaults of the dialect with what was given.
func (f *peerFlags) config(flags *pflag.FlagSet) peer.Config {
	c := peer.Defaults(f.dialect)
	c.Channel, c.Sender, c.NoRepair = wire.ChannelID(f.channel), wire.ParticipantID(f.sender), f.noRepair
	set := func(name string, to *int, value int) {
		if flags.Changed(name) {
			*to = value
		}
	}
	set("causal-history", &c.CausalHistory, f.causalHistory)
	set("possible-acks", &c.PossibleAcks, f.possibleAcks)
	set("repair-buffer", &c.RepairBuffer, f.buffer)
	set("groups", &c.Groups, f.group)
	setMillis := func(name string, to *time.Duration, value int64) {
		if flags.Changed(name) {
			*to = millis(value)
		}
	}
	setMillis("lost-timeout-ms", &c.LostTimeout, f.lostTimeout)
	setMillis("t-min", &c.TMin, f.tMin)
	setMillis("t-max", &c.TMax, f.tMax)
	if flags.Changed("clock") {
		c.Now = &f.clock
	}
	return c
}

// millis is safe for any number: what is out of range stays so.
func millis(n int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(max(-most, min(n, most))) * time.Millisecond
}

// dialectFlag is what a channel emits, by name.
type dialectFlag sds.Dialect

func (d *dialectFlag) String() string { return sds.Dialect(*d).String() }

func (d *dialectFlag) Type() string { return "dialect" }

func (d *dialectFlag) Set(s string) error {
	for _, known := range []sds.Dialect{sds.LIP, sds.JS, sds.Nim} {
		if s == known.String() {
			*d = dialectFlag(known)
			return nil
		}
	}
	return fmt.Errorf("must be lip, js or nim")
}
