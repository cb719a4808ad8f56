package benefits

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/shopspring/decimal"

	"tallystick/internal/document"
	"tallystick/ledger"
	"tallystick/partners"
)

type benefitDocument struct {
	Code  string         `yaml:"code" is:"required" doc:"The unit of its rights, of kind right."`
	Kind  Kind           `yaml:"kind" is:"required" doc:"What the benefit is."`
	State BenefitState   `yaml:"state" doc:"Whether it is offered; none: active."`
	Names partners.Names `yaml:"names" is:"required" doc:"What it is called, by language."`
	Terms partners.Names `yaml:"terms" doc:"What is promised, by language."`

	Prices        map[string]document.Amount            `yaml:"prices" doc:"What it costs, by unit: points, uses of an allotment, or money. A service without is static."`
	TierPrices    map[string]map[string]document.Amount `yaml:"tier_prices" doc:"What it costs the members of a tier and above, by tier and unit."`
	PointsAndCash []map[string]document.Amount          `yaml:"points_and_cash" doc:"Prices of some points and some money each."`
	Mix           *mixDocument                          `yaml:"mix" doc:"How money may take the place of some of the points."`
	Order         []PayWith                             `yaml:"order" doc:"What pays first for who does not choose; none: allotment, points, points_and_cash, cash."`

	Tier     string            `yaml:"tier" doc:"The lowest tier that may have it; none: everybody."`
	Kinds    []MemberKind      `yaml:"kinds" doc:"The kinds of member that may have it; none: all."`
	Segments []string          `yaml:"segments" doc:"The member is in one of them; none: everybody."`
	Regions  []string          `yaml:"regions" doc:"The member, or the place that the member asks from, lies in one of them; none: everywhere."`
	Channels []string          `yaml:"channels" doc:"Through what it may be claimed; none: all."`
	From     string            `yaml:"from" doc:"The local day or time from which it is offered."`
	Until    string            `yaml:"until" doc:"The local day or time at which the offer ends."`
	Priority map[string]int    `yaml:"priority" doc:"How many days before the others the members of a tier and above may have it."`
	Open     []openingDocument `yaml:"open" doc:"The days and hours at which it may be claimed; none: always."`
	When     string            `yaml:"when" doc:"A CEL condition over member and at."`

	Stock          map[string]document.Amount            `yaml:"stock" doc:"Rights ever published, by the name of the publication; none: no limit."`
	Kept           map[string]map[string]document.Amount `yaml:"kept" doc:"Rights published for the members of a tier and above only, by tier and the name of the publication."`
	KeptFor        map[string]map[string]document.Amount `yaml:"kept_for" doc:"Rights published for the members of a segment only, by segment and the name of the publication."`
	Limits         []string                              `yaml:"limits" doc:"The limits that every claim uses."`
	Choose         []string                              `yaml:"choose" doc:"The benefits of which a claim gives one."`
	Bundle         []string                              `yaml:"bundle" doc:"The benefits of each of which a claim gives a right, all or none."`
	Entry          *entryDocument                        `yaml:"entry" doc:"Where a benefit of kind lounge lets members in."`
	Delivery       *deliveryDocument                     `yaml:"delivery" doc:"Who delivers what it gives."`
	Parameters     map[string]string                     `yaml:"parameters" doc:"What a service says of itself."`
	TierParameters map[string]map[string]string          `yaml:"tier_parameters" doc:"What a service says of itself to the members of a tier and above, by tier."`

	Event *eventDocument `yaml:"event" doc:"What an event with seats says besides."`
}

type mixDocument struct {
	Unit     string          `yaml:"unit" is:"required" doc:"The unit of the money."`
	PerPoint document.Amount `yaml:"per_point" is:"required" doc:"How much of it takes the place of one point."`
	Least    document.Amount `yaml:"least" is:"required" doc:"The fewest points that are to be paid."`
	Step     document.Amount `yaml:"step" is:"required" doc:"What the points paid are a multiple of."`
}

// validCode is what the API takes for a benefit. A publication's name ends an idempotency key, which has the same form.
var validCode = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$`)

const codeForm = "use 1 to 64 letters, digits, _ . : / and -, a letter or digit first"

// benefitReader reads one benefit of a document whose sections on members and tiers are read.
type benefitReader struct {
	*section
	programme *ledger.Programme
	spot      document.Spot
}

// add adds a benefit, with mistakes too, so that what refers to it is not reported as well.
func (s benefitReader) add(d *benefitDocument) {
	b := &Benefit{
		Code: d.Code, Kind: d.Kind, State: cmp.Or(d.State, BenefitActive), Names: d.Names, Terms: d.Terms, Limits: d.Limits,
		Choose: d.Choose, Bundle: d.Bundle, Parameters: d.Parameters, TierParameters: d.TierParameters, Stock: make(map[string]decimal.Decimal), Kept: make(map[string]map[string]decimal.Decimal),
		KeptFor: make(map[string]map[string]decimal.Decimal),
	}
	code := s.spot.At("code")
	switch {
	case s.benefits[b.Code] != nil:
		code.Wrong("the benefit is declared twice", "give each benefit a code of its own")
	case !validCode.MatchString(b.Code):
		code.Wrong(fmt.Sprintf("%q is no code of a benefit", b.Code), codeForm)
	default:
		s.programme.CheckUnit(code, b.Code, ledger.RightUnit)
	}
	s.readPrices(b, d)
	s.readMix(b, d)
	s.readWho(b, d)
	s.spot.Failed(s.readWhen(b, d))
	s.readStock(b, d)
	s.readEntry(b, d.Entry)
	s.readEvent(b, d.Event)
	s.readDelivery(b, d.Delivery)
	s.spot.Failed(s.checkChoice(b))
	s.checkBundle(b)
	s.spot.Failed(s.checkLimits(b))
	d.Names.Check(s.spot.At("names"))
	if len(d.Terms) > 0 {
		d.Terms.Check(s.spot.At("terms"))
	}
	s.benefits[b.Code] = b
}

// knows reports whether there is a tier, and a mistake at the spot when there is none.
func (s benefitReader) knows(at document.Spot, tier string) bool {
	if s.tiers.rank(tier) > 0 {
		return true
	}
	at.Wrong(fmt.Sprintf("there is no tier %q", tier), document.Suggest(tier, s.tiers.codes()))
	return false
}

// readPrices reads every way to pay, and the order in which they are tried.
func (s benefitReader) readPrices(b *Benefit, d *benefitDocument) {
	s.pricesFor(b, s.spot.At("prices"), "", d.Prices)
	for _, tier := range slices.Sorted(maps.Keys(d.TierPrices)) {
		if at := s.spot.At("tier_prices", tier); s.knows(at, tier) {
			s.pricesFor(b, at, tier, d.TierPrices[tier])
		}
	}
	for i, parts := range d.PointsAndCash {
		s.pair(b, s.spot.At("points_and_cash", i), parts)
	}
	if len(b.Prices) == 0 && d.Event != nil { // free
		b.Prices = []Price{{}}
		return
	}
	if len(d.Prices)+len(d.TierPrices)+len(d.PointsAndCash) == 0 && b.Kind != Service {
		s.spot.At("prices").Wrong("it has no price", "give an amount of points or of an allotment")
	}
	order := d.Order
	if len(order) == 0 {
		order = defaultOrder
	}
	for i, with := range order {
		if slices.Contains(order[:i], with) {
			s.spot.At("order", i).Wrong(fmt.Sprintf("%s is there twice", with), "name each way once")
		}
	}
	for _, p := range b.Prices {
		if !slices.Contains(order, p.With) {
			s.spot.At("order").Wrong(fmt.Sprintf("it has a price in %s, which is missing", p.With), "add it")
		}
	}
	s.sortPrices(b, order)
}

func (s benefitReader) pricesFor(b *Benefit, at document.Spot, tier string, prices map[string]document.Amount) {
	ways := map[ledger.UnitKind]PayWith{ledger.PointsUnit: WithPoints, ledger.AllotmentUnit: WithAllotment, ledger.MoneyUnit: WithCash}
	for _, unit := range slices.Sorted(maps.Keys(prices)) {
		at := at.At(unit)
		if !s.programme.CheckUnit(at, unit, ledger.PointsUnit, ledger.AllotmentUnit, ledger.MoneyUnit) {
			continue
		}
		price := Price{With: ways[s.programme.Units[unit].Kind], Unit: unit, Tier: tier}
		price.Amount, _ = s.programme.CheckAmount(at, unit, prices[unit])
		if price.With == WithCash {
			price.Cash = Cash{unit, price.Amount}
		}
		first := slices.IndexFunc(b.Prices, func(p Price) bool { return p.With == price.With && p.Tier == tier })
		if first >= 0 {
			at.Wrong(fmt.Sprintf("it has two prices of kind %s", price.With), "keep this one or that in "+b.Prices[first].Unit)
		}
		b.Prices = append(b.Prices, price)
	}
}

// pair reads a price that is some points and some money.
func (s benefitReader) pair(b *Benefit, at document.Spot, parts map[string]document.Amount) {
	price := Price{With: WithPointsAndCash}
	for unit, text := range parts {
		at := at.At(unit)
		if !s.programme.CheckUnit(at, unit, ledger.PointsUnit, ledger.MoneyUnit) {
			return
		}
		amount, _ := s.programme.CheckAmount(at, unit, text)
		if s.programme.Units[unit].Kind == ledger.MoneyUnit {
			price.Cash = Cash{unit, amount}
		} else {
			price.Unit, price.Amount = unit, amount
		}
	}
	if len(parts) != 2 || price.Unit == "" || price.Cash.Unit == "" {
		at.Wrong("it is not a price of two parts", "give one amount of points and one of money")
		return
	}
	b.Prices = append(b.Prices, price)
}

func (s benefitReader) readMix(b *Benefit, d *benefitDocument) {
	if d.Mix == nil {
		return
	}
	at := s.spot.At("mix")
	full := slices.IndexFunc(b.Prices, func(p Price) bool { return p.With == WithPoints })
	if full < 0 {
		at.Wrong("it has no price in points", "add one under prices")
		return
	}
	if !s.programme.CheckUnit(at.At("unit"), d.Mix.Unit, ledger.MoneyUnit) {
		return
	}
	b.Mix.Cash = Cash{d.Mix.Unit, positive(at.At("per_point"), d.Mix.PerPoint)}
	points := b.Prices[full].Unit
	b.Mix.Least, _ = s.programme.CheckAmount(at.At("least"), points, d.Mix.Least)
	b.Mix.Step, _ = s.programme.CheckAmount(at.At("step"), points, d.Mix.Step)
}

// readWho reads what a member must be.
func (s benefitReader) readWho(b *Benefit, d *benefitDocument) {
	b.Conditions = Conditions{
		Tier: d.Tier, Kinds: d.Kinds, Segments: d.Segments, Regions: d.Regions, Channels: d.Channels,
	}
	if d.Tier != "" {
		s.knows(s.spot.At("tier"), d.Tier)
	}
	for i, kind := range d.Kinds {
		if !slices.Contains(s.members.Kinds, kind) {
			s.spot.At("kinds", i).Wrong(fmt.Sprintf("%q is no kind of member here", kind), fmt.Sprintf("use one of %v", s.members.Kinds))
		}
	}
	for i, segment := range d.Segments {
		if _, declared := s.members.Segments[segment]; !declared {
			s.spot.At("segments", i).Wrong(fmt.Sprintf("there is no segment %q", segment), "declare it under members, segments")
		}
	}
	for i, region := range d.Regions {
		if _, declared := s.members.Regions[region]; !declared {
			s.spot.At("regions", i).Wrong(fmt.Sprintf("there is no region %q", region), "declare it under members, regions")
		}
	}
	for i, channel := range d.Channels {
		if channel == "" || !validChannel.MatchString(channel) {
			s.spot.At("channels", i).Wrong(fmt.Sprintf("%q is no channel", channel), "use up to 32 lower-case letters, digits, _ and -")
		}
	}
	for _, tier := range slices.Sorted(maps.Keys(d.TierParameters)) {
		s.knows(s.spot.At("tier_parameters", tier), tier)
	}
	if d.When == "" {
		return
	}
	types := make(map[string]*cel.Type)
	memberTypes(types, s.members.Attributes)
	language, err := newLanguage(types)
	if err == nil {
		b.condition, err = language.compile(d.When, cel.BoolType)
	}
	s.spot.At("when").Failed(err)
}

// readWhen reads when it is to be had.
func (s benefitReader) readWhen(b *Benefit, d *benefitDocument) error {
	var err error
	if b.From, err = localTime(d.From, s.programme.Zone); err != nil {
		return fmt.Errorf("from: %w", err)
	}
	if b.Until, err = localTime(d.Until, s.programme.Zone); err != nil {
		return fmt.Errorf("until: %w", err)
	}
	if !b.Until.IsZero() && !b.From.Before(b.Until) {
		return errors.New("until: it is not after from")
	}
	for _, tier := range slices.Sorted(maps.Keys(d.Priority)) {
		days := d.Priority[tier]
		switch {
		case b.From.IsZero():
			return errors.New("priority: only what is offered from some time on can be had before")
		case s.tiers.rank(tier) == 0:
			return fmt.Errorf("priority: tier %q is not declared", tier)
		case days < 1 || days > 365:
			return fmt.Errorf("priority: %s: use 1 to 365 days", tier)
		}
		b.Priority = append(b.Priority, Priority{tier, days})
	}
	for i, open := range d.Open {
		hours, err := open.parse()
		if err != nil {
			return fmt.Errorf("open: %d: %w", i+1, err)
		}
		b.Hours = append(b.Hours, hours)
	}
	return nil
}

// localTime reads a day, or a day and a time of it, in a zone; nothing when there is none.
func localTime(text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a day such as 2026-03-01 or a time such as 2026-03-01 10:00", text)
}

func (s benefitReader) readStock(b *Benefit, d *benefitDocument) {
	s.published(b.Code, s.spot.At("stock"), d.Stock, b.Stock)
	for _, tier := range slices.Sorted(maps.Keys(d.Kept)) {
		at := s.spot.At("kept", tier)
		if !s.knows(at, tier) {
			continue
		}
		b.Kept[tier] = make(map[string]decimal.Decimal)
		s.published(b.Code, at, d.Kept[tier], b.Kept[tier])
	}
	for _, segment := range slices.Sorted(maps.Keys(d.KeptFor)) {
		at := s.spot.At("kept_for", segment)
		if _, declared := s.members.Segments[segment]; !declared {
			at.Wrong(fmt.Sprintf("there is no segment %q", segment), "declare it under members, segments")
			continue
		}
		b.KeptFor[segment] = make(map[string]decimal.Decimal)
		s.published(b.Code, at, d.KeptFor[segment], b.KeptFor[segment])
	}
}

func (s benefitReader) published(unit string, at document.Spot, list map[string]document.Amount, into map[string]decimal.Decimal) {
	for _, name := range slices.Sorted(maps.Keys(list)) {
		at := at.At(name)
		if !validCode.MatchString(name) {
			at.Wrong(fmt.Sprintf("%q is no name of a publication", name), codeForm)
			continue
		}
		into[name], _ = s.programme.CheckAmount(at, unit, list[name])
	}
}

type deliveryDocument struct {
	By     string `yaml:"by" is:"required" doc:"The partner who delivers it, and honours it."`
	Refund bool   `yaml:"refund" doc:"Whether the price of what comes back, or is lost, is refunded; otherwise it is delivered again."`
}

// readDelivery makes sure that somebody delivers, and that the right is still there when it is shipped.
func (s benefitReader) readDelivery(b *Benefit, d *deliveryDocument) {
	if d == nil {
		return
	}
	at := s.spot.At("delivery")
	b.Delivery = &DeliveryTerms{By: d.By, Refund: d.Refund}
	if b.Event != nil || b.Entry != nil || len(b.Choose)+len(b.Bundle) > 0 {
		at.Wrong("a seat, a visit, a choice or a bundle is not delivered", "remove it, or give what it gives a delivery")
	}
	if partner := s.agreements[d.By]; partner == nil {
		at.At("by").Wrong(fmt.Sprintf("there is no partner %q", d.By), document.Suggest(d.By, slices.Sorted(maps.Keys(s.agreements))))
	} else if _, honours := partner.Honours[b.Code]; !honours {
		at.At("by").Wrong(fmt.Sprintf("%s does not honour it", d.By), "list it under honours of the partner")
	}
	if unit, known := s.programme.Units[b.Code]; known && unit.Expiry != "" {
		at.Wrong(fmt.Sprintf("its rights expire by %s, also while it is on its way", unit.Expiry), "give the unit no expiry")
	}
}

// checkChoice makes sure that what can be chosen is there, and has rights of its own.
func (s benefitReader) checkChoice(b *Benefit) error {
	for i, code := range b.Choose {
		chosen := s.benefits[code]
		switch {
		case chosen == nil || len(chosen.Choose) > 0:
			return fmt.Errorf("choose: %q is no benefit above this one with a right of its own", code)
		case slices.Contains(b.Choose[:i], code):
			return fmt.Errorf("choose: %q: named twice", code)
		case b.limited():
			return errors.New("choose: a stock is that of what is chosen")
		}
	}
	return nil
}

// mostBundled is how many rights a claim gives at the most.
const mostBundled = 8

// checkBundle makes sure that what is bundled is there, has rights of its own, and comes back with the bundle only.
func (s benefitReader) checkBundle(b *Benefit) {
	at := s.spot.At("bundle")
	switch {
	case len(b.Bundle) == 0:
		return
	case len(b.Bundle) == 1 || len(b.Bundle) > mostBundled:
		at.Wrong(fmt.Sprintf("it bundles %d", len(b.Bundle)), fmt.Sprintf("use 2 to %d", mostBundled))
	case len(b.Choose) > 0 || b.Event != nil || b.Entry != nil || b.limited():
		at.Wrong("a bundle has no choice, seats, entry or stock of its own", "remove them; its stock is that of what it bundles")
	}
	for i, code := range b.Bundle {
		switch part := s.benefits[code]; {
		case part == nil || len(part.Choose)+len(part.Bundle) > 0 || part.Event != nil:
			s.spot.At("bundle", i).Wrong(fmt.Sprintf("%q is no benefit above this one with a right of its own", code), "name one that is")
		case slices.Contains(b.Bundle[:i], code):
			s.spot.At("bundle", i).Wrong(fmt.Sprintf("%q is named twice", code), "name each once")
		case part.Delivery != nil && part.Delivery.Refund:
			s.spot.At("bundle", i).Wrong(fmt.Sprintf("%q is refunded by itself when it comes back", code), "bundle what is delivered again instead")
		}
	}
}

// checkLimits makes sure that every limit counts something that a claim moves.
func (s benefitReader) checkLimits(b *Benefit) error {
	for _, code := range b.Limits {
		limit, declared := s.programme.Limits[code]
		if !declared {
			return fmt.Errorf("limits: %q is not declared", code)
		}
		paid := slices.ContainsFunc(b.Prices, func(p Price) bool { return p.Unit == limit.Of })
		if limit.Of != ledger.Times && limit.Of != b.Code && !paid {
			return fmt.Errorf("limits: %s counts %s, which is neither %s nor paid for it", code, limit.Of, b.Code)
		}
	}
	return nil
}
