package db_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
)

// inTx is what the two regression tests run: InTx here, and cockroach-go's own ExecuteTx in the negative control.
type inTx func(ctx context.Context, p *db.Pool, fn func(pgx.Tx) error) error

func serializable(ctx context.Context, p *db.Pool, fn func(pgx.Tx) error) error {
	return db.InTx(ctx, p, db.Serializable, fn)
}

func TestWriteSkewIsPrevented(t *testing.T) {
	pool := ownerPool(t, db.Options{})
	wrong, failed := writeSkew(t, pool, serializable)
	if wrong != 0 || failed != 0 {
		t.Errorf("of %d rounds %d failed, and in %d a write that was reported as done was not there", skewRounds, failed, wrong)
	}
}

func TestDeferredConstraintErrorSurfaces(t *testing.T) {
	pool := ownerPool(t, db.Options{})
	err, written := breakDeferredConstraint(t, pool, serializable)
	if got := db.State(err); got != "23514" {
		t.Errorf("the constraint's refusal at COMMIT came back as %v", err)
	}
	if written != 0 {
		t.Errorf("%d rows were written", written)
	}
}

const skewRounds = 50

// barrier lets so many go on together.
type barrier struct {
	missing atomic.Int32
	open    chan struct{}
}

func newBarrier(n int32) *barrier {
	b := &barrier{open: make(chan struct{})}
	b.missing.Store(n)
	return b
}

// meet waits for the others. One that never comes, because it failed, is an error and no reason to wait for ever.
func (b *barrier) meet(t *testing.T) {
	t.Helper()
	if b.missing.Add(-1) == 0 {
		close(b.open)
	}
	select {
	case <-b.open:
	case <-time.After(time.Minute):
		t.Error("the other never came")
	}
}

// writeSkew lets two doctors go off call at once, each only if another stays. It counts the rounds after which nobody
// is on call or whose rows are not what the callers were told, and those in which a caller got an error.
func writeSkew(t *testing.T, pool *db.Pool, run inTx) (wrong, failed int) {
	t.Helper()
	exec(t, pool, `CREATE TABLE doctors (id INT8 NOT NULL PRIMARY KEY, on_call BOOL NOT NULL)`)
	for range skewRounds {
		exec(t, pool, `DELETE FROM doctors`)
		exec(t, pool, `INSERT INTO doctors (id, on_call) VALUES (1, true), (2, true)`)
		bothRead := newBarrier(2)
		var wg sync.WaitGroup
		var left [2]bool
		var errs [2]error
		for i := range 2 {
			wg.Go(func() {
				met := false
				errs[i] = run(t.Context(), pool, func(tx pgx.Tx) error {
					left[i] = false
					var onCall int
					err := tx.QueryRow(t.Context(), `SELECT count(*) FROM doctors AS d WHERE d.on_call`).Scan(&onCall)
					if !met { // in the first attempt both have read before either writes
						met = true
						bothRead.meet(t)
					}
					if err != nil || onCall < 2 {
						return err
					}
					left[i] = true
					_, err = tx.Exec(t.Context(), `UPDATE doctors SET on_call = false WHERE id = $1`, i+1)
					return err
				})
			})
		}
		wg.Wait()
		if errs[0] != nil || errs[1] != nil {
			failed++
		} else if left[0] == left[1] || onCall(t, pool, 1) == left[0] || onCall(t, pool, 2) == left[1] {
			wrong++
		}
	}
	return wrong, failed
}

func onCall(t *testing.T, pool *db.Pool, id int) bool {
	t.Helper()
	return one[bool](t, pool, `SELECT d.on_call FROM doctors AS d WHERE d.id = $1`, id)
}

// breakDeferredConstraint inserts half a posting into a table whose trigger checks at COMMIT that they balance.
func breakDeferredConstraint(t *testing.T, pool *db.Pool, run inTx) (err error, written int) { //nolint:revive,staticcheck // the error is the first result here
	t.Helper()
	if pool.Dialect() != db.PostgreSQL {
		t.Skip("SKIPPED: only PostgreSQL has deferred constraints")
	}
	exec(t, pool, `CREATE TABLE halves (amount INT8 NOT NULL)`)
	exec(t, pool, `CREATE FUNCTION balanced() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF (SELECT sum(amount) FROM halves) <> 0 THEN
				RAISE EXCEPTION 'unbalanced' USING ERRCODE = 'check_violation';
			END IF;
			RETURN NULL;
		END $$`)
	exec(t, pool, `CREATE CONSTRAINT TRIGGER halves_balance AFTER INSERT ON halves
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION balanced()`)
	err = run(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO halves (amount) VALUES (5)`)
		return err
	})
	return err, one[int](t, pool, `SELECT count(*) FROM halves`)
}

func TestDeadlockIsRunAgain(t *testing.T) {
	pool := ownerPool(t, db.Options{})
	exec(t, pool, `CREATE TABLE counters (id INT8 NOT NULL PRIMARY KEY, n INT8 NOT NULL)`)
	exec(t, pool, `INSERT INTO counters (id, n) VALUES (1, 0), (2, 0)`)
	var wg sync.WaitGroup
	bothLocked := newBarrier(2)
	attempts := make(chan int, 100)
	for i := range 2 {
		wg.Go(func() {
			met := false
			err := db.InTx(t.Context(), pool, db.Locked, func(tx pgx.Tx) error {
				attempts <- i
				for _, id := range []int{1 + i, 2 - i} {
					if _, err := tx.Exec(t.Context(), `UPDATE counters SET n = n + 1 WHERE id = $1`, id); err != nil {
						return fmt.Errorf("count: %w", err)
					}
					if !met {
						met = true
						bothLocked.meet(t)
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := one[int](t, pool, `SELECT sum(c.n)::INT8 FROM counters AS c`); n != 4 {
		t.Errorf("counted %d, want 4", n)
	}
	if len(attempts) < 3 {
		t.Errorf("%d attempts: there was no deadlock", len(attempts))
	}
}

func TestContentionEndsAfterTenAttempts(t *testing.T) {
	pool := ownerPool(t, db.Options{})
	exec(t, pool, `CREATE TABLE counters (id INT8 NOT NULL PRIMARY KEY, n INT8 NOT NULL)`)
	exec(t, pool, `INSERT INTO counters (id, n) VALUES (1, 0)`)
	attempts := 0
	err := db.InTx(t.Context(), pool, db.Serializable, func(tx pgx.Tx) error {
		attempts++
		var n int
		if err := tx.QueryRow(t.Context(), `SELECT c.n FROM counters AS c WHERE c.id = 1`).Scan(&n); err != nil {
			return err
		}
		exec(t, pool, `UPDATE counters SET n = n + 1 WHERE id = 1`) // another one, who is always faster
		_, err := tx.Exec(t.Context(), `UPDATE counters SET n = $1 WHERE id = 1`, n+1)
		return err
	})
	if !errors.Is(err, db.ErrContention) || !db.IsRetryable(err) || db.State(err) != "40001" || attempts != 10 {
		t.Errorf("after %d attempts: %v", attempts, err)
	}
}

func TestIsolationLevels(t *testing.T) {
	pool := ownerPool(t, db.Options{})
	want := map[db.Isolation]string{db.Serializable: "serializable", db.Locked: "read committed", db.Snapshot: "repeatable read"}
	if pool.Dialect() == db.CockroachDB {
		want = map[db.Isolation]string{db.Serializable: "serializable", db.Locked: "serializable", db.Snapshot: "serializable"}
	}
	for level, name := range want {
		err := db.InTx(t.Context(), pool, level, func(tx pgx.Tx) error {
			var got string
			err := tx.QueryRow(t.Context(), `SHOW transaction_isolation`).Scan(&got)
			if got != name {
				t.Errorf("level %d is %q, want %q", level, got, name)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestSnapshotCannotWrite(t *testing.T) {
	pool := ownerPool(t, db.Options{})
	exec(t, pool, `CREATE TABLE counters (id INT8 NOT NULL PRIMARY KEY)`)
	err := db.InTx(t.Context(), pool, db.Snapshot, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO counters (id) VALUES (1)`)
		return err
	})
	if db.State(err) != "25006" {
		t.Errorf("wrote in a snapshot: %v", err)
	}
}

func TestErrorOfTheFunctionRollsBackAndComesBack(t *testing.T) {
	pool := ownerPool(t, db.Options{})
	exec(t, pool, `CREATE TABLE counters (id INT8 NOT NULL, CONSTRAINT counters_pkey PRIMARY KEY (id))`)
	refused := errors.New("refused")
	err := db.InTx(t.Context(), pool, db.Serializable, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `INSERT INTO counters (id) VALUES (1)`); err != nil {
			return err
		}
		return refused
	})
	if !errors.Is(err, refused) || db.IsRetryable(err) {
		t.Error(err)
	}
	if n := one[int](t, pool, `SELECT count(*) FROM counters`); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	exec(t, pool, `INSERT INTO counters (id) VALUES (1)`)
	_, err = pool.Exec(t.Context(), `INSERT INTO counters (id) VALUES (1)`)
	if !db.IsUniqueViolation(err) || !db.Violates(err, "counters_pkey") || db.Violates(err, "another") {
		t.Error(err)
	}
}

func ownerPool(t *testing.T, opts db.Options) *db.Pool {
	t.Helper()
	return devdb.Open(t, devdb.NewEmpty(t).OwnerURL, opts)
}

func exec(t *testing.T, pool *db.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func one[T any](t *testing.T, pool *db.Pool, sql string, args ...any) T {
	t.Helper()
	var value T
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
