package benefits

import (
	"slices"

	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/partners"
)

// Source is what a tier is decided on. It is the fund of the tier's lot.
type Source string

// The sources of tiers. The tier is the highest that any of them gives.
const (
	ByPoints       Source = "points"       // so much accrued in a period
	ByScore        Source = "score"        // so high a score of imported metrics
	ByPercentile   Source = "percentile"   // so high a place among all, when a period was closed
	ByPlan         Source = "plan"         // the member's plan, and with it
	ByOrganisation Source = "organisation" // the grade of an organisation that the member belongs to
	ByOverride     Source = "override"     // a decision, for a reason, to an end
)

// sources in the order in which they are decided and shown.
var sources = []Source{ByPoints, ByScore, ByPercentile, ByPlan, ByOrganisation, ByOverride}

// measured reports whether the source compares what was measured in periods with thresholds.
func (s Source) measured() bool { return s == ByPoints || s == ByScore || s == ByPercentile }

// TierGroup is an independent ladder of tiers.
type TierGroup struct {
	Code        string
	Names       partners.Names
	For         []MemberKind
	Period      Period
	Validity    Validity
	NextPeriod  bool // a tier begins when the next measuring period does, not at once
	SoftLanding bool // a fall is one tier at a time
	GraceDays   int  // before a fall
	Unit        string
	Scores      map[string]*Score
	Percentile  string // the score whose ranking it is; empty for none
	Plans       map[string]string
	Grades      *Grades
	Tiers       []Tier // lowest first
}

// Tier is a status level. Its code is its unit.
type Tier struct {
	Code  string
	Names partners.Names
	// From is what has to be measured to reach it, by what is measured: "points", a score's code, "percentile".
	From map[string]decimal.Decimal
}

// Score is a weighted sum of imported metrics.
type Score struct {
	Scale   int32 // to so many decimal places it is rounded, half away from zero, once at the end
	Metrics map[string]Weight
}

// Weight is what one metric counts for, and for how much more or less in some regions.
type Weight struct {
	Weight  decimal.Decimal
	Regions map[string]decimal.Decimal // coefficients; a region that is not named has that of the region around it, at last 1
}

// Grades gives persons the tiers of this group that go with the tiers which their organisations have in another.
type Grades struct {
	Group string
	Tiers map[string]string // by the organisation's tier
}

// Groups are a programme's tier groups, in the order of its document.
type Groups []*TierGroup

// For lists the groups that members of a kind are in. The first is the one that is shown when there is room for one.
func (s Groups) For(kind MemberKind) Groups {
	var list Groups
	for _, g := range s {
		if slices.Contains(g.For, kind) {
			list = append(list, g)
		}
	}
	return list
}

// Group finds a group by code; nil when there is none.
func (s Groups) Group(code string) *TierGroup {
	i := slices.IndexFunc(s, func(g *TierGroup) bool { return g.Code == code })
	if i < 0 {
		return nil
	}
	return s[i]
}

// of finds the group of a tier, and the tier's rank in it from 1 on; nil and 0 when there is none.
func (s Groups) of(tier string) (*TierGroup, int) {
	for _, g := range s {
		if rank := g.rank(tier); rank > 0 {
			return g, rank
		}
	}
	return nil, 0
}

// codes lists every tier of every group.
func (s Groups) codes() []string {
	var list []string
	for _, g := range s {
		list = append(list, g.codes()...)
	}
	return list
}

// have reports whether a tier is declared.
func (s Groups) have(tier string) bool {
	_, rank := s.of(tier)
	return rank > 0
}

// rank is a tier's place among all, lower tiers first within a group; 0 for none.
func (s Groups) rank(tier string) int { return 1 + slices.Index(s.codes(), tier) }

// need is what a member has to hold for a tier: that one or any above it.
func (s Groups) need(tier string) ledger.Need {
	g, rank := s.of(tier)
	return ledger.Need{Tier: tier, AnyOf: g.codes()[rank-1:]}
}

// rank is a tier's place in the ladder from 1 on; 0 for none.
func (g *TierGroup) rank(code string) int {
	return 1 + slices.IndexFunc(g.Tiers, func(t Tier) bool { return t.Code == code })
}

// tier is the tier of a rank; nil below the first and above the last.
func (g *TierGroup) tier(rank int) *Tier {
	if rank < 1 || rank > len(g.Tiers) {
		return nil
	}
	return &g.Tiers[rank-1]
}

// Named is the name of a tier; none for what is no tier of the group.
func (g *TierGroup) Named(code string) partners.Names {
	if t := g.tier(g.rank(code)); t != nil {
		return t.Names
	}
	return nil
}

// code is the code of the tier of a rank, empty below the first.
func (g *TierGroup) code(rank int) string {
	if t := g.tier(rank); t != nil {
		return t.Code
	}
	return ""
}

func (g *TierGroup) codes() []string {
	list := make([]string, len(g.Tiers))
	for i, t := range g.Tiers {
		list[i] = t.Code
	}
	return list
}

// measures lists what a source measures.
func (g *TierGroup) measures(s Source) []string {
	switch s {
	case ByPoints:
		if g.Unit != "" {
			return []string{string(ByPoints)}
		}
	case ByPercentile:
		if g.Percentile != "" {
			return []string{string(ByPercentile)}
		}
	case ByScore:
		return sortedKeys(g.Scores)
	default:
	}
	return nil
}

// Earned is the rank that measured values reach by one source: of the highest tier that asks for something that the source
// measures, and of all that it asks for no more than was measured.
func (g *TierGroup) Earned(s Source, values map[string]decimal.Decimal) int {
	measures := g.measures(s)
	for i, t := range slices.Backward(g.Tiers) {
		asked, reached := 0, true
		for _, m := range measures {
			if least, asks := t.From[m]; asks {
				asked++
				reached = reached && values[m].GreaterThanOrEqual(least)
			}
		}
		if asked > 0 && reached {
			return i + 1
		}
	}
	return 0
}
