package migrations

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"tallystick/internal/db"
)

// RuntimeRole is the role that serves. The journal is INSERT and SELECT only for it (L2); the migrations grant that.
// It may log in but has no password: where the database asks for one, its operator gives it one.
const RuntimeRole = "tallystick_app"

// appendOnly lists the tables whose rows are never updated or deleted: the journal (L2), the rules that made it, and the
// facts of vouchers, tiers, activities, members, metrics, bookings, visits and deliveries.
var appendOnly = []string{
	"transactions", "legs", "entries", "seals", "programme_versions", "vouchers", "tier_decisions", "activities", "member_versions",
	"bookings", "check_ins", "visits", "visit_reports", "metric_reports", "deliveries", "delivery_reports",
}

// ErrRoleTooStrong says that a role may do to these tables what no server needs to.
var ErrRoleTooStrong = errors.New("this role may change the journal; serve as " + RuntimeRole)

const (
	sqlRoleExists  = `SELECT count(*) > 0 FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'tallystick_app'`
	sqlCreateRole  = `CREATE ROLE tallystick_app LOGIN`
	sqlIsSuperuser = `SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user`
	sqlMayChange   = `
SELECT has_any_column_privilege(current_user, $1::text, 'UPDATE'), -- of the table or of one of its columns
       has_table_privilege(current_user, $1::text, 'DELETE'), has_table_privilege(current_user, $1::text, 'TRUNCATE')`
)

// CheckRuntimeRole is nil when pool's role cannot change what is only ever added to, and [ErrRoleTooStrong] when it can.
func CheckRuntimeRole(ctx context.Context, pool *db.Pool) error {
	var super bool
	if err := pool.QueryRow(ctx, sqlIsSuperuser).Scan(&super); err != nil {
		return fmt.Errorf("check the role: %w", err)
	}
	if super {
		return fmt.Errorf("%w: it is a superuser", ErrRoleTooStrong)
	}
	for _, table := range appendOnly {
		var updates, deletes, truncates bool
		if err := pool.QueryRow(ctx, sqlMayChange, table).Scan(&updates, &deletes, &truncates); err != nil {
			return fmt.Errorf("check the role: %w", err)
		}
		if updates || deletes || truncates {
			return fmt.Errorf("%w: of %s it may UPDATE %t, DELETE %t, TRUNCATE %t", ErrRoleTooStrong, table, updates, deletes, truncates)
		}
	}
	return nil
}

// ensureRuntimeRole makes the role unless it is there. A role belongs to the whole cluster while the migration lock
// belongs to one database, so two migrations of two databases can meet here.
func ensureRuntimeRole(ctx context.Context, pool *db.Pool) error {
	err := retryRace(ctx, func() error {
		var exists bool
		if err := pool.QueryRow(ctx, sqlRoleExists).Scan(&exists); err != nil || exists {
			return err
		}
		_, err := pool.Exec(ctx, sqlCreateRole)
		return err
	})
	if err != nil {
		return fmt.Errorf("create role %s: %w", RuntimeRole, err)
	}
	return nil
}

// retryRace runs change again when somebody else made the same change to the catalogue at the same time.
func retryRace(ctx context.Context, change func() error) error {
	for attempt := 0; ; attempt++ {
		err := change()
		if err == nil || attempt == 20 || !isRace(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(50 * time.Millisecond)):
		}
	}
}

// isRace: the role was made meanwhile (42710, 23505), or its catalogue row was written (XX000 "tuple concurrently
// updated", which is the only internal error that these statements meet).
func isRace(err error) bool {
	switch db.State(err) {
	case "42710", "23505", "XX000":
		return true
	}
	return db.IsRetryable(err)
}
