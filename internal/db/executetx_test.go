package db_test

import (
	"context"
	"testing"

	crdbpgx "github.com/cockroachdb/cockroach-go/v2/crdb/crdbpgxv5"
	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
)

// The negative control of the regression tests: with the library's own helper they must fail on PostgreSQL, or they
// prove nothing about ours.

func executeTx(ctx context.Context, p *db.Pool, fn func(pgx.Tx) error) error {
	return crdbpgx.ExecuteTx(ctx, p, pgx.TxOptions{IsoLevel: pgx.Serializable}, fn)
}

func TestExecuteTxLosesWritesToSkew(t *testing.T) {
	pool := ownerPool(t, db.Options{})
	if pool.Dialect() != db.PostgreSQL {
		t.Skip("SKIPPED: ExecuteTx is right on CockroachDB")
	}
	if wrong, _ := writeSkew(t, pool, executeTx); wrong == 0 {
		t.Error("ExecuteTx kept every write: the test of InTx cannot fail")
	}
}

func TestExecuteTxHidesDeferredConstraintError(t *testing.T) {
	pool := ownerPool(t, db.Options{})
	err, written := breakDeferredConstraint(t, pool, executeTx)
	if err != nil || written != 0 {
		t.Errorf("%v, %d rows: the test of InTx cannot fail", err, written)
	}
}
