package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
)

// Who serves an endpoint is a row of leases, by the database's clock. Fencing rises with each new holder and with each
// change of the endpoint, so a holder that was overtaken, or that knows an endpoint as it was, can save nothing.
const (
	sqlInsertLease = `
INSERT INTO leases (name, owner, fencing, lease_until)
VALUES ($1, $2, 0, now())
ON CONFLICT (name) DO NOTHING`

	sqlTakeLease = `
UPDATE leases SET owner = $2, fencing = fencing + 1, lease_until = now() + $3::interval
WHERE name = $1 AND (lease_until <= now() OR owner = $2)
RETURNING fencing`

	sqlRenewLease = `
UPDATE leases SET lease_until = now() + $4::interval
WHERE name = $1 AND owner = $2 AND fencing = $3 AND lease_until > now()`

	sqlReleaseLease = `
UPDATE leases SET lease_until = now()
WHERE name = $1 AND owner = $2 AND fencing = $3`

	sqlLockLease = `
SELECT l.lease_until > now()
FROM leases AS l
WHERE l.name = $1 AND l.owner = $2 AND l.fencing = $3
FOR UPDATE`

	sqlFenceLease = `UPDATE leases SET fencing = fencing + 1 WHERE name = $1`

	sqlDeleteLease = `DELETE FROM leases WHERE name = $1`
)

// errLeaseLost ends the work of a holder that was overtaken or whose endpoint was changed.
var errLeaseLost = errors.New("outbox: the lease of the endpoint is lost")

func leaseName(endpoint uuid.UUID) string { return "webhook/" + endpoint.String() }

// lease is the right to serve one endpoint.
type lease struct {
	pool    *db.Pool
	name    string
	owner   uuid.UUID
	fencing int64
	length  time.Duration
	// until is by our own clock, counted from before the database was asked: never later than the database's.
	until time.Time
}

// take acquires the lease of an endpoint, or returns nil when another holds it.
func take(ctx context.Context, pool *db.Pool, endpoint, owner uuid.UUID, length time.Duration) (*lease, error) {
	l := &lease{pool: pool, name: leaseName(endpoint), owner: owner, length: length, until: time.Now().Add(length)}
	err := pool.QueryRow(ctx, sqlTakeLease, l.name, owner, length).Scan(&l.fencing)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // nobody's fault, and nothing to hold
	}
	if err != nil {
		return nil, fmt.Errorf("lease endpoint: %w", err)
	}
	return l, nil
}

// keep renews the lease until the context that it returns is done. That context ends, at the latest, when the lease
// does: requests in flight are cut off before another holder can start.
func (l *lease) keep(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	held, cancel := context.WithCancelCause(ctx)
	go func() {
		for {
			select {
			case <-held.Done():
				return
			case <-time.After(min(l.length/3, time.Until(l.until))):
			}
			asked := time.Now()
			renewing, done := context.WithDeadline(held, l.until)
			tag, err := l.pool.Exec(renewing, sqlRenewLease, l.name, l.owner, l.fencing, l.length)
			done()
			switch {
			case err == nil && tag.RowsAffected() == 1:
				l.until = asked.Add(l.length)
			case err == nil, !time.Now().Before(l.until):
				cancel(errLeaseLost)
				return
			}
		}
	}()
	return held, cancel
}

// guard runs fn in a transaction that commits only while the lease is held.
func (l *lease) guard(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return db.InTx(ctx, l.pool, db.Locked, func(tx pgx.Tx) error {
		var live bool
		err := tx.QueryRow(ctx, sqlLockLease, l.name, l.owner, l.fencing).Scan(&live)
		switch {
		case errors.Is(err, pgx.ErrNoRows), err == nil && !live:
			return errLeaseLost
		case err != nil:
			return fmt.Errorf("lock lease: %w", err)
		}
		return fn(tx)
	})
}

// release lets another holder start at once.
func (l *lease) release(ctx context.Context) error {
	if _, err := l.pool.Exec(ctx, sqlReleaseLease, l.name, l.owner, l.fencing); err != nil {
		return fmt.Errorf("release lease: %w", err)
	}
	return nil
}
