package benefits

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// Activity is something that a member did.
type Activity struct {
	Kind   string
	Member string
	// At is when it happened.
	At time.Time
	// Amount is its price in the kind's money; Gifted and PaidInPoints are the parts that do not earn, because they were
	// given, or paid with points.
	Amount, Gifted, PaidInPoints decimal.Decimal
	// Fields are the kind's own: text, decimal or bool.
	Fields map[string]any
	// Channel is through what it came, Reference the caller's own number of it.
	Channel, Reference string

	importID uuid.UUID // of the file that it came by
}

// earns is the part of an activity's amount that earns.
func (a *Activity) earns() decimal.Decimal {
	return decimal.Max(decimal.Zero, a.Amount.Sub(a.Gifted).Sub(a.PaidInPoints))
}

// Earner is what rules may know of the member who earns, as it is known when the activity is recorded.
type Earner struct {
	Facts
	Tier string
}

// Why a rule gave nothing.
const (
	NotInTime    = "not_in_time"  // the rule does not count at the activity's time, or is a draft
	NotMet       = "not_met"      // its condition does not hold
	NotTheMost   = "not_the_most" // another rule of its group gives more
	RoundsToNone = "rounds_to_none"
)

// Yield is what one rule gives for an activity, before its limits.
type Yield struct {
	Rule   *Rule
	Points decimal.Decimal
	Why    string // when Points is zero
}

// earn decides what each rule on the activity's kind gives, in the document's order. It depends on the activity, the
// member and the rules, and on nothing that came before: so late and back-dated activities give the same in any order.
func (e *Earning) earn(p *ledger.Programme, a *Activity, who Earner) ([]Yield, error) {
	variables := a.variables(e.Activities[a.Kind], who, e.regions, p.Zone)
	var yields []Yield
	for _, rule := range e.Rules {
		if rule.On != a.Kind {
			continue
		}
		y, err := rule.yield(a, who, variables, yields, p.Units[rule.Unit].Scale)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", rule.Code, err)
		}
		yields = append(yields, y)
	}
	leaveTheMost(yields)
	return yields, nil
}

func (r *Rule) yield(a *Activity, who Earner, variables map[string]any, before []Yield, scale int32) (Yield, error) {
	none := func(why string) (Yield, error) { return Yield{Rule: r, Why: why}, nil }
	if r.Draft || a.At.Before(r.From) || !r.Until.IsZero() && !a.At.Before(r.Until) {
		return none(NotInTime)
	}
	met, err := r.condition.holds(variables)
	if err != nil {
		return Yield{}, err
	}
	if !met {
		return none(NotMet)
	}
	points, err := r.points(a, variables, before)
	if err != nil {
		return Yield{}, err
	}
	if coefficient, set := r.Coefficients[who.Tier]; set {
		points = points.Mul(coefficient)
	}
	if points = r.Rounding.apply(points, scale); !points.IsPositive() {
		return none(RoundsToNone)
	}
	return Yield{Rule: r, Points: points}, nil
}

// points is what a rule gives before its coefficient and rounding.
func (r *Rule) points(a *Activity, variables map[string]any, before []Yield) (decimal.Decimal, error) {
	switch {
	case r.Bonus.Rule != "":
		i := slices.IndexFunc(before, func(y Yield) bool { return y.Rule.Code == r.Bonus.Rule })
		return before[i].Points.Mul(r.Bonus.Times), nil
	case r.Rate.Per.IsZero():
		return r.Fixed, nil
	}
	of := a.earns()
	if r.amount != nil {
		var err error
		if of, err = r.amount.amount(variables); err != nil {
			return decimal.Zero, err
		}
	}
	if r.Rate.Whole {
		steps, _ := of.QuoRem(r.Rate.Per, 0)
		return steps.Mul(r.Rate.Points), nil
	}
	return of.Mul(r.Rate.Points).DivRound(r.Rate.Per, 18), nil
}

// leaveTheMost takes from every group's rules but the one that gives most what they give.
func leaveTheMost(yields []Yield) {
	most := make(map[string]int)
	for i, y := range yields {
		if first, seen := most[y.Rule.Group]; !seen || y.Points.GreaterThan(yields[first].Points) {
			most[y.Rule.Group] = i
		}
	}
	for i := range yields {
		if y := &yields[i]; y.Rule.Group != "" && most[y.Rule.Group] != i && y.Points.IsPositive() {
			y.Points, y.Why = decimal.Zero, NotTheMost
		}
	}
}

// variables gives every variable that expressions about the kind may name its value.
func (a *Activity) variables(kind *ActivityKind, who Earner, regions Regions, zone *time.Location) map[string]any {
	all := map[string]any{
		"activity.channel": a.Channel, "activity.reference": a.Reference,
		"activity.amount": number{a.Amount}, "activity.gifted": number{a.Gifted}, "activity.paid_in_points": number{a.PaidInPoints},
	}
	for name, t := range kind.Fields {
		switch value := a.Fields[name].(type) {
		case decimal.Decimal:
			all["activity."+name] = number{value}
		case nil:
			all["activity."+name] = map[FieldType]any{TextField: "", NumberField: number{}, FlagField: false}[t]
		default:
			all["activity."+name] = value
		}
	}
	who.variables(all, a.At, regions, zone, kind.attributes)
	return all
}

// variables adds what [memberTypes] declares, as it is at a time.
func (who *Earner) variables(all map[string]any, at time.Time, regions Regions, zone *time.Location, attributes map[string]Attribute) {
	for code, value := range who.attributes(attributes) {
		all["member."+code] = value
	}
	local := at.In(zone)
	maps.Copy(all, map[string]any{
		"member.tier": who.Tier, "member.kind": string(who.Kind), "member.plan": who.Plan, "member.region": who.Region,
		"member.regions": regions.around(who.Region), "member.segments": who.Segments, "member.tenure_months": months(who.EnrolledAt, at, zone),
		"member.birthday": local.Month() == who.BirthMonth && local.Day() == who.BirthDay,
		"at.month":        int(local.Month()), "at.day": local.Day(),
		"at.weekday": (int(local.Weekday())+6)%7 + 1, // Monday is 1
		"at.hour":    local.Hour(),
	})
}

// months is the number of whole months between two times, by the calendar of zone; none before the first.
func months(from, to time.Time, zone *time.Location) int {
	if from.IsZero() || to.Before(from) {
		return 0
	}
	from, to = from.In(zone), to.In(zone)
	n := (to.Year()-from.Year())*12 + int(to.Month()) - int(from.Month())
	if to.Day() < from.Day() {
		n--
	}
	return n
}

// check refuses what an activity cannot be: INVALID_FIELD with the field and what would be right.
func (a *Activity) check(e *Earning, p *ledger.Programme) error {
	kind := e.Activities[a.Kind]
	if kind == nil {
		return refuse(ledger.NotFoundReason, "activity", a.Kind)
	}
	switch {
	case !validChannel.MatchString(a.Channel):
		return invalid("channel", "use up to 32 lower-case letters, digits, _ and -")
	case !validReference.MatchString(a.Reference):
		return invalid("reference", "use up to 128 printable ASCII characters without blanks")
	}
	for _, amount := range []struct {
		name  string
		value decimal.Decimal
	}{{"amount", a.Amount}, {"gifted", a.Gifted}, {"paid_in_points", a.PaidInPoints}} {
		money := p.Units[kind.Money]
		switch {
		case amount.value.IsZero():
		case kind.Money == "":
			return invalid(amount.name, "this kind of activity has no amounts")
		case !money.Fits(amount.value):
			return invalid(amount.name, fmt.Sprintf("it is not an amount with at most %d decimal places", money.Scale))
		}
	}
	for name, value := range a.Fields {
		var ok bool
		switch kind.Fields[name] {
		case TextField:
			text, isText := value.(string)
			if ok = isText; isText && !validText.MatchString(text) {
				return invalid(name, "it has more than 256 characters, or control or direction marks")
			}
		case NumberField:
			_, ok = value.(decimal.Decimal)
		case FlagField:
			_, ok = value.(bool)
		default:
			return invalid(name, "this kind of activity has no such field")
		}
		if !ok {
			return invalid(name, "it should be a "+string(kind.Fields[name]))
		}
	}
	return nil
}
