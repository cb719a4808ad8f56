package ledger

import (
	"time"

	"github.com/shopspring/decimal"
)

// Redate moves the member's live lots of a unit with from <= expires_at < to to a new expiry: an extension, or a mass
// expiry when expiresAt is now. The lots are not edited: old ones go out and new ones come in (L2).
// Refusals: UNKNOWN_UNIT, INVALID_FIELD without a new expiry, NOTHING_TO_REDATE.
func Redate(member, unit string, from, to, expiresAt time.Time, r Request) Request {
	wallet := walletOf(member, unit)
	r.Kind, r.Member, r.RedateFrom, r.RedateTo, r.DueAt = KindRedating, member, from, to, expiresAt
	r.Legs = []Leg{{From: wallet, To: wallet, Unit: unit}}
	return r
}

// redate posts the re-dating of the chosen lots; what is dated into the past expires in the same transaction.
func (b *Book) redate(tx *Transaction, r *Request) *Refusal {
	if r.DueAt.IsZero() {
		return refuse(InvalidField, "field", "expires_at")
	}
	wallet := r.Legs[0].From
	moved, refusal := b.redateLots(tx, wallet, r.DueAt, func(l Lot) bool {
		return !l.ExpiresAt.Before(r.RedateFrom) && l.ExpiresAt.Before(r.RedateTo)
	})
	if refusal != nil {
		return refusal
	}
	if moved.IsZero() {
		return refuse(NothingToRedate)
	}
	tx.Amount = moved
	return b.settle(tx, wallet)
}

// redateLots gives the chosen live lots a new expiry, one leg a fund, and returns how much it moved.
func (b *Book) redateLots(tx *Transaction, wallet Account, expiresAt time.Time, chosen func(Lot) bool) (decimal.Decimal, *Refusal) {
	acc := b.account(wallet)
	moved := decimal.Zero
	for _, lot := range append(lotSet(nil), acc.lots...) {
		if !lot.ExpiresAt.After(b.now) || lot.ExpiresAt.Equal(expiresAt) || !chosen(lot) {
			continue
		}
		if refusal := b.redateLot(tx, wallet, lot, expiresAt); refusal != nil {
			return moved, refusal
		}
		moved = moved.Add(lot.Remaining)
	}
	return moved, nil
}

// redateLot is one leg on one account: its From entry takes the old lot out, its To entry puts the new one in.
func (b *Book) redateLot(tx *Transaction, wallet Account, lot Lot, expiresAt time.Time) *Refusal {
	unit := b.programme.Units[wallet.Unit]
	if !flows[flow{tx.Kind, Wallet, Wallet, unit.Kind}] {
		return refuse(FlowNotAllowed, "kind", string(tx.Kind), "from", string(Wallet), "to", string(Wallet))
	}
	out, refusal := b.enter(tx, wallet, lot.Remaining.Neg(), []Draw{{lot.ExpiresAt, lot.Fund, lot.Remaining}})
	if refusal != nil {
		return refusal
	}
	in, refusal := b.enter(tx, wallet, lot.Remaining, []Draw{{expiresAt, lot.Fund, lot.Remaining}})
	if refusal != nil {
		return refusal
	}
	tx.Legs = append(tx.Legs, PostedLeg{Unit: wallet.Unit, Amount: lot.Remaining, From: out, To: in})
	return nil
}

// extendByActivity applies an activity policy: an accrual or a redemption keeps all of the member's lots alive. Lots only
// move later, and those that never expire stay as they are. Other credits, such as adjustments, are no activity. Like the
// expiry of a new lot it counts from when the activity is effective, so that what is recorded late extends no further.
func (b *Book) extendByActivity(tx *Transaction, wallet Account) *Refusal {
	policy, declared := b.programme.Policies[b.programme.Units[wallet.Unit].Expiry]
	if !declared || policy.Kind != ActivityPolicy || (tx.Kind != KindAccrual && tx.Kind != KindRedemption) {
		return nil
	}
	until := policy.ExpiresAt(tx.EffectiveAt, b.programme.Zone)
	_, refusal := b.redateLots(tx, wallet, until, func(l Lot) bool { return l.ExpiresAt.Before(until) })
	return refusal
}
