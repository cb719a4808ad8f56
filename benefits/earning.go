package benefits

import (
	"maps"
	"slices"
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

func (e *Earning) rule(code string) *Rule {
	i := slices.IndexFunc(e.Rules, func(r *Rule) bool { return r.Code == code })
	if i < 0 {
		return nil
	}
	return e.Rules[i]
}
