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

// FundBudget puts units into the budget of a member of staff, or with a negative amount takes back what is not spent, for a
// reason that must be given. Refusals: REASON_REQUIRED, BUDGET_EXHAUSTED, UNKNOWN_UNIT, AMOUNT_OUT_OF_RANGE.
func FundBudget(staff, unit string, amount decimal.Decimal, r Request) Request {
	r.Kind = KindAdjustment
	leg := Leg{From: Account{Unit: unit, Owner: ProgrammeOwner, Place: Issuance}, To: BudgetOf(staff, unit), Unit: unit, Amount: amount}
	if amount.IsNegative() {
		leg.From, leg.To, leg.Amount = leg.To, leg.From, amount.Neg()
	}
	r.Legs = []Leg{leg}
	return r
}

// BudgetOf is the account of what a member of staff may grant.
func BudgetOf(staff, unit string) Account {
	return Account{Unit: unit, Owner: Staff(staff), Place: Budget}
}

// Grant gives a member units out of the budget of a member of staff, within the limits that uses name, for a reason that
// must be given. They make a lot like an accrual, and taken back they return to the budget.
// Refusals: REASON_REQUIRED, BUDGET_EXHAUSTED, LIMIT_REACHED, MEMBER_TERMINATED and those of an accrual.
func Grant(staff, member, unit string, amount decimal.Decimal, uses []Account, r Request) Request {
	r.Kind, r.Member = KindAdjustment, member
	r.Legs = []Leg{{From: BudgetOf(staff, unit), To: walletOf(member, unit), Unit: unit, Amount: amount, Uses: uses}}
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
