package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/causeway-im/causeway/suite/inspect"
)

// maxInput bounds what is read from standard input: the largest message that
// anybody accepts, as spaced hex, and some room.
const maxInput = 16 << 20

func newInspect() *cobra.Command {
	format := inspect.Auto
	asJSON := false
	cmd := &cobra.Command{
		Use:   "inspect [packet | -]",
		Short: "Take an SDS packet apart and say what is in it",
		Long: `Inspect decodes one SDS packet, in the dialect of LIP-109 (@waku/sds) or of
nim-sds, and shows everything that is in it: ids, timestamp, causal history,
bloom filter, content and the Causeway extension. It says what is wrong with a
packet that cannot be read, and where.

The packet is hex or base64, as an argument or on standard input. White space
and 0x do not matter; base64 may use either alphabet, with padding or without.

Exit code: 0 the packet was decoded, 1 it cannot be, 2 wrong usage.`,
		Example: `  causeway inspect 0a05616c69636512026d311a01635001a201026869
  xxd -p packet.bin | causeway inspect
  causeway inspect --json - < packet.base64`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && isTerminal(cmd.InOrStdin()) {
				return errors.New("no packet: give one as argument or on standard input")
			}
			return cobra.MaximumNArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := input(cmd, args)
			if err != nil {
				return err
			}
			packet, err := inspect.Parse(text, format)
			if err != nil {
				return err
			}
			report := inspect.Inspect(packet)
			write := report.WriteText
			if asJSON {
				write = report.WriteJSON
			}
			if err := write(cmd.OutOrStdout()); err != nil {
				return err
			}
			if report.Problem != nil {
				return errSilent
			}
			return nil
		},
	}
	cmd.Flags().Var(&format, "format", "how the packet is written: auto, hex or base64")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of text")
	return cmd
}

// input returns the packet as text, from the argument or standard input.
func input(cmd *cobra.Command, args []string) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return args[0], nil
	}
	b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxInput+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxInput {
		return "", fmt.Errorf("more than %d bytes of input", maxInput)
	}
	return string(b), nil
}

func isTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
