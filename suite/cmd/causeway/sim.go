package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/causeway-im/causeway/sim/crowd"
	"github.com/causeway-im/causeway/suite/simulate"
)

const simHelp = `Sim lets thousands of members of a channel talk in virtual time, over a network
that loses messages, with the same code that runs in programs, and measures what
they notice, acknowledge and repair, and what it costs. The same scenario and
seed give the same figures.

Without a trace messages are written at random: --rate 0.2 is one in five
seconds, of the whole group, and so is --rate 1/5s. --trace plays a recorded
conversation again: one JSON object a line, {"t": seconds, "event": "msg",
"member": 0, "bytes": 5}; "join" starts a member anew with nothing, "leave" takes
it offline. --members above those of the trace adds members that only listen.

--policy classic is what the deployed SDS implementations do: a filter in every
message, the last ids as causal history, even timers, one hit as acknowledgement.
--policy both plays both, one after the other.

A scenario file sets everything, in YAML or JSON; flags go before it. Times need a
unit, shares are from 0 to 1, unknown keys are errors:

` + scenarioHelp + `
The figures: a copy is missed if the network lost the first broadcast of a message
on its way to a member that was there; it is noticed when the member knows of it,
or has the message otherwise. An acknowledgement is false if a receipt counts an
honest member that does not have the message at that moment. Control is all bytes
of SDS messages but the contents that members wrote, each broadcast once.

Exit code: 0 all is well; 1 members did not hold the same messages at the end, or
an acknowledgement was false (with both, in the run of causeway), or something
failed, or it was interrupted; 2 wrong usage, or a file that can't be used.`

const scenarioHelp = `  members: 200
  seed: 1
  dialect: lip              # what our members write: lip, js or nim
  trace: chat.jsonl         # instead of load.rate and load.duration
  load:
    rate: 0.2               # messages a second, of the whole group
    duration: 10m
    burst_size: 1           # so many together ...
    burst_spread: 0s        # ... within this time
    senders: 0              # how many ever write; 0: all
    content: 100            # bytes
    asked: 0.1              # share that wants the verdict "90 % have it"
    everyone: 0             # share that wants everybody's acknowledgement
  network:
    loss: 0.05              # by each receiver, independently
    bursts: {good: 60s, bad: 3s, loss: 1, good_loss: 0}   # Gilbert-Elliott
    branches: {count: 8, loss: 0.02}                      # whole parts of the group
    delay: {min: 260ms, max: 630ms}                       # or {by_size: true}
    duplicate: 0.01
    reorder: 0.01           # share that comes up to ...
    reorder_by: 2s          # ... this much later
    mesh_copies: 5.4
    service: {count: 4, loss: 0.02, delay: 200ms}         # between light members and the rest
  mix:
    classic: 0.5            # share of members as deployed, of flavour js or nim
    flavour: js
    light: 0.2
    hostile: 0.1
    attacks: [acks, parents, clocks, requests, fingerprints]
    attack_every: 10s
    stewards: 2
  churn: {share: 0.2, online: 10m, offline: 2m, unaware: false}
  faults:                   # kinds: offline, cut, partition, loss, restart
    - {kind: cut, from: 1m, until: 2m, share: 0.3}
    - {kind: loss, from: 3m, until: 4m, branch_loss: 0.3}
  authenticated: true       # members check who made what they receive
  no_roster: false
  clock_skew: 2s
  tail: 120s                # goes on so long after the last event
`

// simFlags are the choices on the command line.
type simFlags struct {
	sc       crowd.Scenario
	policy   policyFlag
	trace    string
	scenario string
	asJSON   bool
	html     string
}

func newSim() *cobra.Command {
	f := simFlags{sc: crowd.Scenario{Members: 100, Seed: 1, Network: crowd.Network{Loss: 0.05},
		Load: crowd.Load{Rate: 0.2, Duration: 10 * time.Minute}}, policy: policyFlag{crowd.Causeway}}
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Simulate thousands of members in virtual time, and measure",
		Long:  simHelp,
		Example: `  causeway sim
  causeway sim --members 1000 --loss 20% --policy both
  causeway sim --trace chat.jsonl --members 500 --html result.html
  causeway sim --scenario churn.yaml --json | jq .detect_ms
  causeway sim sweep --members 10,100,1000 --loss 1%,5%,20% --out results`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return err
			}
			return f.complete(cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return runSim(cmd, &f) },
	}
	flags := cmd.Flags()
	flags.Var(&intFlag{&f.sc.Members, 2, 100_000}, "members", "how many members take part, 2 to 100000")
	flags.Var((*lossFlag)(&f.sc.Network.Loss), "loss", "what each member loses, 0 to 0.9 or 0% to 90%")
	flags.Var((*rateFlag)(&f.sc.Load.Rate), "rate", "messages a second of the whole group, or as 1/5s")
	flags.Var((*durationFlag)(&f.sc.Load.Duration), "duration", "how long members write")
	flags.StringVar(&f.trace, "trace", "", "`file` with a conversation, instead of --rate and --duration")
	flags.Var((*seedFlag)(&f.sc.Seed), "seed", "where all chance comes from, a whole number")
	flags.Var(&f.policy, "policy", "what members run: causeway, classic or both")
	flags.StringVar(&f.scenario, "scenario", "", "`file` that sets everything else")
	flags.BoolVar(&f.asJSON, "json", false, "print one JSON object, a list of two with --policy both")
	flags.StringVar(&f.html, "html", "", "`file` to write a page with curves to; it also plays smaller groups")
	cmd.AddCommand(newSweep(), newParameters())
	return cmd
}

// complete puts flags and files together, and checks what comes out.
func (f *simFlags) complete(cmd *cobra.Command) error {
	set := cmd.Flags().Changed
	if f.trace != "" && (set("rate") || set("duration")) {
		return errors.New("--trace goes without --rate and --duration")
	}
	if f.scenario != "" {
		sc, err := simulate.ReadScenario(f.scenario)
		if err != nil {
			return fmt.Errorf("--scenario: %w", err)
		}
		f.overlay(&sc, set)
	}
	if f.trace != "" {
		t, err := simulate.ReadTrace(f.trace)
		if err != nil {
			return fmt.Errorf("--trace: %w", err)
		}
		l := &f.sc.Load
		f.sc.Load = crowd.Load{Trace: t, Content: l.Content, Asked: l.Asked, Everyone: l.Everyone}
		if !set("members") && f.scenario == "" {
			f.sc.Members = max(t.Members(), 2)
		}
	}
	return f.sc.Check()
}

// overlay takes sc with the flags that were set.
func (f *simFlags) overlay(sc *crowd.Scenario, set func(string) bool) {
	flags := f.sc
	f.sc = *sc
	if set("members") || sc.Members == 0 {
		f.sc.Members = flags.Members
	}
	if set("loss") {
		f.sc.Network.Loss = flags.Network.Loss
	}
	if set("seed") || sc.Seed == 0 {
		f.sc.Seed = flags.Seed
	}
	if set("rate") || sc.Load.Rate == 0 && sc.Load.Trace == nil {
		f.sc.Load.Rate = flags.Load.Rate
	}
	if set("duration") || sc.Load.Duration == 0 && sc.Load.Trace == nil {
		f.sc.Load.Duration = flags.Load.Duration
	}
	if sc.Policy != "" && !set("policy") {
		f.policy = policyFlag{sc.Policy}
	}
}

func runSim(cmd *cobra.Command, f *simFlags) error {
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	if f.html != "" {
		undo, err := touch(f.html)
		if err != nil {
			return fmt.Errorf("--html: %w", err)
		}
		defer undo()
	}
	defer tuneMemory()()
	progress := progressOf(cmd)
	results, err := simulate.Run(ctx, f.sc, f.policy, progress)
	if err != nil {
		return interrupted(err)
	}
	if err := printResults(cmd.OutOrStdout(), f, results); err != nil {
		return err
	}
	if f.html != "" {
		if err := writePage(ctx, f, results, progress); err != nil {
			return interrupted(err)
		}
	}
	if len(simulate.Failed(results[0])) > 0 { // of causeway, if it was played
		return errSilent
	}
	return nil
}

// touch tells whether a file can be written, before hours are spent on what goes there.
// What it returns takes away the empty file that this may have made.
func touch(name string) (undo func(), err error) {
	_, missing := os.Lstat(name)
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	return func() {
		if info, err := os.Lstat(name); errors.Is(missing, fs.ErrNotExist) && err == nil && info.Size() == 0 {
			os.Remove(name)
		}
	}, file.Close()
}

func printResults(w io.Writer, f *simFlags, results []*crowd.Result) error {
	if !f.asJSON {
		return simulate.WriteTable(w, &f.sc, results)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if len(f.policy) == 1 {
		return e.Encode(results[0])
	}
	return e.Encode(results)
}

func writePage(ctx context.Context, f *simFlags, results []*crowd.Result, progress *simulate.Progress) error {
	sizes, err := simulate.RunSizes(ctx, f.sc, f.policy, results, progress)
	if err != nil {
		return err
	}
	file, err := os.Create(f.html)
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	err = simulate.WritePage(file, &f.sc, results, sizes)
	return errors.Join(err, file.Close())
}

// progressOf returns what shows the progress on a terminal, nil without one.
func progressOf(cmd *cobra.Command) *simulate.Progress {
	file, ok := terminal(cmd.ErrOrStderr())
	if !ok {
		return nil
	}
	return simulate.NewProgress(file, func() int {
		width, _ := size(file)
		return width
	})
}

func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted: %w", err)
	}
	return err
}

// tuneMemory lets the collector run less often: a crowd is nearly all live. It
// returns what takes it back.
func tuneMemory() func() {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(150)
	return func() { debug.SetGCPercent(before) }
}

// policyFlag is which policies are played, in this order.
type policyFlag []crowd.Policy

func (f *policyFlag) String() string {
	if len(*f) == 2 {
		return "both"
	}
	return string(slices.Concat(*f, []crowd.Policy{""})[0])
}

func (f *policyFlag) Type() string { return "policy" }

func (f *policyFlag) Set(s string) error {
	switch s {
	case string(crowd.Causeway), string(crowd.ClassicPolicy):
		*f = policyFlag{crowd.Policy(s)}
	case "both":
		*f = policyFlag{crowd.Causeway, crowd.ClassicPolicy}
	default:
		return fmt.Errorf("must be %s, %s or both", crowd.Causeway, crowd.ClassicPolicy)
	}
	return nil
}
