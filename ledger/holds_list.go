package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
)

// HoldsQuery asks for a page of a member's open holds.
type HoldsQuery struct {
	Programme    uuid.UUID
	Member, Unit string
	// After is where the last page ended; zero is the first page.
	After HoldCursor
	// Limit is how many holds a page has: DefaultPage when zero, never more than MaxPage.
	Limit int
}

// HoldCursor is a position in a member's open holds.
type HoldCursor struct {
	DueAt   time.Time
	Account uuid.UUID
}

// HeldUnits is one hold.
type HeldUnits struct {
	// Hold is the hold's id: the transaction that made it.
	Hold       uuid.UUID
	Unit       string
	State      HoldState
	Amount     decimal.Decimal // when it was made
	Captured   decimal.Decimal
	Returned   decimal.Decimal // by void, timeout, or a capture that released the rest
	Remaining  decimal.Decimal
	DueAt      time.Time
	RecordedAt time.Time
	Reason     string
	Reference  string
}

// HoldState is what became of a hold. It follows from its place's balance, its timeout and its last entry.
type HoldState string

// The states. A hold past its timeout can only be voided; the sweep will do that.
const (
	HoldOpen     HoldState = "open"
	HoldPastDue  HoldState = "past_due"
	HoldCaptured HoldState = "captured"
	HoldVoided   HoldState = "voided"
	HoldTimedOut HoldState = "timed_out"
)

// Holds is a page of holds.
type Holds struct {
	Holds []HeldUnits
	// Next is where the next page begins; nil when this page is the last.
	Next *HoldCursor
}

// Holds reads a page of the member's holds that still hold something, soonest timeout first.
// Refusals: NOT_FOUND for the programme, UNKNOWN_UNIT.
func (l *Ledger) Holds(ctx context.Context, q HoldsQuery) (Holds, error) {
	state, err := l.admitUnit(ctx, q.Programme, q.Unit)
	if err != nil {
		return Holds{}, err
	}
	limit := pageSize(q.Limit)
	var page Holds
	err = db.InTx(ctx, l.posting, db.Snapshot, func(tx dbTx) error {
		page = Holds{}
		rows, err := tx.Query(ctx, sqlReadOpenHolds, q.Programme, string(Member(q.Member)), q.Unit, q.After.DueAt,
			q.After.Account, limit+1)
		if err != nil {
			return err
		}
		open, err := pgx.CollectRows(rows, scanOpenHold)
		if err != nil {
			return err
		}
		if len(open) > limit {
			open = open[:limit]
			page.Next = &open[limit-1].cursor
		}
		holds := make([]uuid.UUID, len(open))
		for i, o := range open {
			holds[i] = o.hold
		}
		page.Holds, err = readHolds(ctx, tx, q.Programme, state.Now, holds)
		return err
	})
	if err != nil {
		return Holds{}, fmt.Errorf("read holds: %w", err)
	}
	return page, nil
}

type openHold struct {
	hold   uuid.UUID
	cursor HoldCursor
}

func scanOpenHold(row pgx.CollectableRow) (openHold, error) {
	var o openHold
	var place string
	if err := row.Scan(&place, &o.cursor.DueAt, &o.cursor.Account); err != nil {
		return o, err
	}
	o.cursor.DueAt = o.cursor.DueAt.UTC()
	at, err := ParsePlace(place)
	o.hold = at.Of
	return o, err
}

// HoldHistory reads a page of all holds that the member ever took, also those that were captured, voided or timed out,
// oldest first; next is nil on the last page. The query's place is not used.
// Refusals: NOT_FOUND for the programme, UNKNOWN_UNIT.
func (l *Ledger) HoldHistory(ctx context.Context, q StatementQuery) (holds []HeldUnits, next *Cursor, err error) {
	state, err := l.admitUnit(ctx, q.Programme, q.Unit)
	if err != nil {
		return nil, nil, err
	}
	if q.From.After(q.After.RecordedAt) {
		q.After = Cursor{RecordedAt: q.From}
	}
	if q.To.IsZero() {
		q.To = Never
	}
	limit := pageSize(q.Limit)
	err = db.InTx(ctx, l.posting, db.Snapshot, func(tx dbTx) error {
		holds, next = nil, nil
		ids, cursors, err := pastHolds(ctx, tx, q, limit+1)
		if err != nil {
			return err
		}
		if len(ids) > limit {
			ids, next = ids[:limit], &cursors[limit-1]
		}
		holds, err = readHolds(ctx, tx, q.Programme, state.Now, ids)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read past holds: %w", err)
	}
	return holds, next, nil
}

func pastHolds(ctx context.Context, tx querier, q StatementQuery, limit int) (ids []uuid.UUID, cursors []Cursor, err error) {
	wallet := walletOf(q.Member, q.Unit).ID(q.Programme)
	rows, err := tx.Query(ctx, sqlReadPastHolds, wallet, q.After.RecordedAt, q.After.Seq, q.To, limit)
	if err != nil {
		return nil, nil, err
	}
	var at Cursor
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&at.RecordedAt, &at.Seq, &id}, func() error {
		ids, cursors = append(ids, id), append(cursors, Cursor{at.RecordedAt.UTC(), at.Seq})
		return nil
	})
	return ids, cursors, err
}

// readHolds describes the holds that the given transactions made, in their order.
func readHolds(ctx context.Context, q querier, programme uuid.UUID, now time.Time, ids []uuid.UUID) ([]HeldUnits, error) {
	found, err := readTransactions(ctx, q, programme, ids)
	if err != nil {
		return nil, err
	}
	places := make(map[uuid.UUID]*HeldUnits, len(ids))
	accounts := make([]uuid.UUID, len(ids))
	holds := make([]HeldUnits, len(ids))
	for i, id := range ids {
		t := found[id]
		if t == nil || len(t.Legs) == 0 {
			return nil, errors.New("ledger: a hold's transaction is not in the journal")
		}
		holds[i] = HeldUnits{
			Hold: id, Unit: t.Legs[0].Unit, Amount: t.Amount, DueAt: t.DueAt, RecordedAt: t.RecordedAt, Reason: t.Reason,
			Reference: t.Reference,
		}
		accounts[i] = t.Legs[0].To.AccountID
		places[accounts[i]] = &holds[i]
	}
	rows, err := q.Query(ctx, sqlReadHoldEntries, accounts)
	if err != nil {
		return nil, err
	}
	var account, id uuid.UUID
	var kind Kind
	var amount, balance decimal.Decimal
	last := make(map[uuid.UUID]uuid.UUID) // the transaction whose entry was read last, an account
	_, err = pgx.ForEachRow(rows, []any{&account, &id, &kind, &amount, &balance}, func() error {
		places[account].follow(kind, amount, balance, last[account] == id, now)
		last[account] = id
		return nil
	})
	return holds, err
}

// follow takes in the hold's next entry. The second entry of a capture is the release of the rest.
func (h *HeldUnits) follow(kind Kind, amount, balance decimal.Decimal, second bool, now time.Time) {
	h.Remaining = balance
	switch {
	case kind == KindHold:
	case kind == KindCapture && !second:
		h.Captured = h.Captured.Sub(amount)
	default:
		h.Returned = h.Returned.Sub(amount)
	}
	switch {
	case h.Remaining.IsPositive() && h.DueAt.After(now):
		h.State = HoldOpen
	case h.Remaining.IsPositive():
		h.State = HoldPastDue
	case kind == KindTimeout:
		h.State = HoldTimedOut
	case kind == KindVoid:
		h.State = HoldVoided
	default:
		h.State = HoldCaptured
	}
}

// FollowUp is a posted transaction that continues an earlier one: what captured, gave back or ended a hold, activated
// an accrual, or reversed something.
type FollowUp struct {
	Transaction uuid.UUID
	Kind        Kind
	Amount      decimal.Decimal
	RecordedAt  time.Time
}

// FollowUpsQuery asks for a page of what continued a transaction.
type FollowUpsQuery struct {
	Programme, Transaction uuid.UUID
	// After is where the last page ended; zero is the first page.
	After FollowUpCursor
	// Limit is how many follow-ups a page has: DefaultPage when zero, never more than MaxPage.
	Limit int
}

// FollowUpCursor is a position among what continued a transaction.
type FollowUpCursor struct {
	RecordedAt  time.Time
	Transaction uuid.UUID
}

// FollowUps lists a page of what continued a transaction, oldest first; next is nil on the last page. An unknown id has
// none.
func (l *Ledger) FollowUps(ctx context.Context, q FollowUpsQuery) (list []FollowUp, next *FollowUpCursor, err error) {
	limit := pageSize(q.Limit)
	rows, err := l.posting.Query(ctx, sqlReadFollowUps, q.Transaction, q.Programme, q.After.RecordedAt, q.After.Transaction, limit+1)
	if err != nil {
		return nil, nil, fmt.Errorf("read follow-ups: %w", err)
	}
	list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (FollowUp, error) {
		var f FollowUp
		err := row.Scan(&f.Transaction, &f.Kind, &f.Amount, &f.RecordedAt)
		f.RecordedAt = f.RecordedAt.UTC()
		return f, err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read follow-ups: %w", err)
	}
	if len(list) > limit {
		list = list[:limit]
		next = &FollowUpCursor{list[limit-1].RecordedAt, list[limit-1].Transaction}
	}
	return list, next, nil
}

const (
	sqlReadOpenHolds = `
SELECT o.place, o.due_at, o.account_id
FROM open_places AS o
WHERE o.programme_id = $1 AND o.owner = $2 AND o.unit = $3 AND o.place LIKE 'hold/%'
  AND (o.due_at, o.account_id) > ($4, $5)
ORDER BY o.due_at, o.account_id
LIMIT $6`

	sqlReadPastHolds = `
SELECT e.recorded_at, e.seq, e.transaction_id
FROM entries AS e
WHERE e.account_id = $1 AND (e.recorded_at, e.seq) > ($2, $3) AND e.recorded_at < $4 AND e.kind = 'hold'
ORDER BY e.recorded_at, e.seq
LIMIT $5`

	sqlReadHoldEntries = `
SELECT e.account_id, e.transaction_id, e.kind, e.amount, e.balance
FROM entries AS e
WHERE e.account_id = ANY($1::uuid[])
ORDER BY e.account_id, e.recorded_at, e.seq`

	sqlReadFollowUps = `
SELECT f.transaction_id, f.kind, f.amount, t.recorded_at
FROM follow_ups AS f
JOIN transactions AS t ON t.id = f.transaction_id
WHERE f.original_id = $1 AND t.programme_id = $2 AND (t.recorded_at, f.transaction_id) > ($3, $4)
ORDER BY t.recorded_at, f.transaction_id
LIMIT $5`
)
