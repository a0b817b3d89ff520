package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/causeway-im/causeway/sim/crowd"
	"github.com/causeway-im/causeway/suite/plot"
	"github.com/causeway-im/causeway/suite/simulate"
)

const sweepHelp = `Sweep plays a grid of simulations, several at a time: every combination of
--members, --loss, --rate, --policy and --seeds. It writes a line for each into
sweep.csv in the folder --out, and plots over the size of the group beside it:
control.svg, acknowledged.svg, detected.svg, repaired.svg and consistent.svg.

--scenario sets what else they have in common; see causeway sim --help.

Exit code: 0 all is well; 1 in a run of causeway members did not hold the same
messages at the end or an acknowledgement was false, or something failed, or it
was interrupted; 2 wrong usage.`

type sweepFlags struct {
	grid     simulate.Grid
	policy   policyFlag
	duration durationFlag
	scenario string
	out      string
}

func newSweep() *cobra.Command {
	f := sweepFlags{policy: policyFlag{crowd.Causeway}, duration: durationFlag(10 * time.Minute),
		grid: simulate.Grid{Members: []int{10, 100, 1000}, Loss: []float64{0.05}, Rate: []float64{0.2}, Seeds: []uint64{1}}}
	cmd := &cobra.Command{
		Use:   "sweep --out FOLDER",
		Short: "Play a grid of simulations, and plot it",
		Long:  sweepHelp,
		Example: `  causeway sim sweep --out results
  causeway sim sweep --members 10,100,1000 --loss 1%,5%,20% --policy both --out results
  causeway sim sweep --scenario churn.yaml --rate 1/30s,1/5s,1 --seeds 1,2,3 --out results`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return err
			}
			return f.complete(cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return runSweep(cmd, &f) },
	}
	flags := cmd.Flags()
	flags.Var(newList(&f.grid.Members, "numbers", func(n *int) flagValue { return &intFlag{n, 2, 100_000} }), "members", "sizes of the group, 2 to 100000")
	flags.Var(newList(&f.grid.Loss, "shares", func(l *float64) flagValue { return (*lossFlag)(l) }), "loss", "what each member loses, 0 to 0.9 or 0% to 90%")
	flags.Var(newList(&f.grid.Rate, "rates", func(r *float64) flagValue { return (*rateFlag)(r) }), "rate", "messages a second of the whole group, or as 1/5s")
	flags.Var(newList(&f.grid.Seeds, "numbers", func(s *uint64) flagValue { return (*seedFlag)(s) }), "seeds", "where all chance comes from, a run for each")
	flags.Var(&f.policy, "policy", "what members run: causeway, classic or both")
	flags.Var(&f.duration, "duration", "how long members write")
	flags.StringVar(&f.scenario, "scenario", "", "`file` that sets everything else")
	flags.StringVar(&f.out, "out", "", "`folder` for the results, made if it is not there")
	flags.Var(&intFlag{&f.grid.Parallel, 1, 1024}, "parallel", "how many runs at a time, default the number of processors")
	return cmd
}

func (f *sweepFlags) complete(cmd *cobra.Command) error {
	if f.out == "" {
		return errors.New("--out is missing: where the results go")
	}
	if f.scenario != "" {
		sc, err := simulate.ReadScenario(f.scenario)
		if err != nil {
			return fmt.Errorf("--scenario: %w", err)
		}
		if sc.Load.Trace != nil {
			return errors.New("--scenario: a sweep has no trace: its runs differ in their rates")
		}
		f.grid.Base = sc
		set := cmd.Flags().Changed
		adopt(&f.grid.Members, sc.Members, set("members"))
		adopt(&f.grid.Loss, sc.Network.Loss, set("loss"))
		adopt(&f.grid.Rate, sc.Load.Rate, set("rate"))
		adopt(&f.grid.Seeds, sc.Seed, set("seeds"))
		if sc.Policy != "" && !set("policy") {
			f.policy = policyFlag{sc.Policy}
		}
		if sc.Load.Duration != 0 && !set("duration") {
			f.duration = durationFlag(sc.Load.Duration)
		}
	}
	f.grid.Policies = f.policy
	f.grid.Base.Load.Duration = time.Duration(f.duration)
	return f.grid.Check()
}

// adopt takes the value of a scenario unless a flag was set.
func adopt[T comparable](list *[]T, v T, set bool) {
	var zero T
	if !set && v != zero {
		*list = []T{v}
	}
}

func runSweep(cmd *cobra.Command, f *sweepFlags) error {
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	defer tuneMemory()()
	if err := os.MkdirAll(f.out, 0o777); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	rows, err := f.grid.Run(ctx, progressOf(cmd))
	if err != nil {
		return interrupted(err)
	}
	if err := writeFile(f.out, "sweep.csv", func(w io.Writer) error { return simulate.WriteCSV(w, rows) }); err != nil {
		return err
	}
	charts := f.grid.Plots(rows)
	for _, name := range slices.Sorted(maps.Keys(charts)) {
		err := writeFile(f.out, name+".svg", charts[name].WriteSVG)
		if errors.Is(err, plot.ErrEmpty) { // as when nothing was lost
			err = os.Remove(filepath.Join(f.out, name+".svg"))
		}
		if err != nil {
			return err
		}
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%d runs, in %s\n", len(rows), filepath.Join(f.out, "sweep.csv"))
	failed := false
	for i := range rows {
		r := &rows[i]
		for _, failure := range simulate.Failed(r.Result) {
			fmt.Fprintf(out, "%s, %d members, loss %g, rate %g, seed %d: %s\n", r.Result.Policy, r.Result.Members, r.Loss, r.Rate, r.Result.Seed, failure)
			failed = failed || r.Result.Policy == f.policy[0]
		}
	}
	if failed {
		return errSilent
	}
	return nil
}

func writeFile(folder, name string, write func(io.Writer) error) error {
	file, err := os.Create(filepath.Join(folder, name))
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	if err := write(file); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// flagValue is what reads and writes one value of a list.
type flagValue interface {
	Set(string) error
	String() string
}

// newList returns a flag for several values, each of which flag reads.
func newList[T any](values *[]T, kind string, flag func(*T) flagValue) *listFlag[T] {
	return &listFlag[T]{values: values, kind: kind,
		parse: func(s string) (v T, err error) { err = flag(&v).Set(s); return v, err },
		text:  func(v T) string { return flag(&v).String() }}
}
