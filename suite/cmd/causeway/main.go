// Command causeway is the toolbox of the project: see causeway --help.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Exit codes besides 0.
const (
	exitFailed = 1
	exitUsage  = 2
)

// errSilent is returned by a command that has failed and said why.
var errSilent = errors.New("failed")

func main() {
	os.Exit(run(newRoot(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes a command line and returns the exit code.
func run(root *cobra.Command, args []string, in io.Reader, out, errOut io.Writer) int {
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }

	cmd, err := root.ExecuteC()
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSilent):
		return exitFailed
	}
	fmt.Fprintf(errOut, "causeway: %v\n", err)
	if !started {
		fmt.Fprintf(errOut, "Try '%s --help'.\n", cmd.CommandPath())
		return exitUsage
	}
	return exitFailed
}

// newRoot returns the command with all its subcommands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "causeway",
		Short: "Reliable group chat over networks that lose messages",
		Long: `Causeway tells every member of a large group chat, over a network that loses
messages, two things that it can prove: "my message reached them", and "I am
missing something, and here it is".

This command holds the programs around the library.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newConformance(), newDemo(), newInspect(), newNode(), newPeer(), newSim(), newTelemetry())
	return root
}

// version is the version of the module that this program was built from.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
