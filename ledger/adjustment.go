package ledger

import (
	"time"

	"github.com/shopspring/decimal"
)

// Adjust corrects a member's wallet by a signed amount, for a reason code that must be given. A positive amount makes a
// lot like an accrual; a negative one takes lots in spending order and never makes debt.
// Refusals: REASON_REQUIRED and those of an accrual or a redemption, except MEMBER_FROZEN.
func Adjust(member, unit string, amount decimal.Decimal, expiresAt time.Time, r Request) Request {
	r.Kind, r.Member = KindAdjustment, member
	wallet, issuance := walletOf(member, unit), Account{Unit: unit, Owner: ProgrammeOwner, Place: Issuance}
	leg := Leg{From: issuance, To: wallet, Unit: unit, Amount: amount, ExpiresAt: expiresAt}
	if amount.IsNegative() {
		leg = Leg{From: wallet, To: issuance, Unit: unit, Amount: amount.Neg()}
	}
	r.Legs = []Leg{leg}
	return r
}

func (b *Book) adjust(tx *Transaction, r *Request) *Refusal {
	if r.Reason == "" {
		return refuse(ReasonRequired)
	}
	leg := r.Legs[0]
	if leg.From.Place != Wallet {
		return b.accrue(tx, r)
	}
	draws, refusal := b.spend(leg.From, leg.Amount)
	if refusal != nil {
		return refusal
	}
	return b.move(tx, leg.From, leg.To, leg.Amount, draws)
}
