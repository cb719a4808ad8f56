package benefits

import (
	"strings"
	"testing"

	"tallystick/ledger"
)

// FuzzParse: whatever is accepted can be redeemed: tiers rise, prices and stocks are amounts of units that are declared.
func FuzzParse(f *testing.F) {
	const whole = `
programme: test
zone: Asia/Shanghai
units:
  - {code: points, kind: points}
  - {code: visits, kind: allotment}
  - {code: tea, kind: right}
tiers:
  - code: club
    names: {en: Club, zh-Hans: 俱乐部}
    period: {kind: ever}
    validity: {until: end_of_period}
    points: points
    ladder:
      - {code: silver, from: {points: 200}, names: {en: Silver, zh-Hans: 银卡}}
      - {code: gold, from: {points: "500"}, names: {en: Gold, zh-Hans: 金卡}}
allotments:
  - {unit: visits, per: year, totals: {gold: 2}}
benefits:
  - {code: tea, kind: offer, names: {en: Tea, zh-Hans: 茶}, tier: gold, prices: {points: 300, visits: 1}, stock: {opening: 10}}
`
	f.Add([]byte(whole))
	for _, change := range [][2]string{
		{"points: 200", "points: 1e3"},
		{"points: 200", "points: 0x10"},
		{"points: 200", "points: -1"},
		{"points: 200", "points: 500"},
		{"code: silver", "code: gold"},
		{"gold: 2", "gold: 0.5"},
		{"gold: 2", "lead: 2"},
		{"unit: visits", "unit: points"},
		{"per: year", "per: decade"},
		{"tier: gold", "tier: lead"},
		{"prices: {points: 300, visits: 1}", "prices: []"},
		{"opening: 10", "opening: 1e999999999"},
		{"opening: 10", "? [a]\n: 1"},
		{"points: points", "points: tea"},
		{"kind: offer", "kind: [offer]"},
		{"en: Tea", "en: ''"},
		{"benefits:", "benefits: &a\n  - *a\nrest:"},
		{"ladder:", "lader:"},
	} {
		f.Add([]byte(strings.Replace(whole, change[0], change[1], 1)))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		p, err := ledger.ParseProgramme(document, 1)
		if err != nil {
			return
		}
		s, err := parse(p)
		if err != nil {
			return
		}
		for _, g := range s.tiers {
			for i, tier := range g.Tiers {
				if group, rank := s.tiers.of(tier.Code); group != g || rank != i+1 {
					t.Errorf("tier %+v", tier)
				}
				if n := g.Earned(ByPoints, tier.From); len(tier.From) > 0 && n != i+1 {
					t.Errorf("%v reaches rank %d, want %d", tier.From, n, i+1)
				}
			}
		}
		for _, a := range s.allotments {
			for tier, total := range a.Totals {
				if p.Units[a.Unit].Kind != ledger.AllotmentUnit || !total.IsPositive() || !s.tiers.have(tier) {
					t.Errorf("allotment %+v", a)
				}
			}
		}
		for code, b := range s.benefits {
			if b.Code != code || p.Units[code].Kind != ledger.RightUnit || len(b.Prices) == 0 || len(b.Names.Missing()) > 0 ||
				b.Tier != "" && !s.tiers.have(b.Tier) {
				t.Errorf("benefit %+v", b)
			}
			for _, price := range b.Prices {
				if !b.takes(price.With) || !price.Amount.IsPositive() || price.Cash.Unit != "" && !price.Cash.Amount.IsPositive() {
					t.Errorf("price %+v", price)
				}
			}
			for name, amount := range b.Stock {
				if !amount.IsPositive() || !amount.Equal(amount.Truncate(p.Units[code].Scale)) {
					t.Errorf("stock %s of %s", name, amount)
				}
			}
		}
	})
}
