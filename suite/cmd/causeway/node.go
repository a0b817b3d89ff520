package main

import (
	"errors"
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

With --telemetry it tells a collector, such as that of causeway telemetry serve, how
reliable messages are; the first time it prints what exactly. What cannot be told now
is told later. Leave the flag out and nothing is recorded. All members have to give
the same --telemetry-secret-file and --telemetry-community.

With --json each line of output is an object with "event" and "at". The events:
started, message, receipt, gap, network, caught_up, notice, error, stopped, and
the answers to commands: status, gaps, who, peers, telemetry, help, and with
--rest the event rest, which says where.

With --rest it serves an HTTP API (docs/qa.md), and the end of its input is not
the end. Channels that are joined there are joined again after a restart.

At the end of its input, at /quit, SIGINT or SIGTERM it waits for up to 5 s until
the network has taken what was written, and stops. A second signal ends it at
once.

Exit code: 0 it stopped as it was told to; 1 it could not start, or failed; 2
wrong usage.`

func newNode() *cobra.Command {
	f := nodeFlags{Config: node.Config{Data: "causeway-data", Channel: node.DefaultChannel, FaultSeed: 1, Version: version(),
		Cluster: waku.DefaultCluster, Shard: waku.DefaultShard}}
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
			// Who serves an API needs no channel.
			if named, _ := os.LookupEnv(variable(cmd.Flag("channel"))); f.REST != "" && named == "" && !cmd.Flags().Changed("channel") {
				f.Channel = ""
			}
			return f.check()
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			log := slog.New(slog.DiscardHandler)
			if f.verbose {
				log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			}
			return node.Run(ctx, f.Config, cmd.InOrStdin(), cmd.OutOrStdout(), log)
		},
	}
	f.add(cmd.Flags())
	return cmd
}

// nodeFlags are the choices of node.
type nodeFlags struct {
	node.Config
	tokenFile, secretFile string
	verbose               bool
}

// check completes the configuration and returns what is wrong with it.
func (f *nodeFlags) check() (err error) {
	if f.Telemetry.Token, err = secretOf(f.tokenFile); err != nil {
		return fmt.Errorf("--telemetry-token-file: %w", err)
	}
	if f.Telemetry.Secret, err = secretOf(f.secretFile); err != nil {
		return fmt.Errorf("--telemetry-secret-file: %w", err)
	}
	return f.Check()
}

func (f *nodeFlags) add(flags *pflag.FlagSet) {
	c, t := &f.Config, &f.Telemetry
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
	flags.StringVar(&t.Collector, "telemetry", "", "`URL` of a collector that is told how messages fare\n(default: nobody is)")
	flags.StringVar(&f.tokenFile, "telemetry-token-file", "", "`file` with the key that the collector wants to be shown")
	flags.StringVar(&f.secretFile, "telemetry-secret-file", "", "`file` with a word, of 16 bytes or more, that all members\nknow and the collector does not")
	flags.StringVar(&t.Community, "telemetry-community", "", "what the channel belongs to, the `name` all members give\n(default: the channel)")
	flags.StringVar((*string)(&t.Platform), "telemetry-platform", "", "`system` to tell: android, ios, linux, darwin, windows, other\n(default: this one)")
	flags.Var((*lossFlag)(&c.Loss), "loss", "`share` of received messages to drop, 0 to 0.9 or 0% to 90%:\na fault, for tests")
	flags.StringVar(&c.REST, "rest", "", "`address` of an HTTP API and a page to watch, such as 127.0.0.1:8645\nor unix:PATH; without --channel the node then only serves")
	flags.StringVar(&c.RESTToken, "rest-token", "", "`secret` that users of the API must present, needed where others than\nthis machine can reach it")
	flags.BoolVar(&c.Faults, "faults", false, "let users of the API break things: for tests")
	flags.Uint64Var(&c.FaultSeed, "fault-seed", c.FaultSeed, "`number` that decides what is broken by chance")
	flags.StringVar(&c.Quota, "quota", "", "`packets/window` that may be sent, such as 100/10m (default: no limit)")
	flags.BoolVar(&c.JSON, "json", false, "print one JSON object a line")
	flags.BoolVar(&f.verbose, "verbose", false, "log on standard error")
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
				if f.Value.Type() == "bool" {
					e = errors.New("must be true or false")
				}
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
