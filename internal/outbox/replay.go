package outbox

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/ledger"
)

const (
	sqlReadEnds = `
SELECT s.stripe, s.events, s.seals
FROM stripes AS s
WHERE s.programme_id = $1`

	sqlReadSealEnds = `
SELECT s.stripe, s.n, s.first_event + s.events
FROM unnest($2::int2[], $3::int8[]) AS u (stripe, n)
JOIN seals AS s ON s.programme_id = $1 AND s.stripe = u.stripe AND s.n = u.n`

	sqlSetCursors = `
UPDATE webhook_cursors AS c
SET event = u.event, seal = u.seal
FROM unnest($2::int2[], $3::int8[], $4::int8[]) AS u (stripe, event, seal)
WHERE c.endpoint_id = $1 AND c.stripe = u.stripe`

	sqlStart = `UPDATE webhook_endpoints SET started_at = now() WHERE programme_id = $1 AND id = $2`
)

// Replay sends every event after the position again, and those that come. A stripe that the position does not name
// starts from the beginning. A position further on than the endpoint skips what lies between. A parked endpoint stays
// parked until Resume. A retry changes nothing. INVALID_FIELD refuses a position that the programme has not reached.
func (e *Endpoints) Replay(ctx context.Context, programme, id uuid.UUID, asked Asked, position Position) (Endpoint, error) {
	for stripe := range position {
		if stripe < 0 || stripe >= ledger.Stripes {
			return Endpoint{}, invalid("position", "there is no such stripe")
		}
	}
	content := []string{"replay"}
	for _, stripe := range slices.Sorted(maps.Keys(position)) {
		content = append(content, fmt.Sprint(stripe, position[stripe]))
	}
	_, err := e.change(ctx, programme, id, asked, content, func(tx pgx.Tx) error {
		cursors, err := seek(ctx, tx, programme, position)
		if err != nil {
			return err
		}
		var stripes []int16
		var events, seals []int64
		for stripe, c := range cursors {
			stripes, events, seals = append(stripes, stripe), append(events, c.event), append(seals, c.seal)
		}
		if _, err := tx.Exec(ctx, sqlSetCursors, id, stripes, events, seals); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlDeleteFailures, id); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, sqlStart, programme, id)
		return err
	})
	if err != nil {
		return Endpoint{}, err
	}
	return e.Get(ctx, programme, id)
}

// search is a stripe's part of a seek: the seal is in [low, high).
type search struct {
	event     int64
	low, high int64
}

// seek finds the seal of each stripe that holds the event after the position, or the seal to come. It halves all
// stripes' chains together, so it takes about twenty small reads, wherever the position lies.
func seek(ctx context.Context, tx pgx.Tx, programme uuid.UUID, position Position) (map[int16]cursor, error) {
	rows, err := tx.Query(ctx, sqlReadEnds, programme)
	if err != nil {
		return nil, fmt.Errorf("read stripes: %w", err)
	}
	searches := make(map[int16]*search)
	var stripe int16
	var events, seals int64
	_, err = pgx.ForEachRow(rows, []any{&stripe, &events, &seals}, func() error {
		event := position[stripe]
		if event < 0 || event > events {
			return invalid("position", "the programme has not reached it")
		}
		searches[stripe] = &search{event: event, low: 1, high: seals + 1}
		if event == events {
			searches[stripe].low = seals + 1
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read stripes: %w", err)
	}
	for more := true; more; {
		if more, err = halve(ctx, tx, programme, searches); err != nil {
			return nil, err
		}
	}
	cursors := make(map[int16]cursor, len(searches))
	for stripe, s := range searches {
		cursors[stripe] = cursor{event: s.event, seal: s.low}
	}
	return cursors, nil
}

// halve looks at the seal in the middle of what is left of every search, and reports whether any goes on.
func halve(ctx context.Context, tx pgx.Tx, programme uuid.UUID, searches map[int16]*search) (bool, error) {
	var stripes []int16
	var middles []int64
	for stripe, s := range searches {
		if s.low < s.high {
			stripes, middles = append(stripes, stripe), append(middles, (s.low+s.high)/2)
		}
	}
	if len(stripes) == 0 {
		return false, nil
	}
	rows, err := tx.Query(ctx, sqlReadSealEnds, programme, stripes, middles)
	if err != nil {
		return false, fmt.Errorf("read seals: %w", err)
	}
	var stripe int16
	var n, end int64
	tag, err := pgx.ForEachRow(rows, []any{&stripe, &n, &end}, func() error {
		if s := searches[stripe]; end > s.event {
			s.high = n
		} else {
			s.low = n + 1
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("read seals: %w", err)
	}
	if tag.RowsAffected() != int64(len(stripes)) {
		return false, fmt.Errorf("outbox: a seal is missing among %v of stripes %v", middles, stripes)
	}
	return true, nil
}
