package benefits

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/shopspring/decimal"

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

// BenefitState is whether a benefit is offered.
type BenefitState string

// The states of a benefit. Drafts and what is retired are not in the catalog, and nobody can claim them.
const (
	BenefitActive  BenefitState = "active"
	BenefitDraft   BenefitState = "draft"
	BenefitRetired BenefitState = "retired"
)

// Values are the states that a document may name.
func (BenefitState) Values() []string {
	return []string{string(BenefitActive), string(BenefitDraft), string(BenefitRetired)}
}

// Benefit is one row of the catalog. Its code is the unit of its rights.
type Benefit struct {
	Code  string
	Kind  Kind
	State BenefitState
	Names partners.Names
	Terms partners.Names // what is promised, in every language or in none
	// Prices are the ways to pay, in the order in which they are tried for who does not choose; of one way that of the
	// highest tier comes first. A static service has none.
	Prices []Price
	Mix    Mix
	Conditions
	// Stock is what was ever published, by the name of the publication; none is no limit. Kept is what was published for
	// the members of a tier and of those above it only, by tier.
	Stock map[string]decimal.Decimal
	Kept  map[string]map[string]decimal.Decimal
	// KeptFor is what was published for the members of a segment only, by segment.
	KeptFor map[string]map[string]decimal.Decimal
	// Limits are used by every claim: those of times or rights by the right, the others by the price in their unit.
	Limits []string
	// Choose are the benefits of which a claim gives one, that the member chooses, instead of a right to this one.
	Choose []string
	// Bundle are the benefits of each of which a claim gives a right, all or none, instead of a right to this one.
	Bundle []string
	// Entry is where a benefit of kind lounge lets members in; nil for what a voucher alone is good for.
	Entry *Entry
	// Parameters are what a service says of itself, such as a queue's class; TierParameters what it is for the members of a
	// tier and of those above it, by tier.
	Parameters     map[string]string
	TierParameters map[string]map[string]string
	// Delivery is nil for what is not delivered.
	Delivery *DeliveryTerms
	// Event is nil for what is no event, and for one that has vouchers as an offer has.
	Event *EventTerms
}

// Conditions are what a member must be, and when and through what a benefit is to be had, apart from its price.
type Conditions struct {
	Tier     string // the lowest that may have it; empty for everybody
	Kinds    []MemberKind
	Segments []string // one of them
	Regions  []string // the member, or the place that the member asks from, lies in one of them
	Channels []string
	// From and Until bound the offer: From <= now < Until. Zero is no bound. Priority lets tiers have it before From.
	From, Until time.Time
	Priority    []Priority
	Hours       Hours

	condition *expression
}

// Priority lets the members of a tier, and of those above it, claim from so many days before the others.
type Priority struct {
	Tier string
	Days int
}

// Price is one way to pay for a benefit.
type Price struct {
	With   PayWith
	Unit   string
	Amount decimal.Decimal
	// Cash is what is paid in money besides; its unit is empty without.
	Cash Cash
	// Tier is the lowest whose members pay this; empty for everybody.
	Tier string
}

// Cash is an amount of a unit of money.
type Cash struct {
	Unit   string
	Amount decimal.Decimal
}

// Mix lets a member pay some of the price in points with money: at least Least points, in steps of Step. The zero value
// allows no mix.
type Mix struct {
	Cash        Cash // for one point
	Least, Step decimal.Decimal
}

// PayWith is what a member pays with.
type PayWith string

// The ways to pay. WithAny leaves it to the benefit's order.
const (
	WithAny           PayWith = ""
	WithPoints        PayWith = "points"
	WithAllotment     PayWith = "allotment"
	WithCash          PayWith = "cash"
	WithPointsAndCash PayWith = "points_and_cash"
)

// Values are the ways that a document may name.
func (PayWith) Values() []string {
	return []string{string(WithAllotment), string(WithPoints), string(WithPointsAndCash), string(WithCash)}
}

// defaultOrder is how a benefit is paid for by who does not choose: what is free for the member comes first.
var defaultOrder = []PayWith{WithAllotment, WithPoints, WithPointsAndCash, WithCash}

// takes reports whether a benefit can be paid for in a way.
func (b *Benefit) takes(with PayWith) bool {
	return slices.ContainsFunc(b.Prices, func(p Price) bool { return p.With == with }) ||
		with == WithPointsAndCash && b.Mix.Cash.Unit != ""
}

// sortPrices puts prices in the order in which they are tried.
func (s *section) sortPrices(b *Benefit, order []PayWith) {
	slices.SortStableFunc(b.Prices, func(x, y Price) int {
		return cmp.Or(cmp.Compare(slices.Index(order, x.With), slices.Index(order, y.With)), s.tiers.rank(y.Tier)-s.tiers.rank(x.Tier))
	})
}

// mixed is the price in which so much money takes the place of points; false when the benefit's mix does not come to it.
func (b *Benefit) mixed(full Price, cash Cash) (Price, bool) {
	if b.Mix.Cash.Unit == "" || b.Mix.Cash.Unit != cash.Unit || full.With != WithPoints {
		return Price{}, false
	}
	replaced := cash.Amount.DivRound(b.Mix.Cash.Amount, 9)
	points := full.Amount.Sub(replaced)
	exact := replaced.Mul(b.Mix.Cash.Amount).Equal(cash.Amount)
	if !exact || points.LessThan(b.Mix.Least) || !points.IsPositive() || !points.Mod(b.Mix.Step).IsZero() {
		return Price{}, false
	}
	return Price{With: WithPointsAndCash, Unit: full.Unit, Amount: points, Cash: cash, Tier: full.Tier}, true
}

// source is a stock, or the issuance, that rights come from, and the tier that it is kept for.
type source struct {
	account ledger.Account
	tier    string
	segment string // that it is kept for
}

// sources lists where a right to the benefit may come from, what is kept for the highest tier first.
func (s *section) sources(b *Benefit) []source {
	var list []source
	for tier := range b.Kept {
		list = append(list, source{account: ledger.StockOf(b.Code, tier), tier: tier})
	}
	slices.SortFunc(list, func(x, y source) int { return s.tiers.rank(y.tier) - s.tiers.rank(x.tier) })
	for _, segment := range slices.Sorted(maps.Keys(b.KeptFor)) {
		list = append(list, source{account: segmentStock(b.Code, segment), segment: segment})
	}
	switch {
	case len(b.Stock) > 0:
		list = append(list, source{account: ledger.StockOf(b.Code, "")})
	case len(b.Kept)+len(b.KeptFor) == 0:
		list = append(list, source{account: ledger.Account{Unit: b.Code, Owner: ledger.ProgrammeOwner, Place: ledger.Issuance}})
	}
	return list
}

// sourcesFor lists the sources that a member of some segments may have a right from.
func (s *section) sourcesFor(b *Benefit, segments []string) []source {
	return slices.DeleteFunc(s.sources(b), func(from source) bool {
		return from.segment != "" && !slices.Contains(segments, from.segment)
	})
}

// segmentStock is the stock of what is kept for a segment.
func segmentStock(unit, segment string) ledger.Account {
	return ledger.StockOf(unit, ofSegment+segment)
}

// ofSegment begins the name of a segment's stock; no tier's does.
const ofSegment = "segment:"

// limited reports whether there is a stock.
func (b *Benefit) limited() bool { return len(b.Stock)+len(b.Kept)+len(b.KeptFor) > 0 }
