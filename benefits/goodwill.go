package benefits

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/shopspring/decimal"

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
	Unit    string `yaml:"unit"`
	Reasons []struct {
		namedCode `yaml:",inline"`
		Most      string            `yaml:"most"`
		Tiers     map[string]string `yaml:"tiers"`
		Limits    []string          `yaml:"limits"`
	} `yaml:"reasons"`
}

func (s *section) readGoodwill(p *ledger.Programme, doc goodwillDocument) error {
	s.goodwill = make(map[string]*GoodwillReason, len(doc.Reasons))
	for _, d := range doc.Reasons {
		_, twice := s.goodwill[d.Code]
		r := &GoodwillReason{Code: d.Code, Names: d.Names, Unit: doc.Unit, Limits: d.Limits, ByTier: make(map[string]decimal.Decimal)}
		if err := errors.Join(d.check(twice), s.bounds(p, r, d.Most, d.Tiers)); err != nil {
			return fmt.Errorf("reasons: %s: %w", d.Code, err)
		}
		s.goodwill[d.Code], s.goodwillUnit = r, doc.Unit
	}
	return nil
}

// bounds reads how much a reason is good for.
func (s *section) bounds(p *ledger.Programme, r *GoodwillReason, most string, tiers map[string]string) error {
	var err error
	if r.Most, err = amountIn(p, r.Unit, most, ledger.PointsUnit); err != nil {
		return fmt.Errorf("most: %w", err)
	}
	for _, code := range slices.Sorted(maps.Keys(tiers)) {
		if !s.tiers.have(code) {
			return fmt.Errorf("tier %q is not declared", code)
		}
		if r.ByTier[code], err = amountIn(p, r.Unit, tiers[code], ledger.PointsUnit); err != nil {
			return fmt.Errorf("tiers: %s: %w", code, err)
		}
	}
	for _, code := range r.Limits {
		if _, declared := p.Limits[code]; !declared {
			return fmt.Errorf("limit %q is not declared", code)
		}
	}
	return nil
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

// amountIn reads a positive amount of a declared unit of a kind.
func amountIn(p *ledger.Programme, unit, text string, kind ledger.UnitKind) (decimal.Decimal, error) {
	u, declared := p.Units[unit]
	if !declared || u.Kind != kind {
		return decimal.Zero, fmt.Errorf("unit %q is not declared as %s", unit, kind)
	}
	amount, err := decimal.NewFromString(text)
	if err != nil || !u.Fits(amount) {
		return decimal.Zero, fmt.Errorf("%q is not an amount of %s", text, unit)
	}
	return amount, nil
}
