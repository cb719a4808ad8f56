package benefits

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
	"go.yaml.in/yaml/v3"

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

type document struct {
	Tiers struct {
		Unit   string `yaml:"unit"`
		Ladder []struct {
			Code       string            `yaml:"code"`
			Names      partners.Names    `yaml:"names"`
			From       string            `yaml:"from"`
			Allotments map[string]string `yaml:"allotments"`
		} `yaml:"ladder"`
	} `yaml:"tiers"`
	Benefits []struct {
		Code   string            `yaml:"code"`
		Kind   Kind              `yaml:"kind"`
		Names  partners.Names    `yaml:"names"`
		Prices map[string]string `yaml:"prices"`
		Tier   string            `yaml:"tier"`
		Stock  map[string]string `yaml:"stock"`
	} `yaml:"benefits"`
	Members  membersDocument      `yaml:"members"`
	Earning  earningDocument      `yaml:"earning"`
	Goodwill goodwillDocument     `yaml:"goodwill"`
	Others   map[string]yaml.Node `yaml:",inline"`
}

// parse reads the tiers and benefits sections of a programme's document.
func parse(p *ledger.Programme) (*section, error) {
	var doc document
	if err := ledger.DecodeDocument(p.Document, &doc); err != nil {
		return nil, fmt.Errorf("benefits: programme document: %w", err)
	}
	s := &section{tiers: Ladder{Unit: doc.Tiers.Unit}, benefits: make(map[string]*Benefit)}
	var err error
	if s.members, err = doc.Members.parse(); err != nil {
		return nil, fmt.Errorf("benefits: programme document: members: %w", err)
	}
	for _, d := range doc.Tiers.Ladder {
		t := Tier{Code: d.Code, Names: d.Names}
		if err := s.addTier(p, t, d.From, d.Allotments); err != nil {
			return nil, fmt.Errorf("benefits: programme document: tier %s: %w", d.Code, err)
		}
	}
	for _, d := range doc.Benefits {
		b := &Benefit{Code: d.Code, Kind: d.Kind, Names: d.Names, Tier: d.Tier, Stock: make(map[string]decimal.Decimal)}
		if err := s.addBenefit(p, b, d.Prices, d.Stock); err != nil {
			return nil, fmt.Errorf("benefits: programme document: benefit %s: %w", d.Code, err)
		}
	}
	if err := s.readEarning(p, doc.Earning); err != nil {
		return nil, err
	}
	if err := s.readGoodwill(p, doc.Goodwill); err != nil {
		return nil, fmt.Errorf("benefits: programme document: goodwill: %w", err)
	}
	return s, nil
}

func (s *section) readEarning(p *ledger.Programme, doc earningDocument) error {
	s.earning = &Earning{Activities: make(map[string]*ActivityKind), regions: s.members.Regions}
	agreements, err := partners.Parse(p)
	if err != nil {
		return err
	}
	e := earningSection{Earning: s.earning, programme: p, partners: agreements, members: s.members}
	for _, t := range s.tiers.Tiers {
		e.tiers = append(e.tiers, t.Code)
	}
	for _, d := range doc.Activities {
		if err := e.addActivity(d); err != nil {
			return fmt.Errorf("benefits: programme document: earning: activity %s: %w", d.Code, err)
		}
	}
	for _, d := range doc.Rules {
		if err := e.addRule(d); err != nil {
			return fmt.Errorf("benefits: programme document: earning: rule %s: %w", d.Code, err)
		}
	}
	return nil
}

func (s *section) addTier(p *ledger.Programme, t Tier, from string, allotments map[string]string) error {
	var err error
	if t.From, err = amountIn(p, s.tiers.Unit, from, ledger.PointsUnit, ledger.QualifyingUnit); err != nil {
		return fmt.Errorf("from: %w", err)
	}
	steps := s.tiers.Tiers
	switch {
	case t.Code == "" || s.tiers.rank(t.Code) > 0:
		return errors.New("give each tier a code of its own")
	case len(steps) > 0 && !t.From.GreaterThan(steps[len(steps)-1].From):
		return errors.New("each tier begins above the one before it")
	}
	for _, unit := range slices.Sorted(maps.Keys(allotments)) {
		amount, err := amountIn(p, unit, allotments[unit], ledger.AllotmentUnit)
		if err != nil {
			return fmt.Errorf("allotment %s: %w", unit, err)
		}
		t.Allotments = append(t.Allotments, Allotment{Unit: unit, Amount: amount})
	}
	s.tiers.Tiers = append(steps, t)
	return t.Names.Check()
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

func (s *section) addBenefit(p *ledger.Programme, b *Benefit, prices, stock map[string]string) error {
	switch {
	case s.benefits[b.Code] != nil:
		return errors.New("declared twice")
	case !validCode.MatchString(b.Code):
		return errors.New("its code is not 1 to 64 letters, digits, _ . : / and -")
	case p.Units[b.Code].Kind != ledger.RightUnit:
		return errors.New("its code is not a unit of kind right")
	case !slices.Contains([]Kind{Lounge, Event, Offer, Gift, Service}, b.Kind):
		return fmt.Errorf("unknown kind %q: use lounge, event, offer, gift or service", b.Kind)
	case b.Tier != "" && s.tiers.rank(b.Tier) == 0:
		return fmt.Errorf("tier %q is not declared", b.Tier)
	case len(prices) == 0:
		return errors.New("it has no price")
	}
	for _, unit := range slices.Sorted(maps.Keys(prices)) {
		amount, err := amountIn(p, unit, prices[unit], ledger.PointsUnit, ledger.AllotmentUnit)
		if err != nil {
			return fmt.Errorf("price in %s: %w", unit, err)
		}
		with := PayWith(p.Units[unit].Kind)
		if _, twice := b.price(with); twice {
			return fmt.Errorf("it has two prices of kind %s", with)
		}
		b.Prices = append(b.Prices, Price{With: with, Unit: unit, Amount: amount})
	}
	slices.SortFunc(b.Prices, func(x, y Price) int { return -strings.Compare(string(x.With), string(y.With)) }) // points first
	for name, text := range stock {
		if !validCode.MatchString(name) {
			return fmt.Errorf("stock %q: its name is not 1 to 64 letters, digits, _ . : / and -", name)
		}
		amount, err := amountIn(p, b.Code, text, ledger.RightUnit)
		if err != nil {
			return fmt.Errorf("stock %s: %w", name, err)
		}
		b.Stock[name] = amount
	}
	s.benefits[b.Code] = b
	return b.Names.Check()
}

// amountIn reads a positive amount of a declared unit of one of the given kinds.
func amountIn(p *ledger.Programme, unit, text string, kinds ...ledger.UnitKind) (decimal.Decimal, error) {
	u, declared := p.Units[unit]
	if !declared || !slices.Contains(kinds, u.Kind) {
		return decimal.Zero, fmt.Errorf("unit %q is not declared as %v", unit, kinds)
	}
	amount, err := decimal.NewFromString(text)
	if err != nil || !u.Fits(amount) {
		return decimal.Zero, fmt.Errorf("%q is not an amount of %s", text, unit)
	}
	return amount, nil
}
