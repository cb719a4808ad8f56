package ledger

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
)

// Need is a condition that is decided under the locks of the posting it belongs to: the request's member holds a live unit
// of any of the tiers AnyOf, which are the required tier and those above it.
//
// Or the request's member has accrued at least so much of a unit. What was spent was still accrued; what a clawback of an
// accrual took was not.
type Need struct {
	AnyOf []string

	Unit  string
	Least decimal.Decimal
	Tier  string // what so much accrued reaches; the refusal names it

	// Room is a cap of which something must be left, whatever the request itself uses: no more strikes than so many. The
	// refusal is LIMIT_REACHED.
	Room Account
}

// What a member accrued of a unit: entries of the wallet and the debt account. Adjustments and what takes them back do
// not count.
const sqlReadAccrued = `
SELECT u.wallet_id, coalesce(sum(e.amount), 0)
FROM unnest($1::uuid[], $2::uuid[]) AS u (wallet_id, account_id)
JOIN entries AS e ON e.account_id = u.account_id
JOIN legs AS l ON l.transaction_id = e.transaction_id AND l.leg = e.leg
JOIN transactions AS t ON t.id = e.transaction_id
LEFT JOIN transactions AS o ON o.id = t.original_id
WHERE (e.kind IN ('accrual', 'activation') AND l.to_place = 'wallet' AND l.from_place <> 'wallet')
   OR (e.kind = 'clawback' AND o.kind = 'accrual')
GROUP BY u.wallet_id`

// queueAccrued reads, under the locks, what the members of requests with needs have accrued.
func (w *work) queueAccrued(q *pgx.Batch, items []*Item) {
	b := w.book
	var wallets, accounts []uuid.UUID
	byID := make(map[uuid.UUID]Account)
	for r := range requestsOf(items) {
		for _, need := range r.Needs {
			if need.Unit == "" {
				continue
			}
			wallet := walletOf(r.Member, need.Unit)
			if _, listed := b.accrued[wallet]; listed {
				continue
			}
			b.accrued[wallet] = decimal.Zero
			id := b.account(wallet).id
			byID[id] = wallet
			wallets, accounts = append(wallets, id, id), append(accounts, id, b.account(debtOf(wallet)).id)
		}
	}
	if len(wallets) == 0 {
		return
	}
	q.Queue(sqlReadAccrued, wallets, accounts).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var sum decimal.Decimal
		_, err := pgx.ForEachRow(rows, []any{&id, &sum}, func() error { b.accrued[byID[id]] = sum; return nil })
		return err
	})
}

// admitNeeds refuses a request whose member has not accrued enough.
func (b *Book) admitNeeds(r *Request) *Refusal {
	for _, need := range r.Needs {
		if need.Room.Place == Cap {
			if room := b.account(need.Room); !room.balance.GreaterThan(room.floor) {
				return shortfall(room, decimal.NewFromInt(1))
			}
			continue
		}
		if len(need.AnyOf) > 0 {
			if !b.holdsAny(r.Member, need.AnyOf) {
				return refuse(NotEligible, "tier", need.Tier)
			}
			continue
		}
		if accrued := b.accrued[walletOf(r.Member, need.Unit)]; accrued.LessThan(need.Least) {
			return refuse(NotEligible, "accrued", accrued.String(), "required", need.Least.String(), "tier", need.Tier, "unit", need.Unit)
		}
	}
	return nil
}

// holdsAny reports whether a member holds a live unit of any of the given.
func (b *Book) holdsAny(member string, units []string) bool {
	return slices.ContainsFunc(units, func(unit string) bool {
		return b.account(walletOf(member, unit)).lots.live(b.now).IsPositive()
	})
}

// countAccrued keeps what a member accrued right within the batch.
func (b *Book) countAccrued(tx *Transaction, leg PostedLeg) {
	from, to := leg.From.Account, leg.To.Account
	change, wallet := leg.Amount, to
	switch {
	case (tx.Kind == KindAccrual || tx.Kind == KindActivation) && to.Place == Wallet && from.Place != Wallet:
	case tx.Kind == KindClawback && b.originals[tx.Original].tx.Kind == KindAccrual && (from.Place == Wallet || from.Place == Debt):
		change, wallet = leg.Amount.Neg(), Account{Unit: from.Unit, Owner: from.Owner, Place: Wallet}
	default:
		return
	}
	before, needed := b.accrued[wallet]
	if !needed {
		return
	}
	b.accrued[wallet] = before.Add(change)
	b.undo = append(b.undo, func() { b.accrued[wallet] = before })
}

// Accrued is what a member has accrued of a unit: the figure that a Need is compared with.
func (l *Ledger) Accrued(ctx context.Context, programme uuid.UUID, member, unit string) (decimal.Decimal, error) {
	wallet := walletOf(member, unit)
	id := wallet.ID(programme)
	var sum decimal.Decimal
	err := l.posting.QueryRow(ctx, sqlReadAccrued, []uuid.UUID{id, id}, []uuid.UUID{id, debtOf(wallet).ID(programme)}).Scan(&id, &sum)
	if errors.Is(err, pgx.ErrNoRows) {
		return decimal.Zero, nil
	}
	return sum, err
}
