package db_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
)

// cutter breaks the connection at the first message that holds trigger, before it leaves or after it was answered.
type cutter struct {
	net.Conn
	trigger  []byte
	after    bool
	cuts     *atomic.Int32
	draining bool
}

func (c *cutter) Write(b []byte) (int, error) {
	if bytes.Contains(b, c.trigger) {
		c.cuts.Add(1)
		if !c.after {
			_ = c.Conn.Close()
			return 0, io.ErrUnexpectedEOF
		}
		c.draining = true
	}
	return c.Conn.Write(b)
}

func (c *cutter) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.draining && err == nil { // the answer has come, and is dropped
		_ = c.Conn.Close()
		return 0, io.EOF
	}
	return n, err
}

// cutPool opens a pool on a table of numbers whose connections break at trigger.
func cutPool(t *testing.T, trigger string, after bool) (cut, whole *db.Pool, cuts *atomic.Int32) {
	t.Helper()
	url := devdb.NewEmpty(t).OwnerURL
	whole = devdb.Open(t, url, db.Options{})
	exec(t, whole, `CREATE TABLE numbers (n INT8 NOT NULL)`)
	cuts = new(atomic.Int32)
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &cutter{Conn: conn, trigger: []byte(trigger), after: after, cuts: cuts}, nil
	}
	return devdb.Open(t, url, db.Options{Dial: dial}), whole, cuts
}

func insertNumber(t *testing.T, pool *db.Pool) error {
	t.Helper()
	return db.InTx(t.Context(), pool, db.Locked, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO numbers (n) VALUES (1)`)
		return err
	})
}

func TestLostAnswerToCommitIsUnknown(t *testing.T) {
	for name, after := range map[string]bool{"question lost": false, "answer lost": true} {
		t.Run(name, func(t *testing.T) {
			cut, whole, cuts := cutPool(t, "commit\x00", after)
			err := insertNumber(t, cut)
			if !errors.Is(err, db.ErrOutcomeUnknown) || errors.Is(err, db.ErrUnavailable) || !db.IsRetryable(err) {
				t.Error(err)
			}
			if cuts.Load() != 1 {
				t.Errorf("COMMIT was sent %d times", cuts.Load())
			}
			want := 0
			if after {
				want = 1 // which is why the outcome is called unknown, and not a failure
			}
			if got := one[int](t, whole, `SELECT count(*) FROM numbers`); got != want {
				t.Errorf("%d rows, want %d", got, want)
			}
		})
	}
}

func TestConnectionLostBeforeCommitIsUnavailable(t *testing.T) {
	cut, whole, cuts := cutPool(t, "INSERT INTO", false)
	if err := insertNumber(t, cut); !errors.Is(err, db.ErrUnavailable) || errors.Is(err, db.ErrOutcomeUnknown) {
		t.Error(err)
	}
	if got := one[int](t, whole, `SELECT count(*) FROM numbers`); got != 0 || cuts.Load() == 0 {
		t.Errorf("%d rows after %d cuts", got, cuts.Load())
	}
}

func TestLostAnswerToASnapshotsCommitIsUnavailable(t *testing.T) {
	for name, after := range map[string]bool{"question lost": false, "answer lost": true} {
		t.Run(name, func(t *testing.T) {
			cut, _, cuts := cutPool(t, "commit\x00", after)
			err := db.InTx(t.Context(), cut, db.Snapshot, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), `SELECT 1`)
				return err
			})
			if !errors.Is(err, db.ErrUnavailable) || cuts.Load() != 1 {
				t.Errorf("%v after %d cuts", err, cuts.Load())
			}
		})
	}
}

func TestReadWhoseConnectionBreaksMayBeTriedAgain(t *testing.T) {
	for name, after := range map[string]bool{"question lost": false, "answer lost": true} {
		t.Run(name, func(t *testing.T) {
			cut, _, cuts := cutPool(t, "FROM numbers", after)
			var n int
			err := cut.QueryRow(t.Context(), `SELECT count(*) FROM numbers`).Scan(&n)
			if !db.IsRetryable(err) || cuts.Load() != 1 {
				t.Errorf("%v after %d cuts", err, cuts.Load())
			}
		})
	}
}

func TestCancelledBeforeCommitIsNotUnknown(t *testing.T) {
	pool := ownerPool(t, db.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	err := db.InTx(ctx, pool, db.Serializable, func(pgx.Tx) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || db.IsRetryable(err) {
		t.Error(err)
	}
}

func TestServerThatEndsTheSessionIsUnavailable(t *testing.T) {
	pool := ownerPool(t, db.Options{})
	if pool.Dialect() != db.PostgreSQL {
		t.Skip("SKIPPED: only PostgreSQL ends sessions by a function")
	}
	err := db.InTx(t.Context(), pool, db.Serializable, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `SELECT pg_terminate_backend(pg_backend_pid())`)
		return err
	})
	if !errors.Is(err, db.ErrUnavailable) || db.State(err) != "57P01" {
		t.Error(err)
	}
}
