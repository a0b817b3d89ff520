package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/telemetry"
)

// nodeDatabase is the database in the data folder of causeway node.
const nodeDatabase = "causeway.db"

func newTelemetry() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "telemetry",
		Short: "What devices tell about the reliability of messages",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTelemetryServe(), newTelemetryDemo(), newTelemetryShow(), newTelemetryForget(), newTelemetryProve())
	return cmd
}

func newTelemetryShow() *cobra.Command {
	data := "causeway-data"
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print what a node would send next to its collector",
		Long: `Show prints the next upload of the node whose data is in the folder --data, to the
byte as it would be sent if it were sent now, and sends nothing. Nothing is
printed where nothing would be sent: before the user has agreed, say. The node may
be running; what it has witnessed in the last second is not in it.

docs/telemetry-fields.md explains each field.`,
		Example: `  causeway telemetry show --data alice
  causeway telemetry show --data alice | python3 -m json.tool`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return showTelemetry(cmd.Context(), data, cmd.OutOrStdout(), cmd.ErrOrStderr(), time.Now())
		},
	}
	cmd.Flags().StringVar(&data, "data", data, "`folder` of everything that the node keeps")
	return cmd
}

// openJournal opens what a node has in its data folder. The caller closes the database.
func openJournal(ctx context.Context, data string) (*sql.DB, *store.SQL, error) {
	path := filepath.Join(data, nodeDatabase)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) { // opening would make one
		return nil, nil, fmt.Errorf("--data %s has no %s: no node was here", data, nodeDatabase)
	}
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	s, err := store.OpenSQL(ctx, db, store.SQLOptions{})
	if err != nil {
		db.Close()
		return nil, nil, err
	}
	return db, s, nil
}

func showTelemetry(ctx context.Context, data string, out, errOut io.Writer, now time.Time) error {
	db, s, err := openJournal(ctx, data)
	if err != nil {
		return err
	}
	defer db.Close()
	body, err := telemetry.Next(ctx, s, now)
	if err != nil {
		return err
	}
	if body == nil {
		fmt.Fprintln(errOut, "Nothing would be sent.")
		return nil
	}
	_, err = fmt.Fprintf(out, "%s\n", body)
	return err
}
