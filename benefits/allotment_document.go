package benefits

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/shopspring/decimal"

	"tallystick/internal/document"
	"tallystick/ledger"
)

type allotmentDocument struct {
	Unit      string                     `yaml:"unit" is:"required" doc:"The unit of its uses, of kind allotment."`
	Per       AllotmentPeriod            `yaml:"per" is:"required" doc:"How often it is granted."`
	Totals    map[string]document.Amount `yaml:"totals" is:"required" doc:"How many uses members of a tier have in a period, by tier."`
	Upgrade   UpgradeRule                `yaml:"upgrade" doc:"What a higher tier in the middle of a period gives; none: top_up."`
	Downgrade DowngradeRule              `yaml:"downgrade" doc:"What a lower tier in the middle of a period takes; none: keep."`
	Carry     document.Amount            `yaml:"carry" doc:"How much of what is left over is carried into the next period at the most; none: nothing."`
}

// addAllotment adds an allotment, with mistakes too.
func (s *section) addAllotment(at document.Spot, p *ledger.Programme, d *allotmentDocument) {
	a := &Allotment{
		Unit: d.Unit, Per: d.Per, Totals: make(map[string]decimal.Decimal),
		Upgrade: cmp.Or(d.Upgrade, TopUp), Downgrade: cmp.Or(d.Downgrade, Keep),
	}
	if !p.CheckUnit(at.At("unit"), d.Unit, ledger.AllotmentUnit) {
		return
	}
	if s.allotment(d.Unit) != nil {
		at.At("unit").Wrong(fmt.Sprintf("%s is allotted twice", d.Unit), "give each allotment a unit of its own")
	}
	for _, tier := range slices.Sorted(maps.Keys(d.Totals)) {
		at := at.At("totals", tier)
		if s.tiers.rank(tier) == 0 {
			at.Wrong(fmt.Sprintf("there is no tier %q", tier), document.Suggest(tier, s.tiers.codes()))
			continue
		}
		a.Totals[tier], _ = p.CheckAmount(at, d.Unit, d.Totals[tier])
	}
	if d.Carry != "" {
		a.Carry, _ = p.CheckAmount(at.At("carry"), d.Unit, d.Carry)
	}
	s.allotments = append(s.allotments, a)
}
