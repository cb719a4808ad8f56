package benefits

import (
	"slices"

	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/partners"
)

// Ladder is the programme's tiers, lowest first, and the unit whose accruals reach them.
type Ladder struct {
	Unit  string
	Tiers []Tier
}

// Tier is a status level: a member has it from so much accrued on.
type Tier struct {
	Code  string
	Names partners.Names
	From  decimal.Decimal
}

// Reached returns the tiers that so much accrued reaches, lowest first. The last of them is the member's tier.
func (l Ladder) Reached(accrued decimal.Decimal) []Tier {
	for i, t := range l.Tiers {
		if t.From.GreaterThan(accrued) {
			return l.Tiers[:i]
		}
	}
	return l.Tiers
}

// rank is a tier's place in the ladder from 1 on; 0 for none.
func (l Ladder) rank(code string) int {
	return 1 + slices.IndexFunc(l.Tiers, func(t Tier) bool { return t.Code == code })
}

func (l Ladder) codes() []string {
	codes := make([]string, len(l.Tiers))
	for i, t := range l.Tiers {
		codes[i] = t.Code
	}
	return codes
}

// missing is how much of which unit a standing is below a tier.
func (l Ladder) missing(s Standing, tier string) (string, decimal.Decimal) {
	return l.Unit, l.Tiers[l.rank(tier)-1].From.Sub(s.Accrued)
}

// need is what has to be accrued for a tier. The ledger decides it under the locks of the posting that needs it.
func (l Ladder) need(code string) ledger.Need {
	return ledger.Need{Unit: l.Unit, Least: l.Tiers[l.rank(code)-1].From, Tier: code}
}
