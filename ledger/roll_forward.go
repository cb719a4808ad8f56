package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
)

// RollLine is what transactions of one kind moved between two places, as members see it.
type RollLine struct {
	Kind     Kind
	From, To Place
	// Change is signed: above zero members hold more. Between two places of members it is zero.
	Change decimal.Decimal
	// Moved is what the legs add up to.
	Moved        decimal.Decimal
	Transactions int64
	Legs         int64
}

// RollForward explains how what members hold of a unit (wallets, pending, holds, less debt) went from its opening to its
// closing balance over a half-open period of effective time.
type RollForward struct {
	Unit     string
	From, To time.Time
	// At is the instant of the snapshot that it was computed in.
	At time.Time
	// Complete says that nothing can be added to the period any more: it lies before the open period.
	Complete bool
	// Opening and Closing are sums of entries; the rest are sums of legs and signed. They re-add exactly.
	Opening, Accrued, Redeemed, Expired, Reversed, Adjusted, Closing decimal.Decimal
	// Transferred went from one member to another; it changes no total.
	Transferred decimal.Decimal
	Lines       []RollLine // by kind, from, to
	// Entries is how many entries of members' accounts Closing adds up.
	Entries int64
}

// RollQuery asks for a roll-forward: From <= effective_at < To.
type RollQuery struct {
	Programme uuid.UUID
	Unit      string
	From, To  time.Time
}

// RollLeg is one leg behind a line of a roll-forward.
type RollLeg struct {
	Transaction uuid.UUID
	Leg         int16
	Member      string
	Reference   string
	EffectiveAt time.Time
	RecordedAt  time.Time
	Amount      decimal.Decimal
}

// RollForward computes a roll-forward. Opening and closing come from members' entries, every line from legs; when the
// two do not re-add exactly, the answer is ErrBooksDiffer instead of numbers. It reads the unit's whole journal up to To, a
// few seconds for each million entries.
// Refusals: NOT_FOUND for the programme, UNKNOWN_UNIT, INVALID_FIELD for a period that ends before it begins.
func (l *Ledger) RollForward(ctx context.Context, q RollQuery) (RollForward, error) {
	if err := l.admitRoll(ctx, q); err != nil {
		return RollForward{}, err
	}
	var f RollForward
	err := l.report(ctx, q.Programme, func(tx dbTx, state State) error {
		f = RollForward{Unit: q.Unit, From: q.From, To: q.To, At: state.Now, Complete: !q.To.After(state.OpenFrom)}
		row := tx.QueryRow(ctx, sqlRollBalances, q.Programme, q.Unit, q.From, q.To)
		if err := row.Scan(&f.Opening, &f.Closing, &f.Entries); err != nil {
			return fmt.Errorf("roll-forward: %w", err)
		}
		rows, err := tx.Query(ctx, sqlRollLines, q.Programme, q.Unit, q.From, q.To)
		if err != nil {
			return fmt.Errorf("roll-forward: %w", err)
		}
		var line RollLine
		_, err = pgx.ForEachRow(rows, []any{
			&line.Kind, &line.From, &line.To, &line.Change, &line.Moved, &line.Transactions, &line.Legs,
		}, func() error {
			f.add(line)
			return nil
		})
		return err
	})
	if err != nil {
		return RollForward{}, err
	}
	return f, f.readd()
}

func (l *Ledger) admitRoll(ctx context.Context, q RollQuery) error {
	if q.To.Before(q.From) {
		return refuse(InvalidField, "field", "to")
	}
	_, err := l.admitUnit(ctx, q.Programme, q.Unit)
	return err
}

// add counts a line under its cause. Expiry is whatever went to breakage, also on arrival in another kind's transaction.
func (f *RollForward) add(line RollLine) {
	f.Lines = append(f.Lines, line)
	cause := &f.Adjusted
	switch {
	case (line.Kind == KindTransfer || line.Kind == KindMerge) && line.From == Wallet && line.To == Wallet:
		f.Transferred = f.Transferred.Add(line.Moved)
		return
	case line.To == Breakage || line.From == Breakage:
		cause = &f.Expired
	case line.Kind == KindReversal || line.Kind == KindClawback:
		cause = &f.Reversed
	case line.Kind == KindAdjustment:
	case line.From == Issuance || line.From == Stock:
		cause = &f.Accrued
	case line.To == Redeemed:
		cause = &f.Redeemed
	}
	*cause = cause.Add(line.Change)
}

// ErrBooksDiffer says that sums of entries and of legs disagree, which Verify will explain.
var ErrBooksDiffer = errors.New("ledger: the books do not re-add; run verify")

func (f *RollForward) readd() error {
	sum := f.Opening
	for _, change := range [...]decimal.Decimal{f.Accrued, f.Redeemed, f.Expired, f.Reversed, f.Adjusted} {
		sum = sum.Add(change)
	}
	if !sum.Equal(f.Closing) {
		return fmt.Errorf("%w: %s from opening %s to closing %s", ErrBooksDiffer, sum, f.Opening, f.Closing)
	}
	return nil
}

// RollForwardLegs lists the legs behind one line of a roll-forward, in order of transaction and leg: those after the
// given position, which is zero for the first page. A page has up to MaxPage legs; a shorter one is the last. Refusals are
// those of RollForward.
func (l *Ledger) RollForwardLegs(ctx context.Context, q RollQuery, line RollLine, after uuid.UUID, leg int16) ([]RollLeg, error) {
	if err := l.admitRoll(ctx, q); err != nil {
		return nil, err
	}
	var list []RollLeg
	err := l.report(ctx, q.Programme, func(tx dbTx, _ State) error {
		if after == uuid.Nil {
			leg = -1
		}
		rows, err := tx.Query(ctx, sqlRollLegs, q.Programme, q.Unit, q.From, q.To, line.Kind, line.From, line.To, after, leg, MaxPage)
		if err != nil {
			return fmt.Errorf("roll-forward legs: %w", err)
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (RollLeg, error) {
			var r RollLeg
			err := row.Scan(&r.Transaction, &r.Leg, &r.Member, &r.Reference, &r.EffectiveAt, &r.RecordedAt, &r.Amount)
			r.EffectiveAt, r.RecordedAt = r.EffectiveAt.UTC(), r.RecordedAt.UTC()
			return r, err
		})
		return err
	})
	return list, err
}

const (
	sqlRollBalances = `
SELECT coalesce(sum(CASE WHEN e.effective_at < $3 THEN e.amount ELSE 0 END), 0), coalesce(sum(e.amount), 0), count(*)
FROM entries AS e
JOIN accounts AS a ON a.id = e.account_id
WHERE a.programme_id = $1 AND a.unit = $2 AND a.owner LIKE 'member/%' AND e.effective_at < $4`

	sqlRollLines = `
SELECT t.kind, split_part(l.from_place, '/', 1), split_part(l.to_place, '/', 1),
       sum(CASE WHEN l.to_owner LIKE 'member/%' THEN l.amount ELSE 0 END
         - CASE WHEN l.from_owner LIKE 'member/%' THEN l.amount ELSE 0 END),
       sum(l.amount), count(DISTINCT t.id), count(*)
FROM transactions AS t
JOIN legs AS l ON l.transaction_id = t.id
WHERE t.programme_id = $1 AND l.unit = $2 AND t.effective_at >= $3 AND t.effective_at < $4
  AND (l.from_owner LIKE 'member/%' OR l.to_owner LIKE 'member/%')
GROUP BY t.kind, split_part(l.from_place, '/', 1), split_part(l.to_place, '/', 1)
ORDER BY t.kind, split_part(l.from_place, '/', 1), split_part(l.to_place, '/', 1)`

	sqlRollLegs = `
SELECT t.id, l.leg, t.member, t.reference, t.effective_at, t.recorded_at, l.amount
FROM transactions AS t
JOIN legs AS l ON l.transaction_id = t.id
WHERE t.programme_id = $1 AND l.unit = $2 AND t.effective_at >= $3 AND t.effective_at < $4
  AND t.kind = $5 AND split_part(l.from_place, '/', 1) = $6 AND split_part(l.to_place, '/', 1) = $7
  AND (l.from_owner LIKE 'member/%' OR l.to_owner LIKE 'member/%')
  AND (t.id > $8 OR (t.id = $8 AND l.leg > $9))
ORDER BY t.id, l.leg
LIMIT $10`
)
