package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	sqlMoveCursors = `
UPDATE webhook_cursors AS c
SET event = u.event, seal = u.seal
FROM unnest($2::int2[], $3::int8[], $4::int8[]) AS u (stripe, event, seal)
WHERE c.endpoint_id = $1 AND c.stripe = u.stripe AND (c.event < u.event OR c.seal < u.seal)`

	sqlNoteDelivery = `
UPDATE webhook_endpoints SET delivered_at = now() WHERE programme_id = $1 AND id = $2`

	sqlPark = `
UPDATE webhook_endpoints SET state = 'parked' WHERE programme_id = $1 AND id = $2`

	sqlNoteFailures = `
INSERT INTO webhook_failures (endpoint_id, transaction_id, attempts, failure, failed_at, next_at)
SELECT $1, u.transaction_id, u.attempts, u.failure, now(), now() + u.wait
FROM unnest($2::uuid[], $3::int4[], $4::text[], $5::interval[]) AS u (transaction_id, attempts, failure, wait)
ON CONFLICT (endpoint_id, transaction_id) DO UPDATE
SET attempts = excluded.attempts, failure = excluded.failure, failed_at = excluded.failed_at, next_at = excluded.next_at`

	sqlForgetFailures = `
DELETE FROM webhook_failures AS f
WHERE f.endpoint_id = $1 AND f.transaction_id = ANY($2::uuid[])`

	sqlReadFailures = `
SELECT f.transaction_id, f.attempts, f.next_at, now()
FROM webhook_failures AS f
WHERE f.endpoint_id = $1`
)

// progress is what a courier learned and has not saved.
type progress struct {
	cursors   map[int16]cursor
	delivered bool
	failed    map[uuid.UUID]failed
	recovered []uuid.UUID
	park      bool
}

type failed struct {
	attempts int
	text     string
	wait     time.Duration
}

func (p *progress) empty() bool { return !p.delivered && len(p.failed) == 0 }

func (p *progress) fail(d *delivery, text string, wait time.Duration) {
	if p.failed == nil {
		p.failed = make(map[uuid.UUID]failed)
	}
	p.failed[d.transaction] = failed{d.attempts, text, wait}
}

// save writes progress in one transaction, or nothing and errLeaseLost when another took over.
func (l *lease) save(ctx context.Context, e *target, p progress) error {
	return l.guard(ctx, func(tx pgx.Tx) error {
		var q pgx.Batch
		if len(p.cursors) > 0 {
			var stripes []int16
			var events, seals []int64
			for stripe, c := range p.cursors {
				stripes, events, seals = append(stripes, stripe), append(events, c.event), append(seals, c.seal)
			}
			q.Queue(sqlMoveCursors, e.id, stripes, events, seals)
		}
		if p.delivered {
			q.Queue(sqlNoteDelivery, e.programme, e.id)
		}
		if len(p.recovered) > 0 {
			q.Queue(sqlForgetFailures, e.id, p.recovered)
		}
		if len(p.failed) > 0 {
			queueFailures(&q, e.id, p.failed)
		}
		if p.park {
			q.Queue(sqlPark, e.programme, e.id)
		}
		if err := tx.SendBatch(ctx, &q).Close(); err != nil {
			return fmt.Errorf("save deliveries: %w", err)
		}
		return nil
	})
}

func queueFailures(q *pgx.Batch, endpoint uuid.UUID, list map[uuid.UUID]failed) {
	var ids []uuid.UUID
	var attempts []int32
	var texts []string
	var waits []time.Duration
	for id, f := range list {
		ids, attempts = append(ids, id), append(attempts, int32(f.attempts))
		texts, waits = append(texts, f.text), append(waits, f.wait)
	}
	q.Queue(sqlNoteFailures, endpoint, ids, attempts, texts, waits)
}

// remember gives deliveries the attempts that earlier holders of the endpoint made.
func (l *lease) remember(ctx context.Context, endpoint uuid.UUID, list []*delivery) error {
	rows, err := l.pool.Query(ctx, sqlReadFailures, endpoint)
	if err != nil {
		return fmt.Errorf("read failures: %w", err)
	}
	byID := make(map[uuid.UUID]*delivery, len(list))
	for _, d := range list {
		byID[d.transaction] = d
	}
	var id uuid.UUID
	var attempts int
	var next, now time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &attempts, &next, &now}, func() error {
		if d := byID[id]; d != nil {
			d.attempts, d.due = attempts, time.Now().Add(next.Sub(now))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read failures: %w", err)
	}
	return nil
}
