package partners_test

import (
	"strings"
	"testing"

	"tallystick/ledger"
	"tallystick/partners"
)

// FuzzParse: whatever is accepted can be owed: partners honour rights, for amounts of money that its unit can carry.
func FuzzParse(f *testing.F) {
	f.Add([]byte(document))
	for _, change := range [][2]string{
		{`"80.00"`, "1e3"},
		{`"80.00"`, `"1e999999999"`},
		{`"80.00"`, `"80.001"`},
		{`"80.00"`, "-0"},
		{`"80.00"`, ".inf"},
		{"code: leaf", "code: harbour"},
		{"{benefit: tea}", "{benefit: points}"},
		{"{benefit: tea}", "{benefit: tea, price: 1}"},
		{"[t1, t3]", "t1"},
		{"[t1, t3]", "[t1, [t3]]"},
		{"partners:", "partners: &a\n  - *a\nrest:"},
		{"honours:", "honors:"},
		{"zh-Hans: 叶", "zh: 叶"},
	} {
		f.Add([]byte(strings.Replace(document, change[0], change[1], 1)))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		p, err := ledger.ParseProgramme(document, 1)
		if err != nil {
			return
		}
		agreements, err := partners.Parse(p)
		if err != nil {
			return
		}
		for code, partner := range agreements {
			if code == "" || partner.Code != code || len(partner.Names.Missing()) > 0 {
				t.Errorf("partner %q: %+v", code, partner)
			}
			for benefit, price := range partner.Honours {
				money := p.Units[price.Unit]
				if p.Units[benefit].Kind != ledger.RightUnit || price.Amount.IsNegative() ||
					price.Unit != "" && (money.Kind != ledger.MoneyUnit || !price.Amount.Equal(price.Amount.Truncate(money.Scale))) {
					t.Errorf("%s honours %s for %+v", code, benefit, price)
				}
			}
		}
	})
}
