package ledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
)

type dbTx = pgx.Tx

// The statements that load a batch go out together, in this order and none joined, so that each sees what the locks of
// those before it protect. Whoever changes what decides every posting (clock, open period, freezes, rule version) locks
// all stripes of the programme; a posting locks its own.
const (
	sqlLockStripes = `
SELECT s.stripe, s.seals, s.events, s.head, s.lease_owner
FROM stripes AS s
WHERE s.programme_id = $1 AND s.stripe = ANY($2::int2[])
ORDER BY s.stripe
FOR UPDATE`

	sqlLockAccounts = `
SELECT a.id, a.floor, a.balance, a.seq, a.recorded_at, a.due_at, a.head
FROM accounts AS a
WHERE a.id = ANY($1::uuid[])
ORDER BY a.id
FOR UPDATE`

	sqlReadKnown = `
SELECT t.id, t.request_hash
FROM transactions AS t
WHERE t.id = ANY($1::uuid[])`

	sqlReadLots = `
SELECT l.account_id, l.expires_at, l.fund, l.remaining
FROM lots AS l
WHERE l.account_id = ANY($1::uuid[])`

	sqlReadReferences = `
SELECT r.client, r.kind, r.reference, r.transaction_id
FROM unnest($2::text[], $3::text[], $4::text[]) AS u (client, kind, reference)
JOIN business_references AS r
  ON r.programme_id = $1 AND r.client = u.client AND r.kind = u.kind AND r.reference = u.reference`

	sqlReadFreezes = `
SELECT f.member, t.kind
FROM freezes AS f
JOIN transactions AS t ON t.id = f.transaction_id
WHERE f.programme_id = $1 AND f.member = ANY($2::text[])`

	sqlReadReversed = `
SELECT f.original_id, sum(f.amount)
FROM follow_ups AS f
WHERE f.original_id = ANY($1::uuid[]) AND f.kind IN ('reversal', 'clawback')
GROUP BY f.original_id`

	// Read last, so that its clock is later than every lock.
	sqlReadProgramme = `
SELECT p.version, p.sandbox, p.clock, p.open_from, clock_timestamp()
FROM programmes AS p
WHERE p.id = $1`
)

// noStripe is for previews, which seal nothing.
const noStripe = int16(-1)

// work is a batch between load and save.
type work struct {
	book     *Book
	previous Seal
	leased   uuid.UUID // who held the stripe's lease when it was locked
	clock    time.Time // the database's real time
	sandbox  struct {
		on    bool
		clock time.Time
	}
	version int64
}

// load locks and reads everything that decides the items.
func (l *Ledger) load(ctx context.Context, tx dbTx, programme uuid.UUID, items []*Item, stripe int16) (*work, error) {
	w, err := l.gather(ctx, tx, programme, items, stripe)
	if err != nil {
		return nil, err
	}
	p, err := l.programmeAt(ctx, tx, programme, w.version)
	if err != nil {
		return nil, err
	}
	w.book.begin(p, w.now())
	return w, nil
}

// gather is load without the programme.
func (l *Ledger) gather(ctx context.Context, tx dbTx, programme uuid.UUID, items []*Item, stripe int16) (*work, error) {
	w := &work{book: newBook(&Programme{ID: programme}, max(stripe, 0))}
	b := w.book
	if err := loadOriginals(ctx, tx, b, items); err != nil {
		return nil, err
	}
	for r := range requestsOf(items) {
		b.require(r)
	}
	if err := l.loadHoldings(ctx, tx, b, items, stripe); err != nil {
		return nil, err
	}
	var q pgx.Batch
	w.queueStripes(&q, items, stripe)
	w.queueAccounts(&q)
	w.queueKnown(&q, items)
	w.queueFreezes(&q, items)
	w.queueOriginals(&q)
	w.queueAccrued(&q, items)
	w.queueProgramme(&q)
	if err := tx.SendBatch(ctx, &q).Close(); err != nil {
		return nil, fmt.Errorf("load batch: %w", err)
	}
	return w, nil
}

// requestsOf goes through the requests of all items, and their alternatives.
func requestsOf(items []*Item) func(func(*Request) bool) {
	return func(yield func(*Request) bool) {
		for _, item := range items {
			for i := range item.Requests {
				for r := &item.Requests[i]; r != nil; r = r.Otherwise {
					if !yield(r) {
						return
					}
				}
			}
		}
	}
}

// loadOriginals reads the earlier transactions that requests refer to. They are immutable, so no lock is needed. Only a
// reversal needs their entries, for the lots that it brings back.
func loadOriginals(ctx context.Context, tx dbTx, b *Book, items []*Item) error {
	var ids []uuid.UUID
	reversed := make(map[uuid.UUID]*Transaction)
	for r := range requestsOf(items) {
		if r.Original == uuid.Nil {
			continue
		}
		ids = append(ids, r.Original)
		if r.Kind == KindReversal {
			reversed[r.Original] = nil
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := readWithLegs(ctx, tx, b.programme.ID, ids)
	if err != nil {
		return err
	}
	for id, t := range found {
		b.originals[id] = &original{tx: t}
		if _, entries := reversed[id]; entries {
			reversed[id] = t
		}
	}
	maps.DeleteFunc(reversed, func(_ uuid.UUID, t *Transaction) bool { return t == nil }) // not found
	return readEntries(ctx, tx, reversed)
}

// queueStripes locks the batch's stripe, or all of the programme's when a request changes what decides other postings.
func (w *work) queueStripes(q *pgx.Batch, items []*Item, stripe int16) {
	stripes := []int16{stripe}
	for r := range requestsOf(items) {
		if r.Kind.closes() && len(stripes) == 1 {
			stripes = allStripes()
		}
	}
	if stripe != noStripe {
		q.Queue(sqlLockStripes, w.book.programme.ID, stripes).Query(func(rows pgx.Rows) error {
			var s Seal
			var n int16
			_, err := pgx.ForEachRow(rows, []any{&n, &s.N, &s.Events, &s.Hash, &w.leased}, func() error {
				if n == stripe {
					w.previous = s
					w.previous.Hash = slices.Clone(s.Hash)
				}
				return nil
			})
			return err
		})
	}
}

func allStripes() []int16 {
	stripes := make([]int16, Stripes)
	for i := range stripes {
		stripes[i] = int16(i)
	}
	return stripes
}

// queueProgramme reads what its stripes' locks protect, and the clock.
func (w *work) queueProgramme(q *pgx.Batch) {
	q.Queue(sqlReadProgramme, w.book.programme.ID).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&w.version, &w.sandbox.on, &w.sandbox.clock, &w.book.openFrom, &w.clock)
		if errors.Is(err, pgx.ErrNoRows) {
			return refuse(NotFoundReason, "programme", w.book.programme.ID.String())
		}
		return err
	})
}

// queueAccounts locks the accounts in order of id, which is the same for every batch, and reads their lots.
func (w *work) queueAccounts(q *pgx.Batch) {
	b := w.book
	byID := make(map[uuid.UUID]*account, len(b.accounts))
	ids, bearing := make([]uuid.UUID, 0, len(b.accounts)), make([]uuid.UUID, 0, len(b.accounts))
	for acc := range maps.Values(b.accounts) {
		byID[acc.id] = acc
		ids = append(ids, acc.id)
		if acc.Place.bearsLots() {
			bearing = append(bearing, acc.id)
		}
	}
	q.Queue(sqlLockAccounts, ids).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var id uuid.UUID
			var floor decimal.NullDecimal
			var due *time.Time
			var s account
			if err := rows.Scan(&id, &floor, &s.balance, &s.seq, &s.recordedAt, &due, &s.head); err != nil {
				return err
			}
			byID[id].fill(s, floor, due)
		}
		return rows.Err()
	})
	q.Queue(sqlReadLots, bearing).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var id uuid.UUID
			var lot Lot
			if err := rows.Scan(&id, &lot.ExpiresAt, &lot.Fund, &lot.Remaining); err != nil {
				return err
			}
			lot.ExpiresAt = lot.ExpiresAt.UTC()
			byID[id].lots = append(byID[id].lots, lot)
		}
		return rows.Err()
	})
}

func (acc *account) fill(s account, floor decimal.NullDecimal, due *time.Time) {
	acc.balance, acc.seq, acc.recordedAt, acc.head, acc.stored = s.balance, s.seq, s.recordedAt.UTC(), s.head, true
	acc.floor, acc.floored = floor.Decimal, floor.Valid
	if due != nil {
		acc.dueAt = due.UTC()
	}
}

// queueKnown reads which keys and references are taken.
func (w *work) queueKnown(q *pgx.Batch, items []*Item) {
	b := w.book
	var ids []uuid.UUID
	var clients, kinds, references []string
	for r := range requestsOf(items) {
		ids = append(ids, TransactionID(b.programme.ID, r.Client, r.Key))
		if r.Reference != "" {
			clients, kinds, references = append(clients, r.Client), append(kinds, string(r.Kind)), append(references, r.Reference)
		}
	}
	q.Queue(sqlReadKnown, ids).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var id uuid.UUID
			k := new(known)
			if err := rows.Scan(&id, &k.requestHash); err != nil {
				return err
			}
			b.known[id] = k
		}
		return rows.Err()
	})
	if len(references) == 0 {
		return
	}
	q.Queue(sqlReadReferences, b.programme.ID, clients, kinds, references).Query(func(rows pgx.Rows) error {
		var ref reference
		var id uuid.UUID
		_, err := pgx.ForEachRow(rows, []any{&ref.client, &ref.kind, &ref.reference, &id}, func() error {
			b.used[ref] = id
			return nil
		})
		return err
	})
}

// queueFreezes reads what stands in the way of the members whose accounts or matters the items are about.
func (w *work) queueFreezes(q *pgx.Batch, items []*Item) {
	b := w.book
	concerned := make(map[string]bool)
	for a := range b.accounts {
		if member, is := a.Owner.MemberRef(); is {
			concerned[member] = true
		}
	}
	for r := range requestsOf(items) {
		if member := b.memberOf(r); member != "" {
			concerned[member] = true
		}
	}
	if len(concerned) == 0 {
		return
	}
	q.Queue(sqlReadFreezes, b.programme.ID, slices.Collect(maps.Keys(concerned))).Query(func(rows pgx.Rows) error {
		var member string
		var by Kind
		_, err := pgx.ForEachRow(rows, []any{&member, &by}, func() error { b.frozen[member] = by; return nil })
		return err
	})
}

// memberOf is whose books a request is about: its own word, or that of the transaction it refers to.
func (b *Book) memberOf(r *Request) string {
	if o := b.originals[r.Original]; o != nil && r.Member == "" {
		return o.tx.Member
	}
	return r.Member
}

// queueOriginals reads, under the locks, what was already taken back of the originals.
func (w *work) queueOriginals(q *pgx.Batch) {
	b := w.book
	if len(b.originals) == 0 {
		return
	}
	q.Queue(sqlReadReversed, slices.Collect(maps.Keys(b.originals))).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var sum decimal.Decimal
		_, err := pgx.ForEachRow(rows, []any{&id, &sum}, func() error { b.originals[id].reversed = sum; return nil })
		return err
	})
}

// now is the batch's recorded time: the clock read after the locks, or the sandbox's.
func (w *work) now() time.Time {
	if w.sandbox.on {
		return w.sandbox.clock.UTC()
	}
	return w.clock.UTC().Truncate(time.Microsecond)
}

// begin completes the book once everything is loaded. Time never falls along an account's entries, whatever the clock.
func (b *Book) begin(p *Programme, now time.Time) {
	b.programme, b.now = p, now
	b.openFrom = b.openFrom.UTC()
	for _, acc := range b.accounts {
		if acc.recordedAt.After(b.now) {
			b.now = acc.recordedAt
		}
		if !acc.stored {
			acc.floor, acc.floored = acc.Account.floor(p.Units[acc.Unit])
		} else if acc.Place == Debt || acc.Place == Cap { // a new limit counts from now on; what is beyond it stays so
			limit, _ := acc.Account.floor(p.Units[acc.Unit])
			acc.floor = decimal.Min(limit, acc.balance)
		}
		slices.SortFunc(acc.lots, func(x, y Lot) int { return compareLots(x.ExpiresAt, x.Fund, y.ExpiresAt, y.Fund) })
		acc.before = saved{seq: acc.seq, balance: acc.balance, lots: slices.Clone(acc.lots)}
	}
}

// apply decides all items in order.
func (w *work) apply(items []*Item) [][]outcome {
	out := make([][]outcome, len(items))
	for i, item := range items {
		out[i] = w.book.apply(item)
	}
	return out
}
