package store

import (
	"context"
	"embed"
	"fmt"
	"regexp"
	"strings"
)

// Migrations are numbered from 1 without holes. One that was released is never
// changed: a new one follows it.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrate brings the tables to the newest version. Each migration is one
// transaction, so that a crash leaves a version, not something between two.
func (s *SQL) migrate(ctx context.Context) error {
	files, err := migrationFiles.ReadDir("migrations")
	if err != nil {
		return err
	}
	steps := make([]string, len(files))
	for i, f := range files {
		b, err := migrationFiles.ReadFile("migrations/" + f.Name())
		if err != nil {
			return err
		}
		steps[i] = string(b)
	}
	return s.migrateTo(ctx, steps)
}

func (s *SQL) migrateTo(ctx context.Context, steps []string) error {
	version, err := s.version(ctx, steps)
	if err != nil {
		return err
	}
	for ; version < len(steps); version++ {
		err := s.write(ctx, func(x *session) error {
			// First a write: it waits for others that migrate, and finds what they did.
			done, err := x.exec(`INSERT INTO {p}version (version) VALUES (?) ON CONFLICT DO NOTHING`, version+1)
			if err != nil || done == 0 {
				return err
			}
			for _, statement := range splitSQL(steps[version]) {
				if _, err := x.tx.ExecContext(ctx, s.text(statement)); err != nil {
					return fmt.Errorf("to version %d: %w", version+1, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// version returns the version of the tables, 0 when there are none. The table
// that holds it is made if it is not there.
func (s *SQL) version(ctx context.Context, steps []string) (version int, err error) {
	var tables []string
	err = s.view(ctx, func(x *session) error {
		const named = `SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name`
		return x.rows(named, nil, func(scan scanner) error {
			var name []byte
			if err := scan(&name); err != nil {
				return err
			}
			tables = append(tables, strings.ToLower(string(name)))
			return nil
		})
	})
	if err != nil {
		return 0, err
	}
	ours := map[string]bool{}
	for _, t := range tables {
		ours[t] = true
	}
	if ours[s.prefix+"version"] {
		err = s.db.QueryRowContext(ctx, s.text(`SELECT coalesce(max(version), 0) FROM {p}version`)).Scan(&version)
		if err != nil {
			return 0, fmt.Errorf("%w: table %sversion is not ours: %w", ErrSchema, s.prefix, because(ctx, err))
		}
	}
	if version < 0 || version > len(steps) {
		return 0, fmt.Errorf("%w: the tables %s… have version %d, and this program knows versions up to %d: it is older than the one that wrote them",
			ErrSchema, s.prefix, version, len(steps))
	}
	if version == 0 {
		for _, t := range tablesOf(steps) {
			if name := s.prefix + t; ours[name] {
				return 0, fmt.Errorf("%w: table %s exists and is not ours: choose another prefix", ErrSchema, name)
			}
		}
	}
	if !ours[s.prefix+"version"] {
		_, err = s.db.ExecContext(ctx, s.text(`CREATE TABLE IF NOT EXISTS {p}version (version INTEGER PRIMARY KEY NOT NULL)`))
	}
	return version, err
}

var createTable = regexp.MustCompile(`(?m)^CREATE TABLE \{p\}(\w+)`)

// tablesOf lists the tables that migrations make, without prefix.
func tablesOf(steps []string) (names []string) {
	for _, step := range steps {
		for _, m := range createTable.FindAllStringSubmatch(step, -1) {
			names = append(names, m[1])
		}
	}
	return names
}

// splitSQL returns the statements of a file: each ends with a semicolon at the
// end of a line. Not every driver takes several at once.
func splitSQL(file string) (statements []string) {
	for _, s := range strings.SplitAfter(file, ";\n") {
		if s = strings.TrimSpace(s); s != "" {
			statements = append(statements, s)
		}
	}
	return statements
}
