package ledger

import (
	"slices"
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
	moved := decimal.Zero
	for _, lot := range slices.Clone(b.account(wallet).lots) {
		chosen := !lot.ExpiresAt.Before(r.RedateFrom) && lot.ExpiresAt.Before(r.RedateTo)
		if !chosen || !lot.ExpiresAt.After(b.now) || lot.ExpiresAt.Equal(r.DueAt) {
			continue
		}
		if refusal := b.redateLot(tx, wallet, lot, r.DueAt); refusal != nil {
			return refusal
		}
		moved = moved.Add(lot.Remaining)
	}
	if moved.IsZero() {
		return refuse(NothingToRedate)
	}
	tx.Amount = moved
	return b.settle(tx, wallet)
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

// extendByActivity applies an activity policy: an accrual, its activation, a redemption and a capture keep the member's
// live lots alive, but not what they bring themselves, whose expiry was chosen for it. Lots only move later, and those
// that never expire stay as they are. Other credits, such as adjustments, are no activity. Like the expiry of a new lot it
// counts from when the activity is effective, so that what is recorded late extends no further.
func (b *Book) extendByActivity(tx *Transaction, wallet Account) *Refusal {
	policy, active := b.activityPolicy(wallet.Unit)
	if !active {
		return nil
	}
	until := policy.ExpiresAt(tx.EffectiveAt, b.programme.Zone)
	for _, lot := range b.lotsBefore(tx, wallet) {
		if !lot.ExpiresAt.After(b.now) || !lot.ExpiresAt.Before(until) {
			continue
		}
		if refusal := b.redateLot(tx, wallet, lot, until); refusal != nil {
			return refusal
		}
	}
	return nil
}

func (b *Book) activityPolicy(unit string) (Policy, bool) {
	policy := b.programme.Policies[b.programme.Units[unit].Expiry]
	return policy, policy.Kind == ActivityPolicy
}

// lotsBefore is what a wallet holds without what the transaction gave it.
func (b *Book) lotsBefore(tx *Transaction, wallet Account) lotSet {
	before := slices.Clone(b.account(wallet).lots)
	for _, leg := range tx.Legs {
		if from := leg.From.Account.Place; from != Issuance && from != Pending {
			continue
		}
		for _, d := range leg.To.Draws {
			if i, there := before.find(d.ExpiresAt, d.Fund); there && leg.To.Account == wallet {
				d.Amount = decimal.Min(d.Amount, before[i].Remaining) // debt may have taken part of it
				before.add(d.neg())
			}
		}
	}
	return before
}
