package benefits

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/partners"
)

// Earning is what a programme's members can do to earn, and the rules by which they do.
type Earning struct {
	Activities map[string]*ActivityKind
	Rules      []*Rule // in the document's order

	regions Regions
}

// ActivityKind is a kind of thing that members do: a bill, a purchase, a survey.
type ActivityKind struct {
	Code  string
	Names partners.Names
	// Money is the unit of its amounts; empty when it has none.
	Money string
	// Fields are what else is said of it, by name.
	Fields map[string]FieldType
	// Pending is how long what it earns waits before it can be spent, from the activity's time on.
	Pending time.Duration

	attributes map[string]Attribute // of members
}

// FieldType is the type of an activity's field.
type FieldType string

// The types of field.
const (
	TextField   FieldType = "text"
	NumberField FieldType = "number"
	FlagField   FieldType = "flag"
)

// Values are the words that a document may use.
func (FieldType) Values() []string {
	return []string{string(TextField), string(NumberField), string(FlagField)}
}

// Rule says what one kind of activity earns of one unit. Its points are, in this order: what Fixed, Rate or Bonus gives;
// times the coefficient of the member's tier; rounded once, to the unit's scale. Then its limits cut them, when they are
// posted.
type Rule struct {
	Code  string
	Names partners.Names
	On    string // the kind of activity
	Unit  string
	// From and Until bound the activities that count, by their own time: From <= time < Until. Zero is no bound.
	From, Until time.Time
	// Draft rules do nothing yet.
	Draft bool
	Fixed decimal.Decimal
	Rate  Rate
	Bonus Bonus
	// Coefficients by tier; a tier without one has 1.
	Coefficients map[string]decimal.Decimal
	Rounding     Rounding
	Limits       []string
	// Group is a set of rules of which only the one that gives most earns, and the first of those that give as much.
	Group string
	// Policy overrides the unit's expiry policy.
	Policy string
	Funded ledger.Owing

	condition *expression
	amount    *expression
}

// Rate is points for each so much of what earns.
type Rate struct {
	Points, Per decimal.Decimal
	// Whole counts whole multiples of Per only: a point for each whole yuan.
	Whole bool
}

// Bonus is a multiple of what another rule gives for the same activity.
type Bonus struct {
	Rule  string
	Times decimal.Decimal
}

// Rounding is how points are brought to the scale of their unit.
type Rounding string

// The ways of rounding.
const (
	RoundDown     Rounding = "down"
	RoundHalfUp   Rounding = "half_up"
	RoundHalfEven Rounding = "half_even"
)

// Values are the words that a document may use.
func (Rounding) Values() []string {
	return []string{string(RoundDown), string(RoundHalfUp), string(RoundHalfEven)}
}

func (r Rounding) apply(points decimal.Decimal, scale int32) decimal.Decimal {
	switch r {
	case RoundHalfUp:
		return points.Round(scale)
	case RoundHalfEven:
		return points.RoundBank(scale)
	default:
		return points.Truncate(scale)
	}
}

type earningDocument struct {
	Activities []activityDocument `yaml:"activities"`
	Rules      []ruleDocument     `yaml:"rules"`
}

type activityDocument struct {
	Code    string               `yaml:"code"`
	Names   partners.Names       `yaml:"names"`
	Money   string               `yaml:"money"`
	Fields  map[string]FieldType `yaml:"fields"`
	Pending string               `yaml:"pending"`
}

type ruleDocument struct {
	Code         string            `yaml:"code"`
	Names        partners.Names    `yaml:"names"`
	On           string            `yaml:"on"`
	Draft        bool              `yaml:"draft"`
	From         string            `yaml:"from"`
	Until        string            `yaml:"until"`
	When         string            `yaml:"when"`
	Unit         string            `yaml:"unit"`
	Points       string            `yaml:"points"`
	Rate         *rateDocument     `yaml:"rate"`
	Of           string            `yaml:"of"`
	Bonus        *bonusDocument    `yaml:"bonus"`
	Coefficients map[string]string `yaml:"coefficients"`
	Rounding     Rounding          `yaml:"rounding"`
	Limits       []string          `yaml:"limits"`
	Group        string            `yaml:"group"`
	Expiry       string            `yaml:"expiry"`
	Funded       *fundedDocument   `yaml:"funded"`
}

type rateDocument struct {
	Points string `yaml:"points"`
	Per    string `yaml:"per"`
	Whole  bool   `yaml:"whole"`
}

type bonusDocument struct {
	Rule  string `yaml:"rule"`
	Times string `yaml:"times"`
}

type fundedDocument struct {
	Partner string `yaml:"partner"`
	Share   string `yaml:"share"`
	Unit    string `yaml:"unit"`
	Price   string `yaml:"price"`
}

// earningSection reads what a document says about earning. tiers are the codes that coefficients may name.
type earningSection struct {
	*Earning
	programme *ledger.Programme
	tiers     []string
	partners  partners.Agreements
	members   *MemberTerms
}

func (s earningSection) addActivity(d activityDocument) error {
	kind := &ActivityKind{Code: d.Code, Names: d.Names, Money: d.Money, Fields: d.Fields, attributes: s.members.Attributes}
	switch {
	case !validCode.MatchString(d.Code):
		return errors.New("code: give it 1 to 64 letters, digits, _ . : / and -")
	case s.Activities[d.Code] != nil:
		return errors.New("code: declared twice")
	case d.Money != "" && s.programme.Units[d.Money].Kind != ledger.MoneyUnit:
		return fmt.Errorf("money: unit %q is not declared as money", d.Money)
	}
	for name, t := range d.Fields {
		if !validField(name) {
			return fmt.Errorf("fields: %q: use lower-case letters, digits and _", name)
		}
		if t != TextField && t != NumberField && t != FlagField {
			return fmt.Errorf("fields: %s: %q: use text, number or flag", name, t)
		}
	}
	if d.Pending != "" {
		days, err := strconv.Atoi(strings.TrimSuffix(d.Pending, "d"))
		if err != nil || !strings.HasSuffix(d.Pending, "d") || days < 0 || days > 3650 {
			return fmt.Errorf("pending: %q is not a number of days such as 14d", d.Pending)
		}
		kind.Pending = time.Duration(days) * 24 * time.Hour
	}
	s.Activities[d.Code] = kind
	return d.Names.Complete()
}

// builtIn are the variables that every activity has, so that no field may be called so.
var builtIn = []string{"amount", "gifted", "paid_in_points", "channel", "reference"}

func validField(name string) bool {
	for i, c := range name {
		if (c < 'a' || c > 'z') && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return name != "" && len(name) <= 32 && !slices.Contains(builtIn, name)
}

// variables are what expressions about an activity may name.
func (k *ActivityKind) variables() map[string]*cel.Type {
	all := map[string]*cel.Type{
		"activity.channel": cel.StringType, "activity.reference": cel.StringType,
	}
	if k.Money != "" {
		for _, name := range []string{"amount", "gifted", "paid_in_points"} {
			all["activity."+name] = numberType
		}
	}
	for name, t := range k.Fields {
		all["activity."+name] = fieldTypes[t]
	}
	memberTypes(all, k.attributes)
	return all
}

var fieldTypes = map[FieldType]*cel.Type{TextField: cel.StringType, NumberField: numberType, FlagField: cel.BoolType}

// memberTypes adds what every expression may name of a member and of the time. An attribute cannot take one of our names.
func memberTypes(all map[string]*cel.Type, attributes map[string]Attribute) {
	for code, attribute := range attributes {
		all["member."+code] = fieldTypes[FieldType(attribute.Type)]
	}
	maps.Copy(all, map[string]*cel.Type{
		"member.tier": cel.StringType, "member.kind": cel.StringType, "member.plan": cel.StringType,
		"member.region": cel.StringType, "member.regions": cel.ListType(cel.StringType), "member.segments": cel.ListType(cel.StringType),
		"member.tenure_months": cel.IntType, "member.birthday": cel.BoolType,
		"at.month": cel.IntType, "at.day": cel.IntType, "at.weekday": cel.IntType, "at.hour": cel.IntType,
	})
}

func (s earningSection) addRule(d ruleDocument) error {
	kind := s.Activities[d.On]
	unit, declared := s.programme.Units[d.Unit]
	switch {
	case !validCode.MatchString(d.Code):
		return errors.New("code: give it 1 to 64 letters, digits, _ . : / and -")
	case s.rule(d.Code) != nil:
		return errors.New("code: declared twice")
	case kind == nil:
		return fmt.Errorf("on: %q is no declared activity", d.On)
	case !declared || unit.Kind != ledger.PointsUnit && unit.Kind != ledger.QualifyingUnit && unit.Kind != ledger.AllotmentUnit:
		return fmt.Errorf("unit: %q is no declared unit of points, qualifying or allotment", d.Unit)
	}
	rule := &Rule{
		Code: d.Code, Names: d.Names, On: d.On, Unit: d.Unit, Draft: d.Draft, Group: d.Group, Policy: d.Expiry,
		Limits: d.Limits, Rounding: d.Rounding,
	}
	for _, step := range []func(*Rule, ruleDocument, *ActivityKind, ledger.Unit) error{
		s.readTimes, s.readPoints, s.readCoefficients, s.readBounds, s.readExpressions, s.readFunding,
	} {
		if err := step(rule, d, kind, unit); err != nil {
			return err
		}
	}
	s.Rules = append(s.Rules, rule)
	return d.Names.Complete()
}

func (e *Earning) rule(code string) *Rule {
	i := slices.IndexFunc(e.Rules, func(r *Rule) bool { return r.Code == code })
	if i < 0 {
		return nil
	}
	return e.Rules[i]
}

func (s earningSection) readTimes(rule *Rule, d ruleDocument, _ *ActivityKind, _ ledger.Unit) error {
	for _, bound := range []struct {
		name, text string
		into       *time.Time
	}{{"from", d.From, &rule.From}, {"until", d.Until, &rule.Until}} {
		if bound.text == "" {
			continue
		}
		day, err := time.ParseInLocation(time.DateOnly, bound.text, s.programme.Zone)
		if err != nil {
			return fmt.Errorf("%s: %q is not a day such as 2026-03-01", bound.name, bound.text)
		}
		*bound.into = day
	}
	if !rule.Until.IsZero() && !rule.From.Before(rule.Until) {
		return errors.New("until: it is not after from")
	}
	return nil
}

func (s earningSection) readPoints(rule *Rule, d ruleDocument, kind *ActivityKind, unit ledger.Unit) error {
	var err error
	ways := 0
	if d.Points != "" {
		ways++
		if rule.Fixed, err = decimal.NewFromString(d.Points); err != nil || !unit.Fits(rule.Fixed) {
			return fmt.Errorf("points: %q is not an amount of %s", d.Points, unit.Code)
		}
	}
	if d.Rate != nil {
		ways++
		rule.Rate.Whole = d.Rate.Whole
		if rule.Rate.Points, err = positive(d.Rate.Points); err != nil {
			return fmt.Errorf("rate: points: %w", err)
		}
		if rule.Rate.Per, err = positive(d.Rate.Per); err != nil {
			return fmt.Errorf("rate: per: %w", err)
		}
		if d.Of == "" && kind.Money == "" {
			return fmt.Errorf("of: activity %s has no amount: say what the rate is of", kind.Code)
		}
	}
	if d.Bonus != nil {
		ways++
		other := s.rule(d.Bonus.Rule)
		if other == nil || other.On != d.On || other.Unit != d.Unit {
			return fmt.Errorf("bonus: rule: %q is no rule above this one on the same activity and unit", d.Bonus.Rule)
		}
		rule.Bonus.Rule = d.Bonus.Rule
		if rule.Bonus.Times, err = positive(d.Bonus.Times); err != nil {
			return fmt.Errorf("bonus: times: %w", err)
		}
	}
	if ways != 1 {
		return errors.New("give it one of points, rate and bonus")
	}
	return nil
}

func positive(text string) (decimal.Decimal, error) {
	n, err := decimal.NewFromString(text)
	if err != nil || !n.IsPositive() || n.GreaterThan(decimal.New(1, 9)) || !n.Equal(n.Truncate(9)) {
		return decimal.Zero, fmt.Errorf("%q is not a number above 0 and up to 1000000000, with at most 9 decimal places", text)
	}
	return n, nil
}

func (s earningSection) readCoefficients(rule *Rule, d ruleDocument, _ *ActivityKind, _ ledger.Unit) error {
	rule.Coefficients = make(map[string]decimal.Decimal, len(d.Coefficients))
	for tier, text := range d.Coefficients {
		if !slices.Contains(s.tiers, tier) {
			return fmt.Errorf("coefficients: tier %q is not declared", tier)
		}
		var err error
		if rule.Coefficients[tier], err = positive(text); err != nil {
			return fmt.Errorf("coefficients: %s: %w", tier, err)
		}
	}
	switch d.Rounding {
	case "":
		rule.Rounding = RoundDown
	case RoundDown, RoundHalfUp, RoundHalfEven:
	default:
		return fmt.Errorf("rounding: %q: use down, half_up or half_even", d.Rounding)
	}
	return nil
}

func (s earningSection) readBounds(rule *Rule, d ruleDocument, _ *ActivityKind, unit ledger.Unit) error {
	for _, code := range d.Limits {
		limit, declared := s.programme.Limits[code]
		if !declared {
			return fmt.Errorf("limits: %q is not declared", code)
		}
		if limit.Of != ledger.Times && limit.Of != unit.Code {
			return fmt.Errorf("limits: %s counts %s, not %s", code, limit.Of, unit.Code)
		}
	}
	if _, declared := s.programme.Policies[d.Expiry]; d.Expiry != "" && !declared {
		return fmt.Errorf("expiry: policy %q is not declared", d.Expiry)
	}
	for _, other := range s.Rules {
		if d.Group != "" && other.Group == d.Group && (other.Unit != d.Unit || other.On != d.On) {
			return fmt.Errorf("group: rule %s of the group is on another activity or unit", other.Code)
		}
	}
	return nil
}

func (s earningSection) readExpressions(rule *Rule, d ruleDocument, kind *ActivityKind, _ ledger.Unit) error {
	language, err := newLanguage(kind.variables())
	if err != nil {
		return err
	}
	if d.When != "" {
		if rule.condition, err = language.compile(d.When, cel.BoolType); err != nil {
			return fmt.Errorf("when: %w", err)
		}
	}
	if d.Of != "" {
		if d.Rate == nil {
			return errors.New("of: only a rate is of something")
		}
		if rule.amount, err = language.compile(d.Of, numberType); err != nil {
			return fmt.Errorf("of: %w", err)
		}
	}
	return nil
}

func (s earningSection) readFunding(rule *Rule, d ruleDocument, _ *ActivityKind, _ ledger.Unit) error {
	f := d.Funded
	if f == nil {
		return nil
	}
	money := s.programme.Units[f.Unit]
	share, err := decimal.NewFromString(f.Share)
	switch {
	case s.partners[f.Partner] == nil:
		return fmt.Errorf("funded: partner %q is not declared", f.Partner)
	case err != nil || !share.IsPositive() || share.GreaterThan(decimal.NewFromInt(1)) || !share.Equal(share.Truncate(4)):
		return fmt.Errorf("funded: share: %q is not above 0 and at most 1, with at most 4 decimal places", f.Share)
	case money.Kind != ledger.MoneyUnit:
		return fmt.Errorf("funded: unit: %q is not declared as money", f.Unit)
	}
	price, err := positive(f.Price)
	if err != nil {
		return fmt.Errorf("funded: price: %w", err)
	}
	rule.Funded = ledger.Owing{
		Partner: f.Partner, Fund: f.Partner + "/" + price.String() + "-" + f.Unit, Share: share, Unit: f.Unit, Price: price,
	}
	return nil
}
