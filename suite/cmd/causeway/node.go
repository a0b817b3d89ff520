package main

import (
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/causeway-im/causeway/suite/node"
	"github.com/causeway-im/causeway/suite/waku"
)

var nodeHelp = `Node joins a group on Waku. Each line of its standard input is a message; what
happens is printed: messages, who has one's own (✓ some, ✓✓ all), what is missing
and comes after all, and whether the network is there. Lines that begin with a
slash are commands:

  ` + strings.ReplaceAll(node.Help, "\n", "\n  ") + `

What must not be forgotten is in the folder --data: messages, the key of the
node, its name and the port that it listens on. It can be killed at any time and
comes back as who it was; what it had been told to send is sent then.

It connects to those that it is told of, and to nobody else. Messages are not
encrypted end to end. A roster is a file such as
{"members": {"alice-laptop": "Alice", "bob": "Bob"}, "stewards": ["Bob"]}; with
one, a message is done when all persons in it have it, and without one when
anybody has.

Every flag can be given as an environment variable, which stands in brackets
below; the flag wins. Lists are separated by commas there.

With --json each line of output is an object with "event" and "at". The events:
started, message, receipt, gap, network, caught_up, notice, error, stopped, and
the answers to commands: status, gaps, who, peers, help.

At the end of its input, at /quit, SIGINT or SIGTERM it waits for up to 5 s until
the network has taken what was written, and stops. A second signal ends it at
once.

Exit code: 0 it stopped as it was told to; 1 it could not start, or failed; 2
wrong usage.`

func newNode() *cobra.Command {
	c := node.Config{Data: "causeway-data", Channel: node.DefaultChannel, Cluster: waku.DefaultCluster, Shard: waku.DefaultShard}
	verbose := false
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Take part in a group chat over Waku",
		Long:  nodeHelp,
		Example: `  causeway node --data alice --name alice
  causeway node --data bob --name bob --peer /ip4/127.0.0.1/tcp/40123/p2p/12D3KooW…
  CAUSEWAY_DATA=bot causeway node --json < messages.txt`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return err
			}
			if err := fromEnvironment(cmd.Flags(), os.LookupEnv); err != nil {
				return err
			}
			return c.Check()
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			log := slog.New(slog.DiscardHandler)
			if verbose {
				log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			}
			return node.Run(ctx, c, cmd.InOrStdin(), cmd.OutOrStdout(), log)
		},
	}
	addNodeFlags(cmd.Flags(), &c, &verbose)
	return cmd
}

func addNodeFlags(flags *pflag.FlagSet, c *node.Config, verbose *bool) {
	flags.SortFlags = false
	flags.StringVar(&c.Data, "data", c.Data, "`folder` of everything that is kept")
	flags.StringVar(&c.Name, "name", "", "participant `id`, for ever the same in one --data\n(default: made once)")
	flags.StringVar(&c.Channel, "channel", c.Channel, "channel `id`")
	flags.StringVar(&c.Topic, "topic", "", "content `topic` (default \"/causeway/1/<channel>/proto\")")
	flags.StringVar(&c.Roster, "roster", "", "`file` that says who belongs to the channel\n(default: whoever is heard)")
	flags.StringVar(&c.Listen, "listen", "", "`multiaddr` to listen on\n(default: a free port of 127.0.0.1, later the same)")
	flags.StringArrayVar(&c.Peers, "peer", nil, "`multiaddr` of another node; may be repeated")
	flags.BoolVar(&c.Light, "light", false, "be a light node, which carries nothing for others")
	flags.StringArrayVar(&c.ServiceNodes, "service", nil, "`multiaddr` of a service node for --light; may be repeated")
	flags.StringArrayVar(&c.StoreNodes, "store-node", nil, "`multiaddr` of a store to catch up from; may be repeated")
	flags.BoolVar(&c.ServeStore, "serve-store", false, "keep messages for others, for 30 days")
	flags.BoolVar(&c.ServeLight, "serve-light", false, "be a service node for light nodes")
	flags.Var(&numberFlag{&c.Cluster, 1}, "cluster", "`number` of the Waku network, 1 to 65535")
	flags.Var(&numberFlag{&c.Shard, 0}, "shard", "`number` of the shard of the channel, 0 to 65535")
	flags.Var((*lossFlag)(&c.Loss), "loss", "`share` of received messages to drop, 0 to 0.9 or 0% to 90%:\na fault, for tests")
	flags.BoolVar(&c.JSON, "json", false, "print one JSON object a line")
	flags.BoolVar(verbose, "verbose", false, "log on standard error")
	flags.VisitAll(func(f *pflag.Flag) { f.Usage += " [" + variable(f) + "]" })
}

// variable returns the environment variable of a flag.
func variable(f *pflag.Flag) string {
	return "CAUSEWAY_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

// fromEnvironment sets the flags that were not given from environment variables,
// those that are not empty.
func fromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		value, _ := lookup(variable(f))
		if err != nil || f.Changed || value == "" || f.Name == "help" {
			return
		}
		values := []string{value}
		if _, list := f.Value.(pflag.SliceValue); list {
			values = strings.Split(value, ",")
		}
		for _, v := range values {
			if e := f.Value.Set(strings.TrimSpace(v)); e != nil {
				err = fmt.Errorf("invalid %s %q: %w", variable(f), v, e)
			}
		}
	})
	return err
}

// numberFlag is a 16-bit number.
type numberFlag struct {
	value *uint16
	min   uint16
}

func (f *numberFlag) String() string {
	if f.value == nil {
		return ""
	}
	return strconv.Itoa(int(*f.value))
}

func (f *numberFlag) Type() string { return "number" }

func (f *numberFlag) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || uint16(n) < f.min {
		return fmt.Errorf("must be a whole number from %d to %d", f.min, 1<<16-1)
	}
	*f.value = uint16(n)
	return nil
}
