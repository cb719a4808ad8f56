package ledger

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// Reverse takes an earlier transaction back, whole when amount is zero, else a part of it, in any number of parts and
// never more in total than the original. Lots return to where they were drawn, the last drawn first, so that what is
// still spent is a prefix of what was. A redemption, capture, transfer, publication or use is posted backwards; an
// accrual, allotment or credit by adjustment is clawed back.
// Refusals: NOT_FOUND, NOT_REVERSIBLE, NOT_REVERSIBLE_IN_PARTS, AMOUNT_OUT_OF_RANGE, ALREADY_REVERSED,
// REVERSAL_EXCEEDS_REST, INSUFFICIENT_POINTS, OUT_OF_STOCK, VOUCHER_USED, VOUCHER_EXPIRED, DEBT_LIMIT_REACHED.
func Reverse(original uuid.UUID, amount decimal.Decimal, r Request) Request {
	r.Kind, r.Original, r.Amount = KindReversal, original, amount
	return r
}

// reverse checks what is left of the original and posts the part.
func (b *Book) reverse(tx *Transaction, r *Request) *Refusal {
	o := b.originals[tx.Original]
	legs := o.principalLegs()
	if !o.tx.Posted() || len(legs) == 0 {
		return refuse(NotReversible, "kind", string(o.tx.Kind))
	}
	whole := legs[0].Amount
	rest := whole.Sub(o.reversed)
	part := r.Amount
	if part.IsZero() {
		part = rest
	}
	switch {
	case !r.Amount.IsZero() && !b.programme.Units[legs[0].Unit].Fits(r.Amount):
		return refuse(AmountOutOfRange, "amount", r.Amount.String(), "unit", legs[0].Unit)
	case rest.IsZero():
		return refuse(AlreadyReversed, "amount", whole.String())
	case part.GreaterThan(rest):
		return refuse(ReversalExceedsRest, "rest", rest.String(), "required", part.String())
	case len(legs) > 1 && !part.Equal(whole):
		return refuse(NotReversibleInParts)
	}
	tx.Amount = part
	if o.clawedBack() {
		tx.Kind = KindClawback
		if refusal := b.clawBack(tx, legs, part); refusal != nil {
			return refusal
		}
	} else if refusal := b.postBackwards(tx, legs, part, o.reversed); refusal != nil {
		return refusal
	}
	before := o.reversed
	o.reversed = before.Add(part)
	b.undo = append(b.undo, func() { o.reversed = before })
	return nil
}

// principalLegs are the legs that a reversal takes back; none when the kind cannot be reversed.
func (o *original) principalLegs() []PostedLeg {
	if !o.tx.Kind.reversible() && !o.clawedBack() {
		return nil
	}
	var legs []PostedLeg
	for _, leg := range o.tx.Legs {
		if !derived(o.tx.Kind, leg.From.Account.Place, leg.To.Account.Place) {
			legs = append(legs, leg)
		}
	}
	return legs
}

// clawedBack reports whether the original gave a member units, so that taking them back may meet an empty wallet.
func (o *original) clawedBack() bool {
	switch o.tx.Kind {
	case KindAccrual, KindAllotment:
		return true
	case KindAdjustment:
		return len(o.tx.Legs) > 0 && o.tx.Legs[0].To.Account.Place == Wallet
	default:
		return false
	}
}

// postBackwards posts the part of the principal legs backwards, the last leg first.
func (b *Book) postBackwards(tx *Transaction, legs []PostedLeg, part, reversed decimal.Decimal) *Refusal {
	for _, leg := range slices.Backward(legs) {
		amount := leg.Amount
		if len(legs) == 1 {
			amount = part
		}
		to := homeOf(leg.From.Account)
		draws := b.graced(returned(leg.From.Draws, reversed, amount))
		if leg.To.Account.Place.bearsLots() {
			taken, refusal := b.takeBack(leg.To.Account, returned(leg.To.Draws, reversed, amount), amount)
			if refusal != nil {
				return refusal
			}
			draws = taken
		}
		if refusal := b.move(tx, leg.To.Account, to, amount, draws); refusal != nil {
			return refusal
		}
		if refusal := b.arrive(tx, to); refusal != nil {
			return refusal
		}
	}
	return nil
}

// arrive finishes what a reversal brought back: it expires again when its time is over, and pays debt first.
func (b *Book) arrive(tx *Transaction, to Account) *Refusal {
	switch to.Place {
	case Wallet:
		return b.settle(tx, to)
	case Voucher:
		return b.dropLapsed(tx, to)
	default:
		return nil
	}
}

// homeOf is where a reversal brings units back to: what a capture took from a hold returns to the wallet.
func homeOf(from Account) Account {
	if from.Place == Hold {
		return Account{Unit: from.Unit, Owner: from.Owner, Place: Wallet}
	}
	return from
}

// returned gives the lots that a part brings back, of an original's draws of which the given amount was brought back
// before: the last drawn first.
func returned(draws []Draw, before, amount decimal.Decimal) []Draw {
	var back []Draw
	for _, d := range slices.Backward(draws) {
		size := d.Amount.Abs()
		skipped := decimal.Min(before, size)
		before = before.Sub(skipped)
		part := decimal.Min(size.Sub(skipped), amount)
		if part.IsPositive() {
			back = append(back, Draw{ExpiresAt: d.ExpiresAt, Fund: d.Fund, Amount: part})
			amount = amount.Sub(part)
		}
	}
	return back
}

// graced lets lots that expired meanwhile live on for the programme's refund grace, to the end of that local day.
// Without a grace they keep their time, and expire again on arrival.
func (b *Book) graced(draws []Draw) []Draw {
	if b.programme.RefundGrace == 0 {
		return draws
	}
	for i, d := range draws {
		if !d.ExpiresAt.After(b.now) {
			year, month, day := b.now.Add(b.programme.RefundGrace).In(b.programme.Zone).Date()
			draws[i].ExpiresAt = firstInstant(year, month, day+1, b.programme.Zone).UTC()
		}
	}
	return draws
}

// takeBack picks amount from a place, from the given lots first as far as they are still there, then in spending order.
func (b *Book) takeBack(from Account, own []Draw, amount decimal.Decimal) ([]Draw, *Refusal) {
	acc := b.account(from)
	if acc.balance.LessThan(amount) {
		return nil, shortfall(acc, amount)
	}
	rest := slices.Clone(acc.lots)
	var taken []Draw
	take := func(d Draw) {
		i, found := rest.find(d.ExpiresAt, d.Fund)
		if !found || !d.ExpiresAt.After(b.now) {
			return
		}
		part := decimal.Min(decimal.Min(rest[i].Remaining, d.Amount.Abs()), amount)
		if part.IsPositive() {
			d.Amount = part
			taken = append(taken, d)
			rest.add(d.neg())
			amount = amount.Sub(part)
		}
	}
	for _, d := range own {
		take(d)
	}
	for _, lot := range slices.Clone(rest) {
		take(Draw{ExpiresAt: lot.ExpiresAt, Fund: lot.Fund, Amount: lot.Remaining})
	}
	switch {
	case amount.IsPositive() && from.Place == Voucher:
		return nil, refuse(VoucherExpired)
	case amount.IsPositive():
		return nil, shortfall(acc, amount)
	}
	return merged(taken), nil
}

// merged adds up draws of one lot, so that an entry names each lot once.
func merged(draws []Draw) []Draw {
	var set lotSet
	for _, d := range draws {
		set.add(d)
	}
	out := draws[:0]
	for _, lot := range set {
		out = append(out, Draw{ExpiresAt: lot.ExpiresAt, Fund: lot.Fund, Amount: lot.Remaining})
	}
	return out
}

// clawBack takes the legs of an accrual back, the last leg first: units from the member, money between programme and
// partner the way it came.
func (b *Book) clawBack(tx *Transaction, legs []PostedLeg, part decimal.Decimal) *Refusal {
	for _, leg := range slices.Backward(legs) {
		amount := leg.Amount
		if len(legs) == 1 {
			amount = part
		}
		var refusal *Refusal
		if leg.To.Account.Place.bearsLots() {
			refusal = b.claw(tx, leg, amount)
		} else {
			refusal = b.move(tx, leg.To.Account, leg.From.Account, amount, nil)
		}
		if refusal != nil {
			return refusal
		}
	}
	return nil
}

// claw takes part of an accrual back: from its pending place while it still waits there, else from its own lot, then
// from the others in spending order, and what the wallet lacks becomes debt, down to the unit's limit.
func (b *Book) claw(tx *Transaction, leg PostedLeg, part decimal.Decimal) *Refusal {
	source := leg.From.Account
	if waiting := leg.To.Account; waiting.Place == Pending {
		if pending := b.account(waiting); pending.balance.IsPositive() {
			draws, _ := pending.lots.pick(part, time.Time{})
			return b.move(tx, waiting, source, part, draws)
		}
	}
	wallet := Account{Unit: leg.Unit, Owner: leg.To.Account.Owner, Place: Wallet}
	here := decimal.Min(part, b.account(wallet).lots.live(b.now))
	if here.IsPositive() {
		draws, refusal := b.takeBack(wallet, leg.To.Draws, here)
		if refusal != nil {
			return refusal
		}
		if refusal := b.move(tx, wallet, source, here, draws); refusal != nil {
			return refusal
		}
	}
	if owed := part.Sub(here); owed.IsPositive() {
		return b.move(tx, debtOf(wallet), source, owed, nil)
	}
	return nil
}
