package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrBusy says that every connection of the pool was in use for as long as anybody should wait. Nothing was written.
var ErrBusy = errors.New("every database connection is in use")

// maxWait is how long a caller waits for a connection. Work takes milliseconds, so whoever waits this long stands in a queue
// that does not move, and is better told than kept.
const maxWait = 2 * time.Second

// waits is the pool's tracer, which is how a pgxpool lets the wait for a connection be bounded by itself.
type waits struct{}

// wait is a caller's context for as long as it waits: it ends sooner than the caller's own, and says why.
type wait struct {
	context.Context
	caller context.Context
	pool   *pgxpool.Pool
	cancel context.CancelFunc
}

func (w wait) Err() error {
	err := w.Context.Err()
	if err == nil || w.caller.Err() != nil {
		return err
	}
	if stat := w.pool.Stat(); stat.AcquiredConns() >= stat.MaxConns() {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return fmt.Errorf("%w: connect: %w", ErrUnavailable, err)
}

func (waits) TraceAcquireStart(ctx context.Context, pool *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	limited, cancel := context.WithTimeout(ctx, maxWait)
	return wait{limited, ctx, pool, cancel}
}

func (waits) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	if w, ok := ctx.(wait); ok {
		w.cancel()
	}
}

// A pool's tracer has to be a tracer of queries too.

func (waits) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (waits) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
