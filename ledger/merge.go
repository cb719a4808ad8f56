package ledger

import (
	"maps"
	"slices"

	"github.com/shopspring/decimal"
)

// Merge moves all that a member has in wallets to another's: two records of one person, or another owner. Lots keep expiry
// and fund, debt moves too and is paid by what the other has. Holds, vouchers and what is pending stay with the first until
// they are closed, as do later bills; a merge under another key brings over what arrived since. A tier is not handed over.
// p is the version of the programme that the request is built under. Reverse takes a merge back, whole: from each wallet goes back
// what it gave, and debts that it paid are owed again.
// Refusals: SAME_ACCOUNT, MEMBER_FROZEN for the first, MEMBER_TERMINATED for either, NOTHING_TO_MERGE, DEBT_LIMIT_REACHED;
// of the reversal NOT_REVERSIBLE_IN_PARTS, ALREADY_REVERSED, INSUFFICIENT_POINTS, and NOT_REVERSIBLE when a debt that moved
// was paid or forgiven since.
func Merge(p *Programme, from, into string, r Request) Request {
	r.Kind, r.Member, r.Legs, r.Asked = KindMerge, from, nil, "merge into "+into
	for _, unit := range slices.Sorted(maps.Keys(p.Units)) {
		if slices.Contains(anyExpiring, p.Units[unit].Kind) {
			r.Legs = append(r.Legs, Leg{From: walletOf(from, unit), To: walletOf(into, unit), Unit: unit})
		}
	}
	return r
}

// merge moves the balance of each leg's wallet, whatever it is, and the debt beside it.
func (b *Book) merge(tx *Transaction, r *Request) *Refusal {
	for _, leg := range r.Legs {
		switch {
		case leg.From == leg.To:
			return refuse(SameAccount)
		case b.closed(leg.To): // debt could enter
			return refuse(MemberTerminated)
		}
		if from := b.account(leg.From); from.balance.IsPositive() {
			draws, _ := from.lots.pick(from.balance, b.now)
			if refusal := b.move(tx, leg.From, leg.To, from.balance, draws); refusal != nil {
				return refusal
			}
		}
		if owed := b.account(debtOf(leg.From)).balance.Neg(); owed.IsPositive() {
			if refusal := b.move(tx, debtOf(leg.To), debtOf(leg.From), owed, nil); refusal != nil {
				return refusal
			}
		}
		if refusal := b.settle(tx, leg.To); refusal != nil {
			return refusal
		}
	}
	if len(tx.Legs) == 0 {
		return refuse(NothingToMerge)
	}
	return nil
}

// unmerge posts the legs of a merge backwards, the last first, and then settles both sides as any credit is settled.
func (b *Book) unmerge(tx *Transaction, r *Request, o *original) *Refusal {
	switch {
	case !r.Amount.IsZero():
		return refuse(NotReversibleInParts)
	case o.reversed.IsPositive():
		return refuse(AlreadyReversed, "amount", o.tx.Amount.String())
	}
	tx.Amount = o.tx.Amount
	for _, leg := range slices.Backward(o.tx.Legs) {
		if refusal := b.moveBack(tx, leg); refusal != nil {
			return refusal
		}
	}
	for _, wallet := range o.mergedWallets() {
		if refusal := b.settle(tx, wallet); refusal != nil {
			return refusal
		}
	}
	o.reversed = tx.Amount
	b.undo = append(b.undo, func() { o.reversed = decimal.Zero })
	return nil
}

// mergedWallets are the wallets on both sides of a merge, also where only debt moved; none of what is no merge.
func (o *original) mergedWallets() []Account {
	if o.tx.Kind != KindMerge {
		return nil
	}
	var wallets []Account
	for _, leg := range o.tx.Legs {
		for _, a := range [...]Account{leg.From.Account, leg.To.Account} {
			if a.Place = Wallet; !slices.Contains(wallets, a) {
				wallets = append(wallets, a)
			}
		}
	}
	return wallets
}

// moveBack posts one leg of a merge the other way round.
func (b *Book) moveBack(tx *Transaction, leg PostedLeg) *Refusal {
	from, to := leg.To.Account, leg.From.Account
	var draws []Draw
	switch {
	case from.Place == Wallet:
		taken, refusal := b.takeBack(from, leg.To.Draws, leg.Amount)
		if refusal != nil {
			return refusal
		}
		draws = taken
	case to.Place == Wallet:
		draws = b.revived(returned(leg.From.Draws, decimal.Zero, leg.Amount), leg.Unit)
	case b.account(to).balance.Add(leg.Amount).IsPositive():
		return refuse(NotReversible, "kind", string(KindMerge), "owed", b.account(to).balance.Neg().String())
	}
	return b.move(tx, from, to, leg.Amount, draws)
}
