package benefits

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
	"go.yaml.in/yaml/v3"

	"tallystick/internal/document"
	"tallystick/ledger"
	"tallystick/partners"
)

// Kind is what a benefit is.
type Kind string

// The kinds of benefit.
const (
	Lounge  Kind = "lounge"
	Event   Kind = "event"
	Offer   Kind = "offer"
	Gift    Kind = "gift"
	Service Kind = "service"
)

// Values are the kinds that a document may name.
func (Kind) Values() []string {
	return []string{string(Lounge), string(Event), string(Offer), string(Gift), string(Service)}
}

// Benefit is one row of the catalog. Its code is the unit of its rights.
type Benefit struct {
	Code   string
	Kind   Kind
	Names  partners.Names
	Prices []Price
	// Tier is the lowest tier that may have it; empty for everybody.
	Tier string
	// Stock is what was ever published, by the name of the publication. None means that there is no limit.
	Stock map[string]decimal.Decimal
}

// Price is one way to pay for a benefit.
type Price struct {
	With   PayWith
	Unit   string
	Amount decimal.Decimal
}

// PayWith is what a member pays with.
type PayWith string

// The ways to pay.
const (
	WithPoints    PayWith = "points"
	WithAllotment PayWith = "allotment"
)

// price finds the benefit's price for a way to pay.
func (b *Benefit) price(with PayWith) (Price, bool) {
	i := slices.IndexFunc(b.Prices, func(p Price) bool { return p.With == with })
	if i < 0 {
		return Price{}, false
	}
	return b.Prices[i], true
}

// section is what this package reads of one version of a programme's document.
type section struct {
	tiers    Ladder
	benefits map[string]*Benefit
	members  *MemberTerms
	earning  *Earning
	goodwill map[string]*GoodwillReason
	// goodwillUnit is what budgets are of; empty without any reason to grant.
	goodwillUnit string
}

type benefitsDocument struct {
	Tiers    tiersDocument        `yaml:"tiers" doc:"The status levels of members."`
	Benefits []benefitDocument    `yaml:"benefits" doc:"What members can have."`
	Members  membersDocument      `yaml:"members" doc:"What members may be."`
	Earning  earningDocument      `yaml:"earning" doc:"What members do to earn, and the rules by which they do."`
	Goodwill goodwillDocument     `yaml:"goodwill" doc:"What staff may give away out of their budgets."`
	Others   map[string]yaml.Node `yaml:",inline"`
}

type tiersDocument struct {
	Unit   string         `yaml:"unit" doc:"The unit whose accruals reach the tiers."`
	Ladder []tierDocument `yaml:"ladder" doc:"The tiers, lowest first."`
}

type tierDocument struct {
	Code       string                     `yaml:"code" is:"required" doc:"Unique among the tiers."`
	Names      partners.Names             `yaml:"names" is:"required" doc:"What it is called, by language."`
	From       document.Amount            `yaml:"from" is:"required" doc:"How much accrued reaches it."`
	Allotments map[string]document.Amount `yaml:"allotments" doc:"Uses that it grants for a calendar year, by unit, on top of the tiers below."`
}

type benefitDocument struct {
	Code   string                     `yaml:"code" is:"required" doc:"The unit of its rights, of kind right."`
	Kind   Kind                       `yaml:"kind" is:"required" doc:"What the benefit is."`
	Names  partners.Names             `yaml:"names" is:"required" doc:"What it is called, by language."`
	Prices map[string]document.Amount `yaml:"prices" is:"required" doc:"What it costs, by unit: points, or uses of an allotment."`
	Tier   string                     `yaml:"tier" doc:"The lowest tier that may have it; none: everybody."`
	Stock  map[string]document.Amount `yaml:"stock" doc:"Rights ever published, by the name of the publication; none: no limit."`
}

// parse reads the tiers and benefits sections of a programme's document. The error is a *document.InvalidError.
func parse(p *ledger.Programme) (*section, error) {
	doc := document.Read(p.Document)
	s := read(doc, p)
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// read is parse for a document that others read as well: it reports mistakes to the document. Without a programme, which
// could not be read then, it checks the shape alone.
func read(doc *document.Document, p *ledger.Programme) *section {
	var d benefitsDocument
	shaped := doc.Decode(&d)
	agreements := partners.Read(doc, p)
	if !shaped || p == nil || agreements == nil {
		return nil
	}
	s := &section{tiers: Ladder{Unit: d.Tiers.Unit}, benefits: make(map[string]*Benefit)}
	var err error
	if s.members, err = d.Members.parse(); err != nil {
		doc.At("members").Failed(err)
		return s
	}
	if len(d.Tiers.Ladder) > 0 && !p.CheckUnit(doc.At("tiers", "unit"), d.Tiers.Unit, ledger.PointsUnit, ledger.QualifyingUnit) {
		return s
	}
	for i, tier := range d.Tiers.Ladder {
		s.addTier(doc.At("tiers", "ladder", i), p, tier)
	}
	for i, benefit := range d.Benefits {
		s.addBenefit(doc.At("benefits", i), p, benefit)
	}
	s.readEarning(doc.At("earning"), p, agreements, d.Earning)
	doc.At("goodwill").Failed(s.readGoodwill(p, d.Goodwill))
	return s
}

func (s *section) readEarning(at document.Spot, p *ledger.Programme, agreements partners.Agreements, d earningDocument) {
	s.earning = &Earning{Activities: make(map[string]*ActivityKind), regions: s.members.Regions}
	e := earningSection{Earning: s.earning, programme: p, partners: agreements, members: s.members, tiers: s.tiers.codes()}
	for i, activity := range d.Activities {
		at.At("activities", i).Failed(e.addActivity(activity))
	}
	for i, rule := range d.Rules {
		at.At("rules", i).Failed(e.addRule(rule))
	}
}

// addTier adds a tier, with mistakes too, so that what refers to it is not reported as well.
func (s *section) addTier(at document.Spot, p *ledger.Programme, d tierDocument) {
	t := Tier{Code: d.Code, Names: d.Names}
	steps := s.tiers.Tiers
	if s.tiers.rank(t.Code) > 0 {
		at.At("code").Wrong("the tier is declared twice", "give each tier a code of its own")
	}
	var ok bool
	if t.From, ok = p.CheckAmount(at.At("from"), s.tiers.Unit, d.From); ok && len(steps) > 0 {
		if below := steps[len(steps)-1]; !t.From.GreaterThan(below.From) {
			at.At("from").Wrong("it is not above the tier before it, "+below.Code, "use more than "+below.From.String()+", or move the tier")
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(d.Allotments)) {
		at := at.At("allotments", unit)
		if !p.CheckUnit(at, unit, ledger.AllotmentUnit) {
			continue
		}
		amount, _ := p.CheckAmount(at, unit, d.Allotments[unit])
		t.Allotments = append(t.Allotments, Allotment{Unit: unit, Amount: amount})
	}
	d.Names.Check(at.At("names"))
	s.tiers.Tiers = append(steps, t)
}

// These are what the API takes, for what comes by file.
var (
	validKey    = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,128}$`)
	validMember = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

	validChannel   = regexp.MustCompile(`^[a-z0-9_-]{0,32}$`)
	validReference = regexp.MustCompile(`^[!-~]{0,128}$`)
	validText      = regexp.MustCompile(`^[^\p{Cc}\x{061C}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2066}-\x{2069}]{0,256}$`)
)

// validCode is what the API takes for a benefit. A publication's name ends an idempotency key, which has the same form.
var validCode = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$`)

const codeForm = "use 1 to 64 letters, digits, _ . : / and -, a letter or digit first"

// addBenefit adds a benefit, with mistakes too.
func (s *section) addBenefit(at document.Spot, p *ledger.Programme, d benefitDocument) {
	b := &Benefit{Code: d.Code, Kind: d.Kind, Names: d.Names, Tier: d.Tier, Stock: make(map[string]decimal.Decimal)}
	switch {
	case s.benefits[b.Code] != nil:
		at.At("code").Wrong("the benefit is declared twice", "give each benefit a code of its own")
	case !validCode.MatchString(b.Code):
		at.At("code").Wrong(fmt.Sprintf("%q is no code of a benefit", b.Code), codeForm)
	default:
		p.CheckUnit(at.At("code"), b.Code, ledger.RightUnit)
	}
	if b.Tier != "" && s.tiers.rank(b.Tier) == 0 {
		at.At("tier").Wrong(fmt.Sprintf("there is no tier %q", b.Tier), document.Suggest(b.Tier, s.tiers.codes()))
	}
	if len(d.Prices) == 0 {
		at.At("prices").Wrong("it has no price", "give an amount of points or of an allotment")
	}
	b.readPrices(at.At("prices"), p, d.Prices)
	for _, name := range slices.Sorted(maps.Keys(d.Stock)) {
		at := at.At("stock", name)
		if !validCode.MatchString(name) {
			at.Wrong(fmt.Sprintf("%q is no name of a publication", name), codeForm)
			continue
		}
		b.Stock[name], _ = p.CheckAmount(at, b.Code, d.Stock[name])
	}
	d.Names.Check(at.At("names"))
	s.benefits[b.Code] = b
}

func (b *Benefit) readPrices(at document.Spot, p *ledger.Programme, prices map[string]document.Amount) {
	for _, unit := range slices.Sorted(maps.Keys(prices)) {
		at := at.At(unit)
		if !p.CheckUnit(at, unit, ledger.PointsUnit, ledger.AllotmentUnit) {
			continue
		}
		amount, _ := p.CheckAmount(at, unit, prices[unit])
		with := PayWith(p.Units[unit].Kind)
		if first, twice := b.price(with); twice {
			at.Wrong(fmt.Sprintf("it has two prices of kind %s", with), "keep this one or that in "+first.Unit)
		}
		b.Prices = append(b.Prices, Price{With: with, Unit: unit, Amount: amount})
	}
	slices.SortFunc(b.Prices, func(x, y Price) int { return -strings.Compare(string(x.With), string(y.With)) }) // points first
}
