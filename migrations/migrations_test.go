package migrations_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/migrations"
)

func TestConcurrentMigrationsApplyOnce(t *testing.T) {
	url := devdb.NewEmpty(t).OwnerURL
	var wg sync.WaitGroup
	applied := make([]int, 4)
	for i := range applied {
		pool := devdb.Open(t, url, db.Options{StatementTimeout: time.Minute})
		wg.Go(func() {
			var err error
			if applied[i], err = migrations.Apply(t.Context(), pool); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	once := 0
	for _, n := range applied {
		if n > 0 {
			once++
		}
	}
	if once != 1 {
		t.Errorf("applied by %v", applied)
	}
	if err := migrations.Check(t.Context(), devdb.Open(t, url, db.Options{})); err != nil {
		t.Error(err)
	}
}

// A migration that was killed before its version was noted is run once more, and must not mind.
func TestMigrationsMayRunTwice(t *testing.T) {
	owner := devdb.Open(t, devdb.NewDatabase(t).OwnerURL, db.Options{})
	if _, err := owner.Exec(t.Context(), `DELETE FROM goose_db_version WHERE version_id > 0`); err != nil {
		t.Fatal(err)
	}
	if n, err := migrations.Apply(t.Context(), owner); err != nil || n == 0 {
		t.Errorf("%d applied: %v", n, err)
	}
}

func TestOlderSchemaIsPending(t *testing.T) {
	d := devdb.NewEmpty(t)
	owner := devdb.Open(t, d.OwnerURL, db.Options{})
	if err := migrations.Check(t.Context(), owner); !errors.Is(err, migrations.ErrPending) {
		t.Errorf("an empty database: %v", err)
	}
	if _, err := migrations.Apply(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	runtime := devdb.Open(t, d.URL, db.Options{})
	if err := migrations.Check(t.Context(), runtime); err != nil {
		t.Error(err)
	}
	_, err := owner.Exec(t.Context(), `DELETE FROM goose_db_version WHERE version_id = (SELECT max(v.version_id) FROM goose_db_version AS v)`)
	if err != nil {
		t.Fatal(err)
	}
	if err := migrations.Check(t.Context(), runtime); !errors.Is(err, migrations.ErrPending) {
		t.Errorf("without its last migration: %v", err)
	}
}

func TestRuntimeRoleCannotChangeTheJournal(t *testing.T) {
	runtime := devdb.New(t)
	other := map[string]string{"legs": "amount = 1", "programme_versions": "version = 1", "vouchers": "code_mac = ''"} // they have no hash of their own
	for _, table := range []string{"transactions", "legs", "entries", "seals", "programme_versions", "vouchers"} {
		for _, cheat := range []string{"UPDATE %s SET hash = NULL", "DELETE FROM %s", "TRUNCATE %s", "DROP TABLE %s", "ALTER TABLE %s ADD COLUMN x INT8"} {
			if set := other[table]; set != "" {
				cheat = strings.Replace(cheat, "hash = NULL", set, 1)
			}
			_, err := runtime.Exec(t.Context(), fmt.Sprintf(cheat, table))
			if db.State(err) != "42501" {
				t.Errorf(cheat+": %v", table, err)
			}
		}
	}
	if err := migrations.CheckRuntimeRole(t.Context(), runtime); err != nil {
		t.Error(err)
	}
}

func TestStrongerRolesAreRefused(t *testing.T) {
	d := devdb.NewDatabase(t)
	owner := devdb.Open(t, d.OwnerURL, db.Options{})
	if err := migrations.CheckRuntimeRole(t.Context(), owner); !errors.Is(err, migrations.ErrRoleTooStrong) {
		t.Errorf("the owner may serve: %v", err)
	}
	for _, table := range []string{"transactions", "legs", "entries", "seals", "programme_versions", "vouchers"} {
		for _, privilege := range []string{"UPDATE", "DELETE", "TRUNCATE"} {
			if privilege == "TRUNCATE" && owner.Dialect() != db.PostgreSQL {
				continue // CockroachDB has no such privilege
			}
			statement(t, owner, fmt.Sprintf("GRANT %s ON TABLE %s TO tallystick_app", privilege, table))
			runtime := devdb.Open(t, d.URL, db.Options{})
			if err := migrations.CheckRuntimeRole(t.Context(), runtime); !errors.Is(err, migrations.ErrRoleTooStrong) {
				t.Errorf("a role that may %s %s serves: %v", privilege, table, err)
			}
			statement(t, owner, fmt.Sprintf("REVOKE %s ON TABLE %s FROM tallystick_app", privilege, table))
		}
	}
}

func TestARoleThatMayChangeOneColumnIsRefused(t *testing.T) {
	d := devdb.NewDatabase(t)
	owner := devdb.Open(t, d.OwnerURL, db.Options{})
	if owner.Dialect() != db.PostgreSQL {
		t.Skip("SKIPPED: CockroachDB grants no columns")
	}
	statement(t, owner, "GRANT UPDATE (amount) ON TABLE entries TO tallystick_app")
	if err := migrations.CheckRuntimeRole(t.Context(), devdb.Open(t, d.URL, db.Options{})); !errors.Is(err, migrations.ErrRoleTooStrong) {
		t.Errorf("a role that may change an amount serves: %v", err)
	}
}

func TestAMigrationThatWasLeftOutIsPending(t *testing.T) {
	d := devdb.NewDatabase(t)
	owner := devdb.Open(t, d.OwnerURL, db.Options{})
	if err := migrations.Check(t.Context(), owner); err != nil {
		t.Error(err)
	}
	statement(t, owner, "DELETE FROM goose_db_version WHERE version_id = 12") // one that was merged after later ones were applied
	if err := migrations.Check(t.Context(), owner); !errors.Is(err, migrations.ErrPending) {
		t.Errorf("without migration 12: %v", err)
	}
}

func statement(t *testing.T, owner *db.Pool, sql string) {
	t.Helper()
	if _, err := owner.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}
