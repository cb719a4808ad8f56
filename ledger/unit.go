package ledger

import (
	"github.com/shopspring/decimal"
)

// UnitKind says what a unit counts; the table of allowed flows uses it.
type UnitKind string

// The kinds of unit.
const (
	PointsUnit     UnitKind = "points"
	QualifyingUnit UnitKind = "qualifying" // counts for a tier only
	AllotmentUnit  UnitKind = "allotment"  // uses that a tier grants for a period
	RightUnit      UnitKind = "right"      // one unit of a benefit
	MoneyUnit      UnitKind = "money"
	TierUnit       UnitKind = "tier"  // a member who holds a live one has the tier; the ladders declare them
	LimitUnit      UnitKind = "limit" // what was used of a limit; declared by it
)

// Values are the kinds that a document may name.
func (UnitKind) Values() []string {
	return []string{string(PointsUnit), string(QualifyingUnit), string(AllotmentUnit), string(RightUnit), string(MoneyUnit)}
}

// Unit is something that is counted. Amounts of it have at most Scale decimal places.
type Unit struct {
	Code  string
	Kind  UnitKind
	Scale int32
	// Expiry names the programme's expiry policy for what is accrued; empty means never.
	Expiry string
	// DebtLimit is how far below zero a clawback may take a member.
	DebtLimit decimal.Decimal
	// Most is what a limit lets through in one interval.
	Most decimal.Decimal
}

// maxScale is the most decimal places that a unit has.
const maxScale = 9

var (
	maxAmount  = decimal.New(1, 12) // one leg; sums stay far from any overflow
	maxBalance = decimal.New(1, 15) // one account; accounts_within_cap says the same
)

// Fits reports whether a caller may ask for the amount: it counts, and is within the bounds of one leg.
func (u Unit) Fits(amount decimal.Decimal) bool {
	return amount.LessThanOrEqual(maxAmount) && u.counts(amount)
}

// counts reports whether amount is positive and has no more decimal places than the unit's scale. Legs that follow from
// others, such as the expiry of a lot that many accruals made, have no other bound than their accounts.
func (u Unit) counts(amount decimal.Decimal) bool {
	return amount.IsPositive() && amount.Equal(amount.Truncate(u.Scale))
}
