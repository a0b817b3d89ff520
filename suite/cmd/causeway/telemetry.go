package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/causeway-im/causeway/suite/collector"
	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/suite/collector/demo"
)

const serveHelp = `Serve takes what devices report about messages, keeps it, works out how reliable
delivery is and how much of that is not known, and shows it: a page at /, data
below /v1 (see /v1/openapi.json), metrics for Prometheus at /metrics. Devices
post to /v1/uploads; clients of the old service to /record-metrics.

--store is the path of a SQLite file, or the address of a PostgreSQL database
(postgres://user@host/name) of its own, which several collectors may share. Its
views telemetry_… are for Grafana, Superset and the like.

It speaks plain HTTP: put it behind a proxy that speaks HTTPS, give that the flag
--trust-proxy, and, unless the world may read, --password-file.

It stops at SIGINT or SIGTERM, after it has answered what it has begun. It can be
killed at any time: what it has acknowledged is durable.

Exit code: 0 it was told to stop; 1 it could not start, or failed; 2 wrong usage.`

func newTelemetryServe() *cobra.Command {
	listen, store, tokenFile, passwordFile := "127.0.0.1:8080", "telemetry.db", "", ""
	o := collector.Options{Keep: archive.Retention{Raw: 30 * 24 * time.Hour, Cells: 90 * 24 * time.Hour}, Every: 10 * time.Second}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Take reports, estimate, and show how reliable messages are",
		Long:  serveHelp,
		Example: `  causeway telemetry serve --listen 127.0.0.1:8080 --store telemetry.db
  causeway telemetry serve --store postgres://collector@db.example/telemetry --trust-proxy`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.Keep.Raw < 0 || o.Keep.Cells < 0:
				return errors.New("--keep-raw and --keep-cells must not be negative")
			case o.Keep.Raw > 0 && o.Keep.Raw < 72*time.Hour:
				return fmt.Errorf("--keep-raw must be at least 72h, and is %v: a day is estimated from what came two days later", o.Keep.Raw)
			case o.Every <= 0:
				return fmt.Errorf("--every must be above 0s, and is %v", o.Every)
			}
			return cobra.NoArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			if o.Token, err = secretOf(tokenFile); err != nil {
				return fmt.Errorf("--token-file: %w", err)
			}
			if o.Password, err = secretOf(passwordFile); err != nil {
				return fmt.Errorf("--password-file: %w", err)
			}
			o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return serveTelemetry(ctx, o, listen, store, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&listen, "listen", listen, "`address` to listen on")
	f.StringVar(&store, "store", store, "SQLite `file`, or postgres:// address")
	f.DurationVar(&o.Keep.Raw, "keep-raw", o.Keep.Raw, "how long reports are kept, at least 72h; 0s for ever if --keep-cells is not 0s")
	f.DurationVar(&o.Keep.Cells, "keep-cells", o.Keep.Cells, "how long figures of single messages and channels are kept")
	f.DurationVar(&o.Every, "every", o.Every, "how often today is estimated, at most")
	f.StringVar(&tokenFile, "token-file", "", "`file` with a key that all devices have to show")
	f.StringVar(&passwordFile, "password-file", "", "`file` with a password for all who read")
	f.BoolVar(&o.TrustProxy, "trust-proxy", false, "take clients' addresses from X-Forwarded-For")
	return cmd
}

// secretOf reads the first line of a file, "" without one.
func secretOf(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var word string
	if _, err := fmt.Sscan(string(text), &word); err != nil {
		return "", fmt.Errorf("%s holds no word", path)
	}
	return word, nil
}

func serveTelemetry(ctx context.Context, o collector.Options, listen, store string, out io.Writer) error {
	a, err := archive.Open(ctx, store)
	if err != nil {
		return fmt.Errorf("--store: %w", err)
	}
	defer a.Close()
	o.Archive = a
	s, err := collector.New(o)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		s.Close()
		return fmt.Errorf("--listen: %w", err)
	}
	fmt.Fprintf(out, "listening on http://%s\n", l.Addr())
	return s.Serve(ctx, l)
}

const demoTelemetryHelp = `Demo starts the service with a simulated community, in time that runs faster. Its
network drops for half an hour, and some of its devices never come back. The
page, whose address is printed, shows the lower bound fall, names the outage and
settles when the journals come. Beside it stands what is true, which only the
simulation knows, and what the formula of the old service says.

It goes on until it is stopped; with --once it ends with the story.`

func newTelemetryDemo() *cobra.Command {
	o := demo.Options{Speed: 60, Members: 48, Never: 0.1, Seed: 1}
	listen, store := "127.0.0.1:0", ""
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The service, a simulated community and half an hour without a network",
		Long:  demoTelemetryHelp,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.Speed < 1 || o.Speed > 3600 || o.Members < 6 || o.Members > 1000 || o.Never < 0 || o.Never > 1 {
				return fmt.Errorf("--speed must be 1 to 3600, --members 6 to 1000, --never 0 to 1")
			}
			return cobra.NoArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			o.Out = cmd.OutOrStdout()
			return demoTelemetry(ctx, o, listen, store)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&listen, "listen", listen, "`address` to listen on")
	f.StringVar(&store, "store", "", "SQLite `file` or postgres:// address, empty before (default: a temporary file)")
	f.Float64Var(&o.Speed, "speed", o.Speed, "`times` faster that time runs, 1 to 3600")
	f.IntVar(&o.Members, "members", o.Members, "`number` of people, 6 to 1000")
	f.Float64Var(&o.Never, "never", o.Never, "`share` of devices that never come back, 0 to 1")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "`number` that makes the community")
	f.BoolVar(&o.Once, "once", false, "end with the story")
	return cmd
}

func demoTelemetry(ctx context.Context, o demo.Options, listen, store string) error {
	if store == "" {
		dir, err := os.MkdirTemp("", "causeway-telemetry")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		store = filepath.Join(dir, "telemetry.db")
	}
	a, err := archive.Open(ctx, store)
	if err != nil {
		return fmt.Errorf("--store: %w", err)
	}
	defer a.Close()
	o.Archive = a
	if o.Listener, err = net.Listen("tcp", listen); err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	return demo.Run(ctx, o)
}
