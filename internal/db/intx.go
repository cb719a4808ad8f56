package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cockroachdb/cockroach-go/v2/crdb"
	"github.com/jackc/pgx/v5"
)

// Isolation is what a transaction may see of the others.
type Isolation int

const (
	// Serializable is as if the transactions ran one after the other.
	Serializable Isolation = iota + 1
	// Locked is for transactions that lock every row that they decide by before they read it, and whose constraints
	// have the last word: READ COMMITTED on PostgreSQL, where SERIALIZABLE would abort them for index pages that they
	// merely share. CockroachDB compares rows, not pages, and stays at SERIALIZABLE.
	Locked
	// Snapshot reads everything as of one instant, and cannot write.
	Snapshot
)

const (
	maxAttempts = 10
	maxBackOff  = 64 * time.Millisecond
)

// InTx runs fn in a transaction and commits it. It is the only function that opens one.
//
// fn runs anew, in a new transaction, when the database aborts the attempt for another transaction's sake; it must
// therefore have no effect but through tx, set its results afresh every time, and wrap errors with %w only. After ten
// attempts the error is [ErrContention]. [ErrUnavailable] says that nothing was written, [ErrOutcomeUnknown] that
// COMMIT's answer was lost; every other error is fn's own, or COMMIT's, and nothing was written either.
//
// It is not crdbpgx.ExecuteTx, which discards COMMIT's error and so reports success for lost writes on PostgreSQL.
func InTx(ctx context.Context, p *Pool, level Isolation, fn func(tx pgx.Tx) error) error {
	attempts := 0
	err := crdb.ExecuteCtx(crdb.WithMaxRetries(ctx, maxAttempts-1), func(ctx context.Context, _ ...any) error {
		if err := backOff(ctx, attempts); err != nil {
			return err
		}
		attempts++
		return attempt(ctx, p, level, fn)
	})
	var spent *crdb.MaxRetriesExceededError
	if errors.As(err, &spent) {
		return fmt.Errorf("%w: %d attempts: %w", ErrContention, attempts, spent.Cause())
	}
	return err
}

// attempt runs fn once and says what an error of it means.
func attempt(ctx context.Context, p *Pool, level Isolation, fn func(tx pgx.Tx) error) error {
	if level != Snapshot {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, MaxTransaction)
		defer cancel()
	}
	began, lost, committing := false, false, false
	err := pgx.BeginTxFunc(ctx, p, txOptions(p.dialect, level), func(tx pgx.Tx) error {
		began = true
		err := cmp.Or(fn(tx), ctx.Err()) // a COMMIT that cannot leave any more is not sent, and so not unknown
		lost = err != nil && tx.Conn().IsClosed()
		committing = err == nil
		return err
	})
	switch {
	case err == nil:
		return nil
	case isConflict(err):
		return conflict{err}
	case committing && level != Snapshot && unanswered(err):
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	case !began, committing:
		return unavailable("transaction", err)
	case lost && !errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

func txOptions(dialect Dialect, level Isolation) pgx.TxOptions {
	switch {
	case level == Snapshot && dialect == PostgreSQL:
		return pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	case level == Snapshot:
		return pgx.TxOptions{IsoLevel: pgx.Serializable, AccessMode: pgx.ReadOnly}
	case level == Locked && dialect == PostgreSQL:
		return pgx.TxOptions{IsoLevel: pgx.ReadCommitted}
	}
	return pgx.TxOptions{IsoLevel: pgx.Serializable}
}

// backOff waits at random before every attempt but the first, so that two transactions that met do not meet again.
func backOff(ctx context.Context, attempts int) error {
	if attempts == 0 {
		return nil
	}
	most := min(time.Millisecond<<attempts, maxBackOff)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(rand.N(most)):
		return nil
	}
}

// conflict shows a deadlock, which only PostgreSQL reports, as the one state for which crdb runs a transaction again.
type conflict struct{ error }

func (conflict) SQLState() string { return stateSerialization }
func (c conflict) Unwrap() error  { return c.error }
