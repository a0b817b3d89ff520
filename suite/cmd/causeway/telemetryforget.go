package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/causeway-im/causeway/suite/node"
	"github.com/causeway-im/causeway/telemetry"
)

func newTelemetryForget() *cobra.Command {
	data := "causeway-data"
	cmd := &cobra.Command{
		Use:   "forget",
		Short: "Delete what a node has recorded and not uploaded",
		Long: `Forget deletes what the node whose data is in the folder --data has recorded for a
collector and not uploaded, the pseudonym of the installation and all else that
telemetry keeps there, and says what that was. It asks nothing. Messages and what
else the node has are not touched. What was uploaded is at the collector.

A node that is running with --telemetry records and tells nothing more. One that is
started with it later begins anew, under another pseudonym.`,
		Example: `  causeway telemetry forget --data alice`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return forgetTelemetry(cmd.Context(), data, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&data, "data", data, "`folder` of everything that the node keeps")
	return cmd
}

func forgetTelemetry(ctx context.Context, data string, out io.Writer) error {
	db, s, err := openJournal(ctx, data)
	if err != nil {
		return err
	}
	defer db.Close()
	f, err := telemetry.Forget(ctx, s)
	if err != nil {
		return err
	}
	shown, err := node.ForgetConsent(data)
	fmt.Fprintln(out, forgottenText(f, shown))
	if err != nil {
		return err
	}
	if err := wipe(ctx, db); err != nil {
		return fmt.Errorf("it is deleted, but parts may still be found in unused places of the database's files; to clean those, stop the node and do it again: %w", err)
	}
	return nil
}

// forgottenText says what was deleted.
func forgottenText(f telemetry.Forgotten, shown bool) string {
	var parts []string
	switch {
	case f.Events == 1:
		parts = append(parts, "1 event that was not uploaded")
	case f.Events > 1:
		parts = append(parts, fmt.Sprintf("%d events that were not uploaded", f.Events))
	}
	if f.Install {
		parts = append(parts, "the pseudonym of this installation")
	}
	if shown {
		parts = append(parts, "the note that its user was told and agreed")
	}
	if len(parts) == 0 {
		return "There was nothing to forget."
	}
	return "Deleted: " + strings.Join(parts, ", ") + "."
}

// wipe removes what SQLite leaves of deleted rows in its files: pages that are free,
// and former versions of others.
func wipe(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// Who writes is waited for as always, who reads not for so long.
	for _, statement := range []string{`VACUUM`, `PRAGMA busy_timeout = 1000`} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	var busy, logged, moved int
	if err := conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &logged, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return errors.New("somebody is using the database")
	}
	return nil
}
