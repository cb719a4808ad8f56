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

// Balance is what a member has of one unit, all of it as of one instant.
type Balance struct {
	Unit string
	// At is the instant: the sandbox's clock, or the database's. What has expired by then is not available.
	At time.Time
	// Posted is what stands in the wallet's books, lapsed lots included whose expiry is not posted yet.
	Posted decimal.Decimal
	// Available can be spent now: the live lots less debt, never below zero.
	Available decimal.Decimal
	// Pending is accrued and not yet spendable; Held is set aside by holds.
	Pending, Held decimal.Decimal
	// Debt is what a clawback took beyond the wallet, as a positive amount.
	Debt decimal.Decimal
	// Expiries are the wallet's live lots by the instant at which they expire, soonest first; Never is last. They sum to
	// Posted, less what has lapsed.
	Expiries []Expiry
}

// Expiry is one date of an expiry schedule.
type Expiry struct {
	At     time.Time
	Amount decimal.Decimal
}

// NextExpiry is the first date of the schedule, and false when nothing expires.
func (b Balance) NextExpiry() (Expiry, bool) {
	if len(b.Expiries) == 0 || b.Expiries[0].At.Equal(Never) {
		return Expiry{}, false
	}
	return b.Expiries[0], true
}

// Balance reads what a member has of one unit. Somebody the programme never heard of has zero. Concurrent calls share
// round trips and snapshots; each sees every posting that was answered before it was made.
// Refusals: NOT_FOUND for the programme, UNKNOWN_UNIT.
func (l *Ledger) Balance(ctx context.Context, programme uuid.UUID, member, unit string) (Balance, error) {
	list, err := l.Balances(ctx, programme, member, unit)
	if err != nil {
		return Balance{}, err
	}
	return list[0], nil
}

// Balances reads what a member has of several units, in the order given and all as of one instant.
// Refusals: NOT_FOUND for the programme, UNKNOWN_UNIT.
func (l *Ledger) Balances(ctx context.Context, programme uuid.UUID, member string, units ...string) ([]Balance, error) {
	q := &balanceQuery{programme: programme, done: make(chan struct{})}
	for _, unit := range units {
		q.parts = append(q.parts, newBalancePart(programme, member, unit))
	}
	l.balances.add(q, l.readBalances)
	select {
	case <-q.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if q.err != nil {
		return nil, q.err
	}
	list := make([]Balance, len(units))
	for i, part := range q.parts {
		if _, declared := q.declared.Units[part.wallet.Unit]; !declared {
			return nil, refuse(UnknownUnit, "unit", part.wallet.Unit)
		}
		list[i] = part.balance(q.now)
	}
	return list, nil
}

// BalanceAsOfRecorded is a wallet's posted balance as the ledger knew it at a time, postings of that very instant
// included: one seek in the journal. at must be older than the longest possible transaction (db.MaxTransaction), in a
// sandbox older than its clock, so that no posting under way can still change the answer.
// Refusals: NOT_FOUND for the programme, UNKNOWN_UNIT, INVALID_FIELD for the future, AS_OF_TOO_RECENT.
func (l *Ledger) BalanceAsOfRecorded(ctx context.Context, programme uuid.UUID, member, unit string, at time.Time) (decimal.Decimal, error) {
	state, err := l.admitUnit(ctx, programme, unit)
	if err != nil {
		return decimal.Zero, err
	}
	if refusal := state.settled(at); refusal != nil {
		return decimal.Zero, refusal
	}
	var balance decimal.Decimal
	err = l.posting.QueryRow(ctx, sqlBalanceAsOfRecorded, walletOf(member, unit).ID(programme), at).Scan(&balance)
	if errors.Is(err, pgx.ErrNoRows) {
		return decimal.Zero, nil
	}
	if err != nil {
		return decimal.Zero, fmt.Errorf("balance as of recorded time: %w", err)
	}
	return balance, nil
}

// BalanceAsOfEffective is a wallet's posted balance counting everything that is effective until a time, that instant
// included, whenever it was learned: a later back-dated posting changes it. It sums the account's entries, about a
// millisecond for each thousand. Refusals: NOT_FOUND for the programme, UNKNOWN_UNIT, INVALID_FIELD for the future.
func (l *Ledger) BalanceAsOfEffective(ctx context.Context, programme uuid.UUID, member, unit string, at time.Time) (decimal.Decimal, error) {
	state, err := l.admitUnit(ctx, programme, unit)
	if err != nil {
		return decimal.Zero, err
	}
	if at.After(state.Now) {
		return decimal.Zero, inFuture(state)
	}
	var balance decimal.Decimal
	err = l.posting.QueryRow(ctx, sqlBalanceAsOfEffective, walletOf(member, unit).ID(programme), at).Scan(&balance)
	if err != nil {
		return decimal.Zero, fmt.Errorf("balance as of effective time: %w", err)
	}
	return balance, nil
}

// admitUnit reads a programme's state and refuses a unit that its current version does not declare.
func (l *Ledger) admitUnit(ctx context.Context, programme uuid.UUID, unit string) (State, error) {
	state, err := l.State(ctx, programme)
	if err != nil {
		return state, err
	}
	p, err := l.programmeAt(ctx, l.posting, programme, state.Version)
	if err != nil {
		return state, err
	}
	if _, declared := p.Units[unit]; !declared {
		return state, refuse(UnknownUnit, "unit", unit)
	}
	return state, nil
}

// settled refuses a recorded time at which a posting that is under way may still be recorded.
func (s State) settled(at time.Time) *Refusal {
	latest := s.Now.Add(-db.MaxTransaction)
	if s.Sandbox {
		latest = s.Now.Add(-time.Microsecond) // a posting holds the clock where it is until it commits
	}
	switch {
	case at.After(s.Now):
		return inFuture(s)
	case at.After(latest):
		return refuse(AsOfTooRecent, "latest", latest.Format(time.RFC3339Nano))
	default:
		return nil
	}
}

func inFuture(s State) *Refusal {
	return refuse(InvalidField, "field", "as_of", "now", s.Now.Format(time.RFC3339Nano))
}

const (
	sqlBalanceAsOfRecorded = `
SELECT e.balance
FROM entries AS e
WHERE e.account_id = $1 AND e.recorded_at <= $2
ORDER BY e.recorded_at DESC, e.seq DESC
LIMIT 1`

	sqlBalanceAsOfEffective = `
SELECT coalesce(sum(e.amount), 0)
FROM entries AS e
WHERE e.account_id = $1 AND e.effective_at <= $2`
)
