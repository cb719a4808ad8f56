package benefits

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// MemberAllotment is an allotment as one member has it in the period of now. Total = Used + Pending + Left.
type MemberAllotment struct {
	*Allotment
	Tier       string    // whose total the member has; empty without any
	Start, End time.Time // of the period, End exclusive
	Total      decimal.Decimal
	Used       decimal.Decimal // what was paid with and not given back, in the period
	Pending    decimal.Decimal // held by what is not decided yet, such as visits that an operator has not reported
	Left       decimal.Decimal // can be paid with now, what is due included
	Sources    []AllotmentSource
}

// AllotmentSource is a part of what is left: where it is from, and until when it can be used.
type AllotmentSource struct {
	Source    string // granted, carried or pooled; due for what is granted when it is needed
	ExpiresAt time.Time
	Left      decimal.Decimal
}

// ListAllotments reads a member's allotments of the periods of now, in the order of the document. A member without any
// tier that an allotment is for has it with a total of zero, or of what was assigned.
func (c *Catalog) ListAllotments(ctx context.Context, programme uuid.UUID, member string) ([]MemberAllotment, error) {
	r, err := c.rateNow(ctx, programme, member)
	if err != nil {
		return nil, err
	}
	wallet, err := c.walletOf(ctx, r)
	if err != nil {
		return nil, err
	}
	p, now := r.programme, wallet.At
	var list []MemberAllotment
	for _, e := range r.section.entitlements(wallet.Standing, p.Zone) {
		m := MemberAllotment{Allotment: e.Allotment, Tier: e.tier, Start: e.term.start, End: e.term.end, Left: wallet.spendable(e.Unit)}
		used, err := c.usedSince(ctx, e.wallet().ID(p.ID), e.term.start)
		if err != nil {
			return nil, err
		}
		m.Pending = wallet.balance(e.Unit).Held
		m.Used = decimal.Max(decimal.Zero, used.Sub(m.Pending)) // what is held was taken out of the wallet as well
		m.Total = decimal.Sum(m.Used, m.Pending, m.Left)
		if m.Sources, err = c.allotmentSources(ctx, e.wallet().ID(p.ID), now); err != nil {
			return nil, err
		}
		m.Sources = withDue(m.Sources, wallet.Due[e.Unit], e.term.end)
		list = append(list, m)
	}
	return list, nil
}

// withDue adds to the sources what is due, or takes from them, in the order in which they are drawn, what is to be taken.
func withDue(sources []AllotmentSource, due decimal.Decimal, ends time.Time) []AllotmentSource {
	if due.IsPositive() {
		return append(sources, AllotmentSource{"due", ends, due})
	}
	for len(sources) > 0 && due.IsNegative() {
		taken := decimal.Min(sources[0].Left, due.Neg())
		due, sources[0].Left = due.Add(taken), sources[0].Left.Sub(taken)
		if sources[0].Left.IsZero() {
			sources = sources[1:]
		}
	}
	return sources
}

// What left a wallet to be used or held, less what came back.
const sqlUsedSince = `
SELECT coalesce(sum(-e.amount), 0)
FROM entries AS e
JOIN legs AS l ON l.transaction_id = e.transaction_id AND l.leg = e.leg
WHERE e.account_id = $1 AND e.recorded_at >= $2
  AND (l.to_place = 'redeemed' OR l.from_place = 'redeemed' OR l.to_place LIKE 'hold/%' OR l.from_place LIKE 'hold/%')`

func (c *Catalog) usedSince(ctx context.Context, wallet uuid.UUID, start time.Time) (used decimal.Decimal, err error) {
	if err := c.pool.QueryRow(ctx, sqlUsedSince, wallet, start).Scan(&used); err != nil {
		return used, fmt.Errorf("benefits: read uses: %w", err)
	}
	return used, nil
}

const sqlAllotmentSources = `
SELECT l.fund, l.expires_at, l.remaining
FROM lots AS l
WHERE l.account_id = $1 AND l.expires_at > $2
ORDER BY l.expires_at, l.fund`

func (c *Catalog) allotmentSources(ctx context.Context, wallet uuid.UUID, now time.Time) ([]AllotmentSource, error) {
	rows, err := c.pool.Query(ctx, sqlAllotmentSources, wallet, now)
	if err != nil {
		return nil, fmt.Errorf("benefits: read allotments: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[AllotmentSource])
	if err != nil {
		return nil, fmt.Errorf("benefits: read allotments: %w", err)
	}
	return list, nil
}

// balance is what the member has of a unit.
func (w Wallet) balance(unit string) ledger.Balance {
	for _, b := range w.Balances {
		if b.Unit == unit {
			return b
		}
	}
	return ledger.Balance{Unit: unit}
}
