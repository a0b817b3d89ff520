package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/causeway-im/causeway/suite/parameters"
)

// newParameters makes the pages for a product team.
func newParameters() *cobra.Command {
	var out string
	var members []int
	cmd := &cobra.Command{
		Use:   "parameters",
		Short: "Play all cases of docs/parameters.md and write the pages with the figures",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			g := &parameters.Grid{Sizes: members, Watch: watchCases(cmd.ErrOrStderr())}
			words := []string{"go run ./suite/cmd/causeway sim parameters"}
			if len(members) > 0 {
				words = append(words, "--members", strings.Trim(strings.ReplaceAll(fmt.Sprint(members), " ", ","), "[]"))
			}
			return parameters.Write(cmd.Context(), g, out, strings.Join(words, " "))
		},
	}
	cmd.Flags().StringVar(&out, "out", "docs", "`folder` to write the pages into")
	cmd.Flags().IntSliceVar(&members, "members", nil, "communities to play, instead of 10, 100, 1,000 and 10,000")
	return cmd
}

// watchCases says which case is being played.
func watchCases(w io.Writer) func(int, parameters.Case) {
	return func(done int, c parameters.Case) {
		fmt.Fprintf(w, "%d: %d members, %s, %s, loss %g\n", done+1, c.Members, c.Load.Name, c.Want.Name, c.Loss)
	}
}
