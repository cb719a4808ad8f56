package ledger

import (
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// Redeem takes units from a member's wallet for good. Refusals: UNKNOWN_UNIT, AMOUNT_OUT_OF_RANGE, MEMBER_FROZEN,
// INSUFFICIENT_POINTS with available and required, PERIOD_CLOSED, BACK_DATING_LIMIT, REFERENCE_USED.
func Redeem(member, unit string, amount decimal.Decimal, r Request) Request {
	return RedeemLegs(member, []Leg{redemptionLeg(member, unit, amount)}, r)
}

// RedeemLegs is a redemption of several legs: what is paid, and the right that it buys. All move or none.
func RedeemLegs(member string, legs []Leg, r Request) Request {
	r.Kind, r.Member, r.Legs = KindRedemption, member, legs
	return r
}

func redemptionLeg(member, unit string, amount decimal.Decimal) Leg {
	return Leg{
		From: walletOf(member, unit), To: Account{Unit: unit, Owner: ProgrammeOwner, Place: Redeemed},
		Unit: unit, Amount: amount,
	}
}

// redeem posts the legs of a redemption. A right that goes into a voucher, or into a hold until somebody has said yes,
// becomes a lot that expires with it: at the leg's own time, else by the policy of the right's unit.
func (b *Book) redeem(tx *Transaction, r *Request) *Refusal {
	for _, leg := range r.Legs {
		var draws []Draw
		switch {
		case leg.From.Place == Wallet:
			picked, refusal := b.spend(leg.From, leg.Amount)
			if refusal != nil {
				return refusal
			}
			draws = picked
		case leg.To.Place == Voucher || leg.To.Place == Hold:
			lot, refusal := b.openRight(tx, r, leg)
			if refusal != nil {
				return refusal
			}
			draws = []Draw{lot}
		}
		if refusal := b.move(tx, leg.From, leg.To, leg.Amount, draws); refusal != nil {
			return refusal
		}
		if refusal := b.use(tx, leg); refusal != nil {
			return refusal
		}
	}
	for _, leg := range r.Legs {
		if leg.From.Place == Wallet {
			if refusal := b.extendByActivity(tx, leg.From); refusal != nil {
				return refusal
			}
		}
	}
	return nil
}

// openRight is the lot of a right that goes into a voucher or hold. A voucher is due when the lot expires, a hold when its
// answer is, which the request says.
func (b *Book) openRight(tx *Transaction, r *Request, leg Leg) (Draw, *Refusal) {
	expiresAt, refusal := b.expiryOf(tx, r, leg)
	if refusal != nil {
		return Draw{}, refusal
	}
	if !expiresAt.After(b.now) {
		return Draw{}, refuse(TimeNotInFuture, "field", "expires_at")
	}
	due := expiresAt
	if leg.To.Place == Hold {
		if due = r.DueAt; !due.After(b.now) {
			return Draw{}, refuse(TimeNotInFuture, "field", "due_at")
		}
	}
	b.edit(leg.To).dueAt = due
	return Draw{ExpiresAt: expiresAt, Fund: fundOf(leg), Amount: leg.Amount}, nil
}

// Reserve holds units for the length of timeout. They are not available meanwhile, and cannot expire under the member:
// a hold taken in time may be captured until its timeout. Refusals are those of a redemption.
func Reserve(programme uuid.UUID, member, unit string, amount decimal.Decimal, timeout time.Duration, r Request) Request {
	r.Kind, r.Member, r.Timeout = KindHold, member, timeout
	hold := walletOf(member, unit)
	hold.Place, hold.Of = Hold, TransactionID(programme, r.Client, r.Key)
	r.Legs = []Leg{{From: walletOf(member, unit), To: hold, Unit: unit, Amount: amount}}
	return r
}

// hold moves lots from the wallet to a place of their own.
func (b *Book) hold(tx *Transaction, r *Request) *Refusal {
	if r.Timeout <= 0 {
		return refuse(InvalidField, "field", "timeout")
	}
	leg := r.Legs[0]
	draws, refusal := b.spend(leg.From, leg.Amount)
	if refusal != nil {
		return refusal
	}
	tx.DueAt = b.now.Add(r.Timeout)
	b.edit(leg.To).dueAt = tx.DueAt
	return b.move(tx, leg.From, leg.To, leg.Amount, draws)
}

// Capture uses a hold: whole when amount is zero, else a part of it; release returns the rest to the wallet at once.
// Refusals: NOT_FOUND, AMOUNT_OUT_OF_RANGE, HOLD_CLOSED, HOLD_EXPIRED, CAPTURE_EXCEEDS_HOLD, MEMBER_FROZEN.
func Capture(hold uuid.UUID, amount decimal.Decimal, release bool, r Request) Request {
	r.Kind, r.Original, r.Amount, r.Release = KindCapture, hold, amount, release
	return r
}

// Void returns what is left of a hold to the wallet, also after its timeout. Refusals: NOT_FOUND, HOLD_CLOSED.
func Void(hold uuid.UUID, r Request) Request {
	r.Kind, r.Original = KindVoid, hold
	return r
}

// heldBy finds the hold that the original transaction opened.
func (b *Book) heldBy(tx *Transaction) (*account, *Refusal) {
	legs := b.originals[tx.Original].tx.Legs
	if len(legs) == 0 || legs[0].To.Account.Place != Hold || legs[0].To.Account.Of != tx.Original {
		return nil, refuse(NotFoundReason)
	}
	held := b.account(legs[0].To.Account)
	if held.balance.IsZero() {
		return nil, refuse(HoldClosed)
	}
	return held, nil
}

// capture moves units from a hold to where they are redeemed. Lots that expired since the hold was taken count.
func (b *Book) capture(tx *Transaction, r *Request) *Refusal {
	held, refusal := b.heldBy(tx)
	if refusal != nil {
		return refusal
	}
	if !held.dueAt.After(b.now) {
		return refuse(HoldExpired, "due_at", held.dueAt.Format(time.RFC3339Nano))
	}
	amount := r.Amount
	switch {
	case amount.IsZero():
		amount = held.balance
	case !b.programme.Units[held.Unit].Fits(amount):
		return refuse(AmountOutOfRange, "amount", amount.String(), "unit", held.Unit)
	}
	draws, enough := held.lots.pick(amount, time.Time{})
	if !enough {
		return refuse(CaptureExceedsHold, "held", held.balance.String(), "required", amount.String())
	}
	to := Account{Unit: held.Unit, Owner: ProgrammeOwner, Place: Redeemed}
	if refusal := b.move(tx, held.Account, to, amount, draws); refusal != nil {
		return refusal
	}
	if r.Release && held.balance.IsPositive() {
		if refusal := b.returnHeld(tx, held); refusal != nil {
			return refusal
		}
	}
	return b.extendByActivity(tx, walletOf(tx.Member, held.Unit))
}

// release ends a hold by void, or by timeout once that has come.
func (b *Book) release(tx *Transaction) *Refusal {
	held, refusal := b.heldBy(tx)
	if refusal != nil {
		return refusal
	}
	if tx.Kind == KindTimeout && held.dueAt.After(b.now) {
		return refuse(HoldNotDue)
	}
	return b.returnHeld(tx, held)
}

// returnHeld gives back all that a hold still has; what lapsed meanwhile expires on arrival.
func (b *Book) returnHeld(tx *Transaction, held *account) *Refusal {
	draws, _ := held.lots.pick(held.balance, time.Time{})
	wallet := Account{Unit: held.Unit, Owner: held.Owner, Place: Wallet}
	if refusal := b.move(tx, held.Account, wallet, held.balance, draws); refusal != nil {
		return refusal
	}
	return b.settle(tx, wallet)
}
