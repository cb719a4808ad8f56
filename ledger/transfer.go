package ledger

import (
	"time"

	"github.com/shopspring/decimal"
)

// Transfer moves units from one member's wallet to another's. Lots keep their expiry and fund.
// Refusals: SAME_ACCOUNT, MEMBER_FROZEN for the giver, and those of a redemption.
func Transfer(from, to, unit string, amount decimal.Decimal, r Request) Request {
	r.Kind, r.Member = KindTransfer, from
	r.Legs = []Leg{{From: walletOf(from, unit), To: walletOf(to, unit), Unit: unit, Amount: amount}}
	return r
}

// StockOf is the account of the unsold rights of a benefit; of those that are kept for a tier when one is given. What is
// kept for a tier is a stock of its own.
func StockOf(unit, tier string) Account {
	return Account{Unit: unit, Owner: ProgrammeOwner, Place: Stock, Period: tier}
}

// Publish puts rights of a benefit into the programme's stock; with a negative amount it withdraws unsold ones.
// Refusals: OUT_OF_STOCK, UNKNOWN_UNIT, AMOUNT_OUT_OF_RANGE.
func Publish(unit string, amount decimal.Decimal, r Request) Request {
	return PublishInto(StockOf(unit, ""), amount, r)
}

// PublishInto is Publish for a stock that may be kept for a tier.
func PublishInto(stock Account, amount decimal.Decimal, r Request) Request {
	r.Kind = KindPublication
	leg := Leg{From: issuanceOf(stock.Unit), To: stock, Unit: stock.Unit, Amount: amount}
	if amount.IsNegative() {
		leg.From, leg.To, leg.Amount = leg.To, leg.From, amount.Neg()
	}
	r.Legs = []Leg{leg}
	return r
}

// Use is a merchant's redemption of a voucher: its rights to the merchant's redeemed account, and what the agreement
// pays for them. Refusals: VOUCHER_USED, VOUCHER_EXPIRED, MEMBER_FROZEN.
func Use(member string, legs []Leg, r Request) Request {
	r.Kind, r.Member, r.Legs = KindUse, member, legs
	return r
}

// transfer posts legs whose units keep their lots on the way: between members, out of a voucher, into stock.
func (b *Book) transfer(tx *Transaction, r *Request) *Refusal {
	for _, leg := range r.Legs {
		if leg.From == leg.To {
			return refuse(SameAccount)
		}
		draws, refusal := b.leaving(leg.From, leg.Amount)
		if refusal != nil {
			return refusal
		}
		if leg.To.Place == Voucher {
			b.edit(leg.To).dueAt = draws[0].ExpiresAt
		}
		if refusal := b.move(tx, leg.From, leg.To, leg.Amount, draws); refusal != nil {
			return refusal
		}
		if leg.To.Place == Wallet {
			if refusal := b.settle(tx, leg.To); refusal != nil {
				return refusal
			}
		}
	}
	return nil
}

// leaving picks the lots that leave a place; nil when it bears none.
func (b *Book) leaving(from Account, amount decimal.Decimal) ([]Draw, *Refusal) {
	switch from.Place {
	case Wallet:
		return b.spend(from, amount)
	case Voucher, Hold:
		acc := b.account(from)
		if draws, enough := acc.lots.pick(amount, b.now); enough {
			return draws, nil
		}
		if _, lapsed := acc.lots.pick(amount, time.Time{}); lapsed {
			return nil, refuse(VoucherExpired, "expires_at", acc.lots[0].ExpiresAt.Format(time.RFC3339Nano))
		}
		return nil, shortfall(acc, amount)
	default:
		return nil, nil
	}
}
