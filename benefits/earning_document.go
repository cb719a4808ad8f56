package benefits

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/shopspring/decimal"

	"tallystick/internal/document"
	"tallystick/ledger"
	"tallystick/partners"
)

type earningDocument struct {
	Activities []activityDocument `yaml:"activities" doc:"What members do."`
	Rules      []ruleDocument     `yaml:"rules" doc:"What they earn by it."`
}

type activityDocument struct {
	namedCode `yaml:",inline"`
	Money     string               `yaml:"money" doc:"The unit of its amounts, of kind money; none: it has no amount."`
	Fields    map[string]FieldType `yaml:"fields" doc:"What else is said of it, by name: lower-case letters, digits and _."`
	Pending   string               `yaml:"pending" doc:"How many days what it earns waits, such as 14d; none: it does not wait."`
}

type ruleDocument struct {
	namedCode    `yaml:",inline"`
	On           string                     `yaml:"on" is:"required" doc:"The kind of activity that it is about."`
	Draft        bool                       `yaml:"draft" doc:"Whether it is checked only and does nothing yet."`
	From         string                     `yaml:"from" doc:"The first day of the activities that count, such as 2026-03-01; none: no first."`
	Until        string                     `yaml:"until" doc:"The day before which they end; none: they do not."`
	When         string                     `yaml:"when" doc:"A condition in CEL; none: always."`
	Unit         string                     `yaml:"unit" is:"required" doc:"The unit of what it gives: points, qualifying or an allotment."`
	Points       document.Amount            `yaml:"points" doc:"A fixed amount. A rule has this, a rate or a bonus."`
	Rate         *rateDocument              `yaml:"rate" doc:"So many points for each so much."`
	Of           string                     `yaml:"of" doc:"What a rate is of, in CEL; none: of the amount that earns."`
	Bonus        *bonusDocument             `yaml:"bonus" doc:"A multiple of what a rule above gives."`
	Coefficients map[string]document.Amount `yaml:"coefficients" doc:"What it is multiplied by, by tier; a tier without one has 1."`
	Rounding     Rounding                   `yaml:"rounding" doc:"How it is brought to the unit's scale, once; none: down."`
	Limits       []string                   `yaml:"limits" doc:"The limits that cut it."`
	Group        string                     `yaml:"group" doc:"The rules of a group exclude each other: the one that gives most earns."`
	Expiry       string                     `yaml:"expiry" doc:"The expiry policy; none: the unit's."`
	Funded       *fundedDocument            `yaml:"funded" doc:"Who pays for it."`
}

type rateDocument struct {
	Points document.Amount `yaml:"points" is:"required" doc:"So many points."`
	Per    document.Amount `yaml:"per" is:"required" doc:"For each so much."`
	Whole  bool            `yaml:"whole" doc:"Whether only whole multiples count."`
}

type bonusDocument struct {
	Rule  string          `yaml:"rule" is:"required" doc:"A rule above, on the same activity and unit."`
	Times document.Amount `yaml:"times" is:"required" doc:"What its points are multiplied by."`
}

type fundedDocument struct {
	Partner string          `yaml:"partner" is:"required" doc:"The partner who pays."`
	Share   document.Amount `yaml:"share" is:"required" doc:"The part that it pays: above 0 and at most 1."`
	Unit    string          `yaml:"unit" is:"required" doc:"The money that it pays in."`
	Price   document.Amount `yaml:"price" is:"required" doc:"What it pays for each point."`
}

// earningSection reads what a document says about earning. tiers are the codes that coefficients may name.
type earningSection struct {
	*Earning
	programme *ledger.Programme
	tiers     []string
	partners  partners.Agreements
	members   *MemberTerms
}

// addActivity adds a kind of activity, with mistakes too, so that rules on it are read.
func (s earningSection) addActivity(at document.Spot, d activityDocument) {
	d.check(at, s.Activities[d.Code] != nil)
	kind := &ActivityKind{Code: d.Code, Names: d.Names, Money: d.Money, Fields: make(map[string]FieldType), attributes: s.members.Attributes}
	if d.Money != "" {
		s.programme.CheckUnit(at.At("money"), d.Money, ledger.MoneyUnit)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Fields)) {
		if !validField(name) {
			at.At("fields", name).Wrong(fmt.Sprintf("%q is no name for a field", name), "use lower-case letters, digits and _, and none of "+strings.Join(builtIn, ", "))
			continue
		}
		kind.Fields[name] = cmp.Or(d.Fields[name], TextField)
	}
	kind.Pending = waits(at.At("pending"), d.Pending)
	s.Activities[d.Code] = kind
}

// waits reads a number of days such as 14d.
func waits(at document.Spot, text string) time.Duration {
	if text == "" {
		return 0
	}
	days, err := strconv.Atoi(strings.TrimSuffix(text, "d"))
	if err != nil || !strings.HasSuffix(text, "d") || days < 0 || days > 3650 {
		at.Wrong(fmt.Sprintf("%q is no number of days", text), "use 0d to 3650d")
	}
	return time.Duration(days) * 24 * time.Hour
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

// ruleReader reads one rule at its spot.
type ruleReader struct {
	earningSection
	spot document.Spot
	*ruleDocument
	kind *ActivityKind
	unit ledger.Unit
}

// addRule adds a rule, with mistakes too.
func (s earningSection) addRule(at document.Spot, d ruleDocument) {
	d.check(at, s.rule(d.Code) != nil)
	r := ruleReader{earningSection: s, spot: at, ruleDocument: &d, kind: s.Activities[d.On], unit: s.programme.Units[d.Unit]}
	if r.kind == nil {
		at.At("on").Wrong(fmt.Sprintf("there is no activity %q", d.On), document.Suggest(d.On, slices.Sorted(maps.Keys(s.Activities))))
	}
	if !s.programme.CheckUnit(at.At("unit"), d.Unit, ledger.PointsUnit, ledger.QualifyingUnit, ledger.AllotmentUnit) || r.kind == nil {
		return
	}
	rule := &Rule{
		Code: d.Code, Names: d.Names, On: d.On, Unit: d.Unit, Draft: d.Draft, Group: d.Group, Policy: d.Expiry,
		Limits: d.Limits, Rounding: cmp.Or(d.Rounding, RoundDown),
	}
	r.readTimes(rule)
	r.readPoints(rule)
	r.readCoefficients(rule)
	r.readBounds()
	r.readExpressions(rule)
	r.readFunding(rule)
	s.Rules = append(s.Rules, rule)
}

func (r *ruleReader) readTimes(rule *Rule) {
	day := func(name, text string) (day time.Time) {
		if text == "" {
			return day
		}
		day, err := time.ParseInLocation(time.DateOnly, text, r.programme.Zone)
		if err != nil {
			r.spot.At(name).Wrong(fmt.Sprintf("%q is no day", text), "use one such as 2026-03-01")
		}
		return day
	}
	rule.From, rule.Until = day("from", r.From), day("until", r.Until)
	if !rule.Until.IsZero() && !rule.From.Before(rule.Until) {
		r.spot.At("until").Wrong("it is not after from", "use a later day")
	}
}

func (r *ruleReader) readPoints(rule *Rule) {
	ways := 0
	if r.Points != "" {
		ways++
		rule.Fixed, _ = r.programme.CheckAmount(r.spot.At("points"), r.Unit, r.Points)
	}
	if r.Rate != nil {
		ways++
		rule.Rate = Rate{
			Points: positive(r.spot.At("rate", "points"), r.Rate.Points), Per: positive(r.spot.At("rate", "per"), r.Rate.Per), Whole: r.Rate.Whole,
		}
		if r.Of == "" && r.kind.Money == "" {
			r.spot.At("of").Wrong(fmt.Sprintf("activity %s has no amount", r.kind.Code), "say what the rate is of")
		}
	}
	if r.Bonus != nil {
		ways++
		rule.Bonus = Bonus{Rule: r.Bonus.Rule, Times: positive(r.spot.At("bonus", "times"), r.Bonus.Times)}
		if other := r.rule(r.Bonus.Rule); other == nil || other.On != r.On || other.Unit != r.Unit {
			r.spot.At("bonus", "rule").Wrong(fmt.Sprintf("%q is no rule above this one on the same activity and unit", r.Bonus.Rule), "name one that is")
		}
	}
	if ways != 1 {
		r.spot.Wrong(fmt.Sprintf("it has %d ways to give", ways), "give it one of points, rate and bonus")
	}
}

// positive reads a factor.
func positive(at document.Spot, text document.Amount) decimal.Decimal {
	n, ok := text.Decimal()
	if !ok || !n.IsPositive() || n.GreaterThan(decimal.New(1, 9)) || !n.Equal(n.Truncate(9)) {
		at.Wrong(fmt.Sprintf("%q is no factor", text), "use a number above 0 and up to 1000000000, with at most 9 decimal places")
		return decimal.NewFromInt(1)
	}
	return n
}

func (r *ruleReader) readCoefficients(rule *Rule) {
	rule.Coefficients = make(map[string]decimal.Decimal, len(r.Coefficients))
	for _, tier := range slices.Sorted(maps.Keys(r.Coefficients)) {
		at := r.spot.At("coefficients", tier)
		if !slices.Contains(r.tiers, tier) {
			at.Wrong(fmt.Sprintf("there is no tier %q", tier), document.Suggest(tier, r.tiers))
			continue
		}
		rule.Coefficients[tier] = positive(at, r.Coefficients[tier])
	}
}

func (r *ruleReader) readBounds() {
	for i, code := range r.Limits {
		at := r.spot.At("limits", i)
		if limit, declared := r.programme.CheckLimit(at, code); declared && limit.Of != ledger.Times && limit.Of != r.Unit {
			at.Wrong(fmt.Sprintf("%s counts %s, not %s", code, limit.Of, r.Unit), "use a limit of "+r.Unit+" or of times")
		}
	}
	if r.Expiry != "" {
		r.programme.CheckPolicy(r.spot.At("expiry"), r.Expiry)
	}
	for _, other := range r.Rules {
		if r.Group != "" && other.Group == r.Group && (other.Unit != r.Unit || other.On != r.On) {
			r.spot.At("group").Wrong(fmt.Sprintf("rule %s of the group is on another activity or unit", other.Code), "give each activity and unit a group of its own")
		}
	}
}

func (r *ruleReader) readExpressions(rule *Rule) {
	language, err := newLanguage(r.kind.variables())
	if err != nil {
		r.spot.Failed(err)
		return
	}
	if r.When != "" {
		rule.condition, err = language.compile(r.When, cel.BoolType)
		r.spot.At("when").Failed(err)
	}
	if r.Of == "" {
		return
	}
	if r.Rate == nil {
		r.spot.At("of").Wrong("only a rate is of something", "remove it, or give the rule a rate")
	}
	rule.amount, err = language.compile(r.Of, numberType)
	r.spot.At("of").Failed(err)
}

func (r *ruleReader) readFunding(rule *Rule) {
	f, at := r.Funded, r.spot.At("funded")
	if f == nil {
		return
	}
	if r.partners[f.Partner] == nil {
		at.At("partner").Wrong(fmt.Sprintf("there is no partner %q", f.Partner), document.Suggest(f.Partner, slices.Sorted(maps.Keys(r.partners))))
	}
	share, ok := f.Share.Decimal()
	if !ok || !share.IsPositive() || share.GreaterThan(decimal.NewFromInt(1)) || !share.Equal(share.Truncate(4)) {
		at.At("share").Wrong(fmt.Sprintf("%q is no share", f.Share), "use a number above 0 and at most 1, with at most 4 decimal places")
	}
	r.programme.CheckUnit(at.At("unit"), f.Unit, ledger.MoneyUnit)
	price := positive(at.At("price"), f.Price)
	rule.Funded = ledger.Owing{
		Partner: f.Partner, Fund: f.Partner + "/" + price.String() + "-" + f.Unit, Share: share, Unit: f.Unit, Price: price,
	}
}
