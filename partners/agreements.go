package partners

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
	"go.yaml.in/yaml/v3"

	"tallystick/internal/document"
	"tallystick/ledger"
)

// Names is what a thing is called, by language tag: "en" and "zh-Hans".
type Names map[string]string

// Languages are the ones that every name is given in.
var Languages = []string{"en", "zh-Hans"}

// Missing lists the languages that the name is not given in.
func (n Names) Missing() []string {
	return slices.DeleteFunc(slices.Clone(Languages), func(language string) bool { return n[language] != "" })
}

// Check reports the languages that the name is not given in; at is where it stands.
func (n Names) Check(at document.Spot) {
	for _, language := range n.Missing() {
		at.Wrong("there is no name in "+language, "give it in "+strings.Join(Languages, " and in "))
	}
}

// Complete returns an error unless the name is given in every language.
func (n Names) Complete() error {
	if missing := n.Missing(); len(missing) > 0 {
		return fmt.Errorf("names: there is no name in %s: give it in %s", missing[0], strings.Join(Languages, " and in "))
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

type partnersDocument struct {
	Partners []partnerDocument    `yaml:"partners" doc:"Companies in an agreement."`
	Others   map[string]yaml.Node `yaml:",inline"`
}

type partnerDocument struct {
	Code    string           `yaml:"code" is:"required" doc:"Unique among the partners."`
	Names   Names            `yaml:"names" is:"required" doc:"What it is called, by language."`
	Outlets []string         `yaml:"outlets" doc:"Its places, by the names that its terminals use."`
	Honours []honourDocument `yaml:"honours" doc:"The benefits whose vouchers it takes."`
}

type honourDocument struct {
	Benefit string          `yaml:"benefit" is:"required" doc:"The benefit's code, a unit of kind right."`
	Unit    string          `yaml:"unit" doc:"The unit of kind money that the price is in."`
	Price   document.Amount `yaml:"price" doc:"What one right earns the partner; none: nothing."`
}

// Parse reads the partners section of a programme's document. The error is a *document.InvalidError.
func Parse(p *ledger.Programme) (Agreements, error) {
	doc := document.Read(p.Document)
	list := Read(doc, p)
	return list, doc.Err()
}

// Read is Parse for a document that others read as well: it reports mistakes to the document. Without a programme, which
// could not be read then, it checks the shape alone.
func Read(doc *document.Document, p *ledger.Programme) Agreements {
	var d partnersDocument
	if !doc.Decode(&d) || p == nil {
		return nil
	}
	list := make(Agreements, len(d.Partners))
	for i, d := range d.Partners {
		at := doc.At("partners", i)
		partner := &Partner{Code: d.Code, Names: d.Names, Outlets: d.Outlets, Honours: make(map[string]Price)}
		if list[d.Code] != nil {
			at.At("code").Wrong("the partner is declared twice", "give each partner a code of its own")
		}
		d.Names.Check(at.At("names"))
		for j, h := range d.Honours {
			partner.agree(at.At("honours", j), p, h)
		}
		list[d.Code] = partner
	}
	return list
}

func (p *Partner) agree(at document.Spot, programme *ledger.Programme, d honourDocument) {
	programme.CheckUnit(at.At("benefit"), d.Benefit, ledger.RightUnit)
	if _, twice := p.Honours[d.Benefit]; twice {
		at.At("benefit").Wrong("the partner honours it twice", "remove one of the two")
	}
	p.Honours[d.Benefit] = Price{}
	if d.Price == "" {
		return
	}
	if !programme.CheckUnit(at.At("unit"), d.Unit, ledger.MoneyUnit) {
		return
	}
	scale := programme.Units[d.Unit].Scale
	amount, ok := d.Price.Decimal()
	if !ok || !amount.Equal(amount.Truncate(scale)) {
		at.At("price").Wrong(fmt.Sprintf("%q is no amount of %s", d.Price, d.Unit),
			fmt.Sprintf("use a number with at most %d decimal places", scale))
	}
	p.Honours[d.Benefit] = Price{Unit: d.Unit, Amount: amount}
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

// Shape declares the section that Parse reads, for document.Schema.
func Shape() any { return partnersDocument{} }
