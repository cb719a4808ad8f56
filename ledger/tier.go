package ledger

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// TierLot is what a member holds of a tier from one source: one unit, until it expires.
type TierLot struct {
	Tier   string // the unit
	Source string // the lot's fund: what the tier was decided on, such as points or an override
	Until  time.Time
	// Waits is the transaction in whose pending place it waits for its start; nil for what is held.
	Waits uuid.UUID
}

// TierChange takes the lots of one source away from a member and gives another, in one transaction whose reason is the
// cause. It was decided on the lots that the caller read, so it is posted only while they are still there. Two first grants
// at once meet no lot; who makes them gives them the same key.
type TierChange struct {
	Member   string
	Withdraw []TierLot
	// Grant is nil when a tier is only taken away. What begins later waits in a pending place until StartsAt.
	Grant    *TierLot
	StartsAt time.Time
}

// Into completes the request with the change's legs. Refusals: UNKNOWN_UNIT, TIME_NOT_IN_FUTURE for a validity that is over
// or a start that is not ahead, TIER_MOVED when a lot to be withdrawn is not there any more, or the one to be given is: read again and decide anew.
func (c TierChange) Into(programme uuid.UUID, r Request) Request {
	r.Kind, r.Member, r.DueAt = KindTier, c.Member, c.StartsAt
	one := decimal.NewFromInt(1)
	for _, lot := range c.Withdraw {
		from := walletOf(c.Member, lot.Tier)
		if lot.Waits != uuid.Nil {
			from.Place, from.Of = Pending, lot.Waits
		}
		r.Legs = append(r.Legs, Leg{
			From: from, To: issuanceOf(lot.Tier), Unit: lot.Tier, Amount: one, ExpiresAt: lot.Until, Fund: lot.Source,
		})
	}
	if lot := c.Grant; lot != nil {
		to := walletOf(c.Member, lot.Tier)
		if !c.StartsAt.IsZero() {
			to.Place, to.Of = Pending, TransactionID(programme, r.Client, r.Key)
		}
		r.Legs = append(r.Legs, Leg{
			From: issuanceOf(lot.Tier), To: to, Unit: lot.Tier, Amount: one, ExpiresAt: lot.Until, Fund: lot.Source,
		})
	}
	return r
}

// Activate asks for what waits in the pending place of a transaction, once its time has come, under the key by which the
// sweep asks for it. Refusals, none of them recorded: NOT_FOUND, NOT_PENDING, HOLD_NOT_DUE.
func Activate(original uuid.UUID) Request {
	return Request{
		Client: systemClient, Key: string(KindActivation) + "/" + original.String(), Kind: KindActivation, Original: original,
	}.Own()
}

// changeTier posts the legs of a change of tier, in their order.
func (b *Book) changeTier(tx *Transaction, r *Request) *Refusal {
	if !r.DueAt.IsZero() && !r.DueAt.After(b.now) {
		return refuse(TimeNotInFuture, "field", "starts_at")
	}
	for _, leg := range r.Legs {
		draw := Draw{ExpiresAt: leg.ExpiresAt, Fund: leg.Fund, Amount: leg.Amount}
		switch {
		case leg.From.Place != Issuance && !b.holdsLot(leg.From, draw),
			leg.From.Place == Issuance && b.holdsLot(leg.To, draw): // somebody gave the same meanwhile, and one is enough
			return refuse(TierMoved, "tier", leg.Unit)
		case leg.From.Place == Issuance && (!leg.ExpiresAt.After(b.now) || !leg.ExpiresAt.After(r.DueAt)):
			return refuse(TimeNotInFuture, "field", "until")
		case leg.To.Place == Pending:
			b.edit(leg.To).dueAt = r.DueAt
		}
		if refusal := b.move(tx, leg.From, leg.To, leg.Amount, []Draw{draw}); refusal != nil {
			return refusal
		}
	}
	return nil
}

// holdsLot reports whether a wallet holds exactly that lot and it is live, or a pending place holds it.
func (b *Book) holdsLot(place Account, d Draw) bool {
	return slices.ContainsFunc(b.account(place).lots, func(lot Lot) bool {
		return lot.Fund == d.Fund && lot.ExpiresAt.Equal(d.ExpiresAt) && lot.Remaining.GreaterThanOrEqual(d.Amount) &&
			(place.Place == Pending || lot.ExpiresAt.After(b.now))
	})
}

func issuanceOf(unit string) Account {
	return Account{Unit: unit, Owner: ProgrammeOwner, Place: Issuance}
}
