package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Lag is how far deliveries are behind the journal, over all programmes.
type Lag struct {
	// Undelivered counts the events that wait, once for each active endpoint.
	Undelivered int64
	// Oldest is the longest that an event has waited while nothing was delivered to its endpoint and, when one has failed,
	// nothing was tried although it was time to. It grows when no dispatcher does its work. A failing or slow receiver and
	// a replay of old events do not make it grow: they say nothing about this service.
	Oldest time.Duration
	// Failing endpoints have an event whose last delivery failed; parked ones wait for Resume.
	Failing, Parked int
}

// The oldest event that waits at an endpoint is the first of some stripe, and its seal is the cursor's or follows it.
const sqlReadLag = `
SELECT e.id, e.state, sum(s.events - c.event)::int8, min(l.sealed_at), e.delivered_at, e.started_at, now(),
    (SELECT min(f.next_at) FROM webhook_failures AS f WHERE f.endpoint_id = e.id),
    (SELECT max(f.failed_at) FROM webhook_failures AS f WHERE f.endpoint_id = e.id)
FROM webhook_endpoints AS e
JOIN webhook_cursors AS c ON c.endpoint_id = e.id
JOIN stripes AS s ON s.programme_id = e.programme_id AND s.stripe = c.stripe
LEFT JOIN seals AS l ON l.programme_id = e.programme_id AND l.stripe = c.stripe AND l.n = c.seal AND c.event < s.events
GROUP BY e.id, e.state, e.delivered_at, e.started_at`

// Lag reads how far deliveries are behind. It costs 64 rows an endpoint.
func (e *Endpoints) Lag(ctx context.Context) (Lag, error) {
	rows, err := e.pool.Query(ctx, sqlReadLag)
	if err != nil {
		return Lag{}, fmt.Errorf("read outbox lag: %w", err)
	}
	var lag Lag
	var id uuid.UUID
	var state State
	var waiting int64
	var oldest, delivered, started, next, failed *time.Time
	var now time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &state, &waiting, &oldest, &delivered, &started, &now, &next, &failed}, func() error {
		if state == Parked {
			lag.Parked++
			return nil
		}
		lag.Undelivered += waiting
		if next != nil {
			lag.Failing++
		}
		if oldest != nil {
			since := *oldest
			for _, later := range []*time.Time{delivered, started, next, failed} {
				if later != nil && later.After(since) {
					since = *later
				}
			}
			lag.Oldest = max(lag.Oldest, now.Sub(since))
		}
		return nil
	})
	if err != nil {
		return Lag{}, fmt.Errorf("read outbox lag: %w", err)
	}
	return lag, nil
}
