package ledger

import (
	"github.com/google/uuid"
)

// require lists the accounts that may decide a request or be moved by it, so that they are locked and loaded. It may
// list more than apply uses, never less.
func (b *Book) require(r *Request) {
	if r.Kind == KindTier {
		b.requireTiers(r)
	} else {
		for _, leg := range r.Legs {
			b.requireLeg(leg)
		}
	}
	for _, need := range r.Needs {
		if need.Unit != "" {
			b.want(walletOf(r.Member, need.Unit))
		}
		if need.Room.Place == Cap {
			b.want(need.Room)
		}
		for _, unit := range need.AnyOf {
			b.add(walletOf(r.Member, unit))
		}
	}
	o := b.originals[r.Original]
	if o == nil {
		return
	}
	for _, leg := range o.tx.Legs {
		b.want(leg.From.Account)
		b.want(leg.To.Account)
	}
	for _, wallet := range o.mergedWallets() {
		b.want(wallet)
	}
}

// requireTiers lists what a change of tier may move: the wallets and pending places of its legs, whose lapsed lots go to
// breakage. Tiers know neither debt nor redemption.
func (b *Book) requireTiers(r *Request) {
	for _, leg := range r.Legs {
		b.add(leg.From)
		b.add(leg.To)
		b.add(walletOf(r.Member, leg.Unit))
		b.add(breakageOf(leg.Unit))
	}
}

func (b *Book) requireLeg(leg Leg) {
	b.want(leg.From)
	b.want(leg.To)
	for _, c := range leg.Uses {
		b.want(c)
		b.want(usedOf(c))
	}
	if !leg.Owes.Share.IsZero() {
		from, to := leg.Owes.accounts()
		b.want(from)
		b.want(to)
	}
}

// want adds an account and those that go with it: a place that bears lots belongs to a wallet, whose lapsed lots go to
// breakage and whose debt is paid first.
func (b *Book) want(a Account) {
	b.add(a) // a need may have listed the wallet alone
	if !a.Place.bearsLots() {
		return
	}
	b.add(breakageOf(a.Unit))
	if a.Place == Voucher {
		return
	}
	wallet := Account{Unit: a.Unit, Owner: a.Owner, Place: Wallet}
	b.add(wallet)
	b.add(debtOf(wallet))
	b.add(Account{Unit: a.Unit, Owner: ProgrammeOwner, Place: Redeemed})
}

// add puts an account into the book as one that does not exist yet; loading fills in what is stored.
func (b *Book) add(a Account) {
	a = b.onStripe(a)
	if b.accounts[a] != nil {
		return
	}
	acc := &account{Account: a, id: a.ID(b.programme.ID)}
	acc.floor, acc.floored = a.floor(b.programme.Units[a.Unit])
	b.accounts[a] = acc
}

// walletsOf lists the wallets that a request touches, each once.
func (b *Book) walletsOf(r *Request) []Account {
	var wallets []Account
	note := func(a Account) {
		if a.Place != Wallet && a.Place != Hold && a.Place != Pending {
			return
		}
		a.Place, a.Of = Wallet, uuid.Nil
		for _, w := range wallets {
			if w == a {
				return
			}
		}
		wallets = append(wallets, a)
	}
	for way := r; way != nil; way = way.Otherwise {
		for _, leg := range way.Legs {
			note(leg.From)
			note(leg.To)
		}
	}
	if r.Kind == KindForfeiture {
		for _, acc := range b.holdings(r.Member) {
			note(acc.Account)
		}
	}
	if o := b.originals[r.Original]; o != nil {
		for _, leg := range o.tx.Legs {
			note(leg.From.Account)
			note(leg.To.Account)
		}
		for _, wallet := range o.mergedWallets() {
			note(wallet)
		}
	}
	return wallets
}
