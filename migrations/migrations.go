// Package migrations brings a database to the schema that this build needs, and says whether it is there.
//
// A migration is one file with one idempotent statement, run outside a transaction: CockroachDB changes a schema in
// the background, and a file may have to be run again when its process was killed half-way. There is no way down.
package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"tallystick/internal/db"
)

//go:embed *.sql
var files embed.FS

// ErrPending says that the database has an older schema than this build needs.
var ErrPending = errors.New("the database needs `tallystick migrate`")

// Apply makes the runtime role and runs, in order, every migration that pool's database has not had; it returns how
// many it ran. Others who apply at the same time wait for it, and then find nothing to do. pool belongs to the
// owner of the tables, never to the runtime role.
func Apply(ctx context.Context, pool *db.Pool) (int, error) {
	return apply(ctx, pool, files)
}

func apply(ctx context.Context, pool *db.Pool, dir fs.FS) (int, error) {
	if err := ensureRuntimeRole(ctx, pool); err != nil {
		return 0, err
	}
	// A table, because advisory locks do nothing on CockroachDB. Its lease outlives a killed process by 10 s.
	locker, err := lock.NewPostgresTableLocker(
		lock.WithTableLeaseDuration(10*time.Second),
		lock.WithTableHeartbeatInterval(2*time.Second),
		lock.WithTableLockTimeout(50*time.Millisecond, 20*60*5),
		lock.WithTableLogger(slog.New(slog.DiscardHandler)), // it logs the contention that it waits out
	)
	if err != nil {
		return 0, fmt.Errorf("migration lock: %w", err)
	}
	sqlDB := stdlib.OpenDBFromPool(pool.Pool)
	defer func() { _ = sqlDB.Close() }() // leaves the pool alone
	p, err := goose.NewProvider(goose.DialectPostgres, sqlDB, dir, goose.WithLocker(locker))
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	done, err := p.Up(ctx)
	if err != nil {
		return len(done), fmt.Errorf("migrate: %w", err)
	}
	return len(done), grantVersionTable(ctx, pool)
}

// Check is nil when the database has every migration of this build, and [ErrPending] when it lacks one. A newer
// schema is no error: during a rolling upgrade the older servers go on.
func Check(ctx context.Context, pool *db.Pool) error {
	var exists bool
	if err := pool.QueryRow(ctx, sqlVersionTableExists).Scan(&exists); err != nil {
		return fmt.Errorf("schema version: %w", err)
	}
	if !exists {
		return fmt.Errorf("%w: it is empty", ErrPending)
	}
	rows, err := pool.Query(ctx, sqlAppliedVersions)
	if err != nil {
		return fmt.Errorf("schema version: %w", err)
	}
	applied, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("schema version: %w", err)
	}
	for _, version := range versions() {
		if !slices.Contains(applied, version) {
			return fmt.Errorf("%w: it lacks migration %04d", ErrPending, version)
		}
	}
	return nil
}

const (
	sqlVersionTableExists = `SELECT count(*) > 0 FROM pg_catalog.pg_tables AS t
		WHERE t.tablename = 'goose_db_version' AND t.schemaname = current_schema()`
	sqlAppliedVersions = `SELECT DISTINCT v.version_id FROM goose_db_version AS v WHERE v.is_applied`
	// sqlGrantVersionTable lets serve see that its schema is old.
	sqlGrantVersionTable = `GRANT SELECT ON TABLE goose_db_version TO tallystick_app`
)

func grantVersionTable(ctx context.Context, pool *db.Pool) error {
	err := retryRace(ctx, func() error {
		_, err := pool.Exec(ctx, sqlGrantVersionTable)
		return err
	})
	if err != nil {
		return fmt.Errorf("grant the schema version to %s: %w", RuntimeRole, err)
	}
	return nil
}

// versions are the numbers of this build's migrations. The files are named by them.
func versions() []int64 {
	var list []int64
	names, _ := fs.Glob(files, "*.sql") // the pattern is right, and an embedded folder can be read
	for _, name := range names {
		if n, err := goose.NumericComponent(name); err == nil {
			list = append(list, n)
		}
	}
	return list
}
