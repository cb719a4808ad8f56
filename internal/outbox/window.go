package outbox

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
	"tallystick/ledger"
)

const (
	sqlReadBacklog = `
SELECT c.stripe, c.event, c.seal, s.events
FROM webhook_cursors AS c
JOIN stripes AS s ON s.programme_id = $1 AND s.stripe = c.stripe
WHERE c.endpoint_id = $2 AND c.event < s.events
ORDER BY c.stripe`

	sqlReadSeals = `
SELECT s.stripe, s.n, s.recorded_at, s.sealed_at, s.first_event, s.events, s.transaction_ids
FROM unnest($2::int2[], $3::int8[]) AS u (stripe, n)
JOIN seals AS s ON s.programme_id = $1 AND s.stripe = u.stripe AND s.n >= u.n AND s.n < u.n + $4
ORDER BY s.stripe, s.n`

	sqlReadPosted = `
SELECT t.id
FROM transactions AS t
WHERE t.id = ANY($1::uuid[]) AND t.rejection = ''`
)

// cursor is a place in a stripe: event events lie behind it, and the next one is in no seal before seal.
type cursor struct {
	event, seal int64
}

// stripeWindow is what a snapshot shows of one stripe beyond the cursor, cut to a bounded length.
type stripeWindow struct {
	from   cursor
	events int64 // how many events the stripe has
	seals  []ledger.Seal
}

// pick is one event of a window, before its transaction is read.
type pick struct {
	stripe      int16
	after       cursor // where the stripe's cursor stands once this is delivered
	transaction uuid.UUID
	key         time.Time
}

// window is a set of events in which each account's events have no gap and follow on what was delivered before.
//
// An account's entries are written under its lock, so whoever sees entry seq sees seq-1 too: a snapshot of all stripes
// holds every event's predecessors. A window is a part of a snapshot, and where it cuts a stripe short a predecessor
// could lie behind the cut. So it keeps only what is older than the oldest cut (see horizon).
type window struct {
	picks []pick
	// skip moves the cursors of stripes whose next seals hold rejected transactions only.
	skip map[int16]cursor
	// more says that the snapshot showed events beyond the window.
	more bool
}

// windows reads windows of one endpoint.
type windows struct {
	pool      *db.Pool
	programme *ledger.Programme
	endpoint  uuid.UUID
	events    int   // the most events of a window, shared by the stripes that have any
	seals     int64 // the most seals that are read of a stripe
}

// next reads the window at the endpoint's cursors. It is empty when everything was delivered.
func (w *windows) next(ctx context.Context) (window, error) {
	var stripes map[int16]*stripeWindow
	var posted map[uuid.UUID]bool
	err := db.InTx(ctx, w.pool, db.Snapshot, func(tx pgx.Tx) error {
		var err error
		if stripes, err = w.snapshot(ctx, tx); err != nil || len(stripes) == 0 {
			return err
		}
		for _, s := range stripes {
			if len(s.seals) > 0 && s.seals[0].FirstEvent > s.from.event {
				return fmt.Errorf("outbox: cursor of stripe %d at seal %d is beyond event %d", s.seals[0].Stripe, s.from.seal, s.from.event)
			}
			s.cut(w.quota(stripes))
		}
		posted, err = readPosted(ctx, tx, stripes)
		return err
	})
	if err != nil {
		return window{}, fmt.Errorf("read window: %w", err)
	}
	return w.assemble(stripes, posted), nil
}

// quota is a stripe's share of a window.
func (w *windows) quota(stripes map[int16]*stripeWindow) int64 {
	return max(int64(w.events/len(stripes)), 1)
}

// snapshot reads where the cursors stand and the seals beyond them.
func (w *windows) snapshot(ctx context.Context, tx pgx.Tx) (map[int16]*stripeWindow, error) {
	rows, err := tx.Query(ctx, sqlReadBacklog, w.programme.ID, w.endpoint)
	if err != nil {
		return nil, fmt.Errorf("backlog: %w", err)
	}
	stripes := make(map[int16]*stripeWindow)
	var numbers []int16
	var seals []int64
	var stripe int16
	var s stripeWindow
	_, err = pgx.ForEachRow(rows, []any{&stripe, &s.from.event, &s.from.seal, &s.events}, func() error {
		stripes[stripe] = &stripeWindow{from: s.from, events: s.events}
		numbers, seals = append(numbers, stripe), append(seals, s.from.seal)
		return nil
	})
	if err != nil || len(stripes) == 0 {
		return stripes, err
	}
	if rows, err = tx.Query(ctx, sqlReadSeals, w.programme.ID, numbers, seals, w.seals); err != nil {
		return nil, fmt.Errorf("seals: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var seal ledger.Seal
		if err := rows.Scan(&seal.Stripe, &seal.N, &seal.RecordedAt, &seal.SealedAt, &seal.FirstEvent, &seal.Events, &seal.Transactions); err != nil {
			return nil, fmt.Errorf("seals: %w", err)
		}
		stripes[seal.Stripe].seals = append(stripes[seal.Stripe].seals, seal)
	}
	return stripes, rows.Err()
}

// cut drops the seals beyond those that the stripe's share of the window needs.
func (s *stripeWindow) cut(quota int64) {
	for i, seal := range s.seals {
		if seal.FirstEvent+seal.Events >= s.from.event+quota {
			s.seals = s.seals[:i+1]
			return
		}
	}
}

// readPosted tells which transactions of seals with rejections were posted; of other seals all were.
func readPosted(ctx context.Context, tx pgx.Tx, stripes map[int16]*stripeWindow) (map[uuid.UUID]bool, error) {
	var mixed []uuid.UUID
	for _, s := range stripes {
		for _, seal := range s.seals {
			if seal.Events > 0 && seal.Events < int64(len(seal.Transactions)) {
				mixed = append(mixed, seal.Transactions...)
			}
		}
	}
	posted := make(map[uuid.UUID]bool)
	if len(mixed) == 0 {
		return posted, nil
	}
	rows, err := tx.Query(ctx, sqlReadPosted, mixed)
	if err != nil {
		return nil, fmt.Errorf("posted: %w", err)
	}
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error { posted[id] = true; return nil })
	return posted, err
}

func (w *windows) assemble(stripes map[int16]*stripeWindow, posted map[uuid.UUID]bool) window {
	out := window{skip: make(map[int16]cursor)}
	var all []pick
	var horizon time.Time
	for _, s := range stripes {
		if len(s.seals) == 0 {
			continue // a stripe with a backlog has seals; nothing is decided by what we do not see
		}
		list := s.picks(w.key, posted, w.quota(stripes))
		all = append(all, list...)
		last := s.seals[len(s.seals)-1]
		if len(list) == 0 {
			out.skip[last.Stripe] = cursor{event: s.from.event, seal: last.N + 1}
		}
		if len(list) == 0 || list[len(list)-1].after.event < s.events {
			if key := w.key(&last); horizon.IsZero() || key.Before(horizon) {
				horizon = key
			}
		}
	}
	out.picks, out.more = keep(all, horizon), !horizon.IsZero()
	return out
}

// key orders events across stripes wherever one account is in two of them. In a live programme that is the recorded
// time: a batch's is never before that of any account it touches, whatever the clocks do. In a sandbox it stands still
// between two moves of the clock, which lock all stripes, so the time of sealing takes its place.
func (w *windows) key(s *ledger.Seal) time.Time {
	if w.programme.Sandbox {
		return s.SealedAt
	}
	return s.RecordedAt
}

// picks lists the stripe's events from the cursor on, at most quota of them.
func (s *stripeWindow) picks(key func(*ledger.Seal) time.Time, posted map[uuid.UUID]bool, quota int64) []pick {
	var list []pick
	for i := range s.seals {
		seal := &s.seals[i]
		event, end := seal.FirstEvent, seal.FirstEvent+seal.Events
		for _, id := range seal.Transactions {
			if event == end || int64(len(list)) == quota {
				break
			}
			if seal.Events < int64(len(seal.Transactions)) && !posted[id] {
				continue
			}
			event++
			if event <= s.from.event {
				continue
			}
			after := cursor{event: event, seal: seal.N}
			if event == end {
				after.seal++
			}
			list = append(list, pick{stripe: seal.Stripe, after: after, transaction: id, key: key(seal)})
		}
	}
	return list
}

// keep returns the picks before the horizon, oldest first; all of them when nothing was cut. The horizon is the least key
// that may be missing, so whatever is before it has all of its predecessors among the picks or behind the cursors. The
// stripe that sets it may have no event before it, being cut within one seal: then those at the horizon go.
func keep(all []pick, horizon time.Time) []pick {
	slices.SortFunc(all, func(a, b pick) int {
		if c := a.key.Compare(b.key); c != 0 {
			return c
		}
		if a.stripe != b.stripe {
			return int(a.stripe) - int(b.stripe)
		}
		return int(a.after.event - b.after.event)
	})
	if horizon.IsZero() {
		return all
	}
	before, _ := slices.BinarySearchFunc(all, horizon, func(p pick, h time.Time) int { return p.key.Compare(h) })
	if before > 0 {
		return all[:before]
	}
	end := before
	for end < len(all) && all[end].key.Equal(horizon) {
		end++
	}
	return all[:end]
}
