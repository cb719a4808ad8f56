package ledger

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// Reverse takes an earlier transaction back, whole when amount is zero, else a part of it, in any number of parts and
// never more in total than the original. The amount is a part of its principal, which is the first leg's amount, or the
// money that an accrual by rules was earned with. Of the legs goes back what is in proportion, cut to the unit's scale, and the last part brings the rest; rights cannot be cut. Lots return to where they
// were drawn, the last drawn first, so that what is still spent is a prefix of what was. A redemption, capture, transfer,
// publication or use is posted backwards; an accrual, allotment or credit by adjustment is clawed back. A merge is taken
// back whole, see [Merge].
// Refusals: NOT_FOUND, NOT_REVERSIBLE, NOT_REVERSIBLE_IN_PARTS, AMOUNT_OUT_OF_RANGE, ALREADY_REVERSED,
// REVERSAL_EXCEEDS_REST, INSUFFICIENT_POINTS, OUT_OF_STOCK, VOUCHER_USED, VOUCHER_EXPIRED, DEBT_LIMIT_REACHED.
func Reverse(original uuid.UUID, amount decimal.Decimal, r Request) Request {
	r.Kind, r.Original, r.Amount = KindReversal, original, amount
	return r
}

// reverse checks what is left of the original and posts the part.
func (b *Book) reverse(tx *Transaction, r *Request) *Refusal {
	o := b.originals[tx.Original]
	if o.tx.Kind == KindMerge && o.tx.Posted() {
		return b.unmerge(tx, r, o)
	}
	legs := o.principalLegs()
	if !o.tx.Posted() || len(legs) == 0 {
		return refuse(NotReversible, "kind", string(o.tx.Kind))
	}
	whole := o.tx.Amount
	rest := whole.Sub(o.reversed)
	part := r.Amount
	if part.IsZero() {
		part = rest
	}
	switch {
	case !r.Amount.IsZero() && !o.counts(r.Amount, b.programme.Units[legs[0].Unit]):
		return refuse(AmountOutOfRange, "amount", r.Amount.String(), "unit", legs[0].Unit)
	case rest.IsZero():
		return refuse(AlreadyReversed, "amount", whole.String())
	case part.GreaterThan(rest):
		return refuse(ReversalExceedsRest, "rest", rest.String(), "required", part.String())
	}
	tx.Amount = part
	post := b.postBackwards
	if o.clawedBack() {
		tx.Kind, post = KindClawback, b.clawBack
	}
	for _, leg := range slices.Backward(legs) {
		p, refusal := b.partOf(leg, o.reversed, part, whole)
		if refusal != nil {
			return refusal
		}
		if p.amount.IsZero() {
			continue
		}
		if refusal := post(tx, leg, p); refusal != nil {
			return refusal
		}
	}
	before := o.reversed
	o.reversed = before.Add(part)
	b.undo = append(b.undo, func() { o.reversed = before })
	return nil
}

// counts reports whether a part may be asked for: the principal is money that was earned with, or of the first leg's unit.
func (o *original) counts(part decimal.Decimal, unit Unit) bool {
	if !o.tx.Amount.Equal(o.principalLegs()[0].Amount) {
		unit.Scale = maxScale
	}
	return unit.Fits(part)
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

// legPart is what a reversal takes back of one leg, and what earlier ones took.
type legPart struct {
	before, amount decimal.Decimal
}

// partOf is a leg's share of a part of the whole, of which some was taken back before. Each share is cut to the unit's
// scale as the total of all parts so far, so that the parts never add up to more than the leg, and in the end to all of it.
func (b *Book) partOf(leg PostedLeg, before, part, whole decimal.Decimal) (legPart, *Refusal) {
	unit := b.programme.Units[leg.Unit]
	upTo := func(taken decimal.Decimal) decimal.Decimal {
		share, _ := leg.Amount.Mul(taken).QuoRem(whole, unit.Scale)
		return share
	}
	after := before.Add(part)
	if unit.Kind == RightUnit && !upTo(after).Mul(whole).Equal(leg.Amount.Mul(after)) {
		return legPart{}, refuse(NotReversibleInParts, "unit", leg.Unit)
	}
	return legPart{upTo(before), upTo(after).Sub(upTo(before))}, nil
}

// postBackwards posts part of a principal leg the other way round.
func (b *Book) postBackwards(tx *Transaction, leg PostedLeg, p legPart) *Refusal {
	to := homeOf(leg.From.Account, b.programme.Units[leg.Unit].Kind)
	draws := returned(leg.From.Draws, p.before, p.amount)
	if to.Place == Wallet {
		draws = b.revived(draws, leg.Unit)
	}
	if leg.To.Account.Place.bearsLots() {
		taken, refusal := b.takeBack(leg.To.Account, returned(leg.To.Draws, p.before, p.amount), p.amount)
		if refusal != nil {
			return refusal
		}
		draws = taken
	}
	if refusal := b.move(tx, leg.To.Account, to, p.amount, draws); refusal != nil {
		return refusal
	}
	return b.arrive(tx, to)
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

// homeOf is where a reversal brings units back to: what a capture took from a hold returns to the wallet. Rights have none.
func homeOf(from Account, kind UnitKind) Account {
	if from.Place == Hold && kind != RightUnit {
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

// revived lets lots that expired meanwhile live on for the programme's refund grace, to the end of that local day; without
// a grace they keep their time, and expire again on arrival. Under an activity policy nothing comes back with less than an
// activity of now gives: what it was spent for is undone, and the activities since did not reach it. A right that returns
// to its voucher is given neither, since a voucher's time is part of what was bought.
func (b *Book) revived(draws []Draw, unit string) []Draw {
	var least, grace time.Time
	if policy, active := b.activityPolicy(unit); active {
		least = policy.ExpiresAt(b.now, b.programme.Zone)
	}
	if b.programme.RefundGrace > 0 {
		year, month, day := b.now.Add(b.programme.RefundGrace).In(b.programme.Zone).Date()
		grace = firstInstant(year, month, day+1, b.programme.Zone).UTC()
	}
	for i := range draws {
		d := &draws[i]
		if !d.ExpiresAt.After(b.now) && grace.After(d.ExpiresAt) {
			d.ExpiresAt = grace
		}
		if least.After(d.ExpiresAt) {
			d.ExpiresAt = least
		}
	}
	return draws
}

// takeBack picks amount from a place: from the given lots first as far as they are still there, then from lots of the
// same funds, because the same units may have been re-dated meanwhile, then from any, each in spending order.
func (b *Book) takeBack(from Account, own []Draw, amount decimal.Decimal) ([]Draw, *Refusal) {
	acc := b.account(from)
	if acc.balance.LessThan(amount) {
		return nil, shortfall(acc, amount)
	}
	t := taking{rest: slices.Clone(acc.lots), now: b.now, amount: amount}
	missing := make(map[string]decimal.Decimal)
	for _, d := range own {
		missing[d.Fund] = missing[d.Fund].Add(d.Amount.Abs()).Sub(t.take(d.ExpiresAt, d.Fund, d.Amount.Abs()))
	}
	for _, lot := range slices.Clone(t.rest) {
		missing[lot.Fund] = missing[lot.Fund].Sub(t.take(lot.ExpiresAt, lot.Fund, missing[lot.Fund]))
	}
	for _, lot := range slices.Clone(t.rest) {
		t.take(lot.ExpiresAt, lot.Fund, lot.Remaining)
	}
	switch {
	case t.amount.IsPositive() && from.Place == Voucher:
		return nil, refuse(VoucherExpired)
	case t.amount.IsPositive():
		return nil, shortfall(acc, amount)
	}
	return merged(t.taken), nil
}

// taking is what is being picked from a place's live lots.
type taking struct {
	rest   lotSet
	now    time.Time
	amount decimal.Decimal // still to be taken
	taken  []Draw
}

// take picks up to most from one lot and returns how much it was.
func (t *taking) take(expiresAt time.Time, fund string, most decimal.Decimal) decimal.Decimal {
	i, there := t.rest.find(expiresAt, fund)
	if !there || !expiresAt.After(t.now) {
		return decimal.Zero
	}
	d := Draw{ExpiresAt: expiresAt, Fund: fund, Amount: decimal.Min(t.rest[i].Remaining, most, t.amount)}
	if !d.Amount.IsPositive() {
		return decimal.Zero
	}
	t.taken = append(t.taken, d)
	t.rest.add(d.neg())
	t.amount = t.amount.Sub(d.Amount)
	return d.Amount
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

// clawBack takes part of an accrual's leg back: money between programme and partner the way it came, units from the member:
// from the pending place while they still wait there, else from their own lot, then from the others, and what the wallet
// lacks becomes debt, down to the unit's limit.
func (b *Book) clawBack(tx *Transaction, leg PostedLeg, p legPart) *Refusal {
	source, part := leg.From.Account, p.amount
	if !leg.To.Account.Place.bearsLots() {
		return b.move(tx, leg.To.Account, source, part, nil)
	}
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
