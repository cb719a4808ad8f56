package benefits

import (
	"fmt"
	"maps"
	"slices"

	"github.com/shopspring/decimal"

	"tallystick/internal/document"
	"tallystick/ledger"
	"tallystick/partners"
)

// GoodwillReason is a cause for which staff may give a member something of their budgets.
type GoodwillReason struct {
	Code  string
	Names partners.Names
	Unit  string
	// Most is what one grant may give to anybody, ByTier to members of a tier and of those above it.
	Most   decimal.Decimal
	ByTier map[string]decimal.Decimal
	Limits []string // that every grant uses
}

type goodwillDocument struct {
	Unit    string `yaml:"unit" doc:"The unit of points that budgets are of."`
	Reasons []struct {
		namedCode `yaml:",inline"`
		Most      document.Amount            `yaml:"most" is:"required" doc:"What one grant may give at the most."`
		Tiers     map[string]document.Amount `yaml:"tiers" doc:"The same for members of a tier and of those above it, by tier."`
		Limits    []string                   `yaml:"limits" doc:"The limits that every grant uses."`
	} `yaml:"reasons" doc:"What staff may give away for."`
}

func (s *section) readGoodwill(at document.Spot, p *ledger.Programme, doc goodwillDocument) {
	s.goodwill = make(map[string]*GoodwillReason, len(doc.Reasons))
	if len(doc.Reasons) == 0 || !p.CheckUnit(at.At("unit"), doc.Unit, ledger.PointsUnit) {
		return
	}
	s.goodwillUnit = doc.Unit
	for i, d := range doc.Reasons {
		at := at.At("reasons", i)
		_, twice := s.goodwill[d.Code]
		d.check(at, twice)
		r := &GoodwillReason{Code: d.Code, Names: d.Names, Unit: doc.Unit, Limits: d.Limits, ByTier: make(map[string]decimal.Decimal)}
		r.Most, _ = p.CheckAmount(at.At("most"), r.Unit, d.Most)
		for _, tier := range slices.Sorted(maps.Keys(d.Tiers)) {
			at := at.At("tiers", tier)
			if !s.tiers.have(tier) {
				at.Wrong(fmt.Sprintf("there is no tier %q", tier), document.Suggest(tier, s.tiers.codes()))
				continue
			}
			r.ByTier[tier], _ = p.CheckAmount(at, r.Unit, d.Tiers[tier])
		}
		for j, code := range r.Limits {
			p.CheckLimit(at.At("limits", j), code)
		}
		s.goodwill[d.Code] = r
	}
}

// tierFor is the lowest tier whose members may be given an amount, empty for everybody; false when nobody may.
func (s *section) tierFor(r *GoodwillReason, amount decimal.Decimal) (string, bool) {
	if amount.LessThanOrEqual(r.Most) {
		return "", true
	}
	for _, tier := range s.tiers.codes() {
		if most, bounded := r.ByTier[tier]; bounded && amount.LessThanOrEqual(most) {
			return tier, true
		}
	}
	return "", false
}

// most is what the reason is good for at the most.
func (r *GoodwillReason) most() decimal.Decimal {
	most := r.Most
	for _, amount := range r.ByTier {
		most = decimal.Max(most, amount)
	}
	return most
}
