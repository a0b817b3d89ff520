package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/causeway-im/causeway/suite/prove"
)

// proveFlags are the choices of telemetry prove.
type proveFlags struct {
	seeds, costlySeeds int
	first              uint64
	only               []string
	asJSON             bool
}

const maxProveSeeds = 100_000

const proveHelp = `Prove plays communities whose truth is known: members lose messages, are offline,
asleep, cut off or never heard of again, and only a part of them report. The
estimator of the telemetry sees what their devices upload, and nothing else; the
formula of the old service runs on the same reports. A table compares both with
the truth, each line the mean of many seeds.

Reporters are the messages of members who report to members who report: their
bounds must hold the truth in 95 % of the seeds, the lower one may be above it in
2.5 %, and they may be 4 points wider than the share of cells of which nothing is
known. Everyone is all messages and all members; with 16 reporters among 40
members its interval is wide, as it has to be: they may all be luckier than the
rest.

A network drop of everybody must be named as one, and an improvement of 2 points
between two protocols be found in 80 % of the seeds.

The same seeds give the same table. The scenarios of sds run package sds among all
members; they and the one of 400 members take about a second for a seed, the
others less than a tenth.

Exit code: 0 all bars are met; 1 one is not, or something failed, or it was
interrupted; 2 wrong usage.`

func newTelemetryProve() *cobra.Command {
	f := proveFlags{seeds: 200, costlySeeds: 20, first: 1}
	cmd := &cobra.Command{
		Use:   "prove",
		Short: "Compare what the telemetry says with a known truth",
		Long:  proveHelp + "\n\nScenarios:\n" + listScenarios(),
		Example: `  causeway telemetry prove --seeds 20 --costly-seeds 2
  causeway telemetry prove --scenario 'full drop, live' --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return err
			}
			return f.check()
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().IntVar(&f.seeds, "seeds", f.seeds, "seeds of each scenario")
	cmd.Flags().IntVar(&f.costlySeeds, "costly-seeds", f.costlySeeds, "seeds of those that take seconds for one")
	cmd.Flags().Uint64Var(&f.first, "seed", f.first, "the first seed")
	cmd.Flags().StringArrayVar(&f.only, "scenario", nil, "only the scenario with this `name`; may be repeated")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func listScenarios() string {
	var b strings.Builder
	for _, s := range prove.Scenarios() {
		fmt.Fprintf(&b, "  %-24s %s\n", s.Name, s.What)
	}
	return strings.TrimRight(b.String(), "\n")
}

func (f *proveFlags) check() error {
	for _, n := range []struct {
		flag  string
		value int
	}{{"seeds", f.seeds}, {"costly-seeds", f.costlySeeds}} {
		if n.value < 1 || n.value > maxProveSeeds {
			return fmt.Errorf("--%s is %d, must be from 1 to %d", n.flag, n.value, maxProveSeeds)
		}
	}
	for _, name := range f.only {
		if _, ok := prove.Find(name); !ok {
			return fmt.Errorf("there is no scenario %q; --help lists them", name)
		}
	}
	return nil
}

// scenarios are those that were asked for.
func (f *proveFlags) scenarios() []prove.Scenario {
	if len(f.only) == 0 {
		return prove.Scenarios()
	}
	var list []prove.Scenario
	for _, name := range f.only {
		s, _ := prove.Find(name)
		list = append(list, s)
	}
	return list
}

func (f *proveFlags) run(ctx context.Context, out, errOut io.Writer) error {
	if !f.asJSON {
		fmt.Fprint(out, prove.Head)
	}
	var missed []string
	for _, s := range f.scenarios() {
		n := f.seeds
		if s.Costly() {
			n = f.costlySeeds
		}
		results, err := prove.Run(ctx, s, n, f.first)
		if err != nil {
			return err
		}
		if err := f.write(out, results); err != nil {
			return err
		}
		for i := range results {
			missed = append(missed, results[i].Missed(s)...)
		}
	}
	for _, m := range missed {
		fmt.Fprintln(errOut, m)
	}
	if len(missed) > 0 {
		return errors.New("the telemetry did not tell the truth")
	}
	return nil
}

func (f *proveFlags) write(out io.Writer, results []prove.Result) error {
	if !f.asJSON {
		return prove.Write(out, results)
	}
	encoder := json.NewEncoder(out)
	for i := range results {
		if err := encoder.Encode(&results[i]); err != nil {
			return err
		}
	}
	return nil
}
