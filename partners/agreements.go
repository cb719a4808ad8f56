package partners

import (
	"errors"
	"fmt"
	"slices"

	"github.com/shopspring/decimal"
	"go.yaml.in/yaml/v3"

	"tallystick/ledger"
)

// Names is what a thing is called, by language tag: "en" and "zh-Hans".
type Names map[string]string

// Languages are the ones that every name is given in.
var Languages = []string{"en", "zh-Hans"}

// Check returns an error unless the name is given in every language.
func (n Names) Check() error {
	for _, language := range Languages {
		if n[language] == "" {
			return fmt.Errorf("names: %s is missing", language)
		}
	}
	return nil
}

// Partner is a company in an agreement: which benefits it honours, where, and what it is owed for each right.
type Partner struct {
	Code    string
	Names   Names
	Outlets []string
	Honours map[string]Price // by benefit
}

// Price is what one right earns a partner. A zero amount means that nothing is owed.
type Price struct {
	Unit   string
	Amount decimal.Decimal
}

// Agreements are a programme's partners, by code. They are one immutable version.
type Agreements map[string]*Partner

type document struct {
	Partners []struct {
		Code    string   `yaml:"code"`
		Names   Names    `yaml:"names"`
		Outlets []string `yaml:"outlets"`
		Honours []struct {
			Benefit string `yaml:"benefit"`
			Unit    string `yaml:"unit"`
			Price   string `yaml:"price"`
		} `yaml:"honours"`
	} `yaml:"partners"`
	Others map[string]yaml.Node `yaml:",inline"`
}

// Parse reads the partners section of a programme's document.
func Parse(p *ledger.Programme) (Agreements, error) {
	var doc document
	if err := ledger.DecodeDocument(p.Document, &doc); err != nil {
		return nil, fmt.Errorf("partners: programme document: %w", err)
	}
	list := make(Agreements, len(doc.Partners))
	for _, d := range doc.Partners {
		partner := &Partner{Code: d.Code, Names: d.Names, Outlets: d.Outlets, Honours: make(map[string]Price)}
		if d.Code == "" || list[d.Code] != nil {
			return nil, fmt.Errorf("partners: programme document: partner %q: give each a code of its own", d.Code)
		}
		if err := d.Names.Check(); err != nil {
			return nil, fmt.Errorf("partners: programme document: partner %s: %w", d.Code, err)
		}
		for _, h := range d.Honours {
			if err := partner.agree(p, h.Benefit, h.Unit, h.Price); err != nil {
				return nil, fmt.Errorf("partners: programme document: partner %s: honours %s: %w", d.Code, h.Benefit, err)
			}
		}
		list[d.Code] = partner
	}
	return list, nil
}

func (p *Partner) agree(programme *ledger.Programme, benefit, unit, price string) error {
	if programme.Units[benefit].Kind != ledger.RightUnit {
		return errors.New("it is not a unit of kind right")
	}
	if _, twice := p.Honours[benefit]; twice {
		return errors.New("declared twice")
	}
	if price == "" {
		p.Honours[benefit] = Price{}
		return nil
	}
	amount, err := decimal.NewFromString(price)
	money := programme.Units[unit]
	switch {
	case err != nil || amount.IsNegative():
		return fmt.Errorf("price %q is not an amount of money", price)
	case money.Kind != ledger.MoneyUnit:
		return fmt.Errorf("unit %q is not declared as money", unit)
	case !amount.Equal(amount.Truncate(money.Scale)):
		return fmt.Errorf("price %s has more than %d decimal places", price, money.Scale)
	}
	p.Honours[benefit] = Price{Unit: unit, Amount: amount}
	return nil
}

// honours finds a partner's terms for a benefit. Without any, the partner does not learn whether there is such a voucher.
func (a Agreements) honours(partner, benefit string) (Price, bool) {
	if a[partner] == nil {
		return Price{}, false
	}
	price, agreed := a[partner].Honours[benefit]
	return price, agreed
}

// at reports whether the partner has the outlet. An empty one stands for the partner as a whole.
func (p *Partner) at(outlet string) bool { return outlet == "" || slices.Contains(p.Outlets, outlet) }
