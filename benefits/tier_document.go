package benefits

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"tallystick/internal/document"
	"tallystick/ledger"
	"tallystick/partners"
)

type tierGroupDocument struct {
	Code         string                   `yaml:"code" is:"required" doc:"Unique among the tier groups."`
	Names        partners.Names           `yaml:"names" is:"required" doc:"What the ladder is called, by language."`
	For          []MemberKind             `yaml:"for" doc:"The kinds of member that are on it; none: persons."`
	Period       Period                   `yaml:"period" is:"required" doc:"When it measures."`
	Validity     Validity                 `yaml:"validity" is:"required" doc:"How long a tier holds."`
	Start        string                   `yaml:"start" doc:"When a tier begins: immediate, or next_period."`
	Fall         string                   `yaml:"fall" doc:"What follows a validity that is over: straight to what was measured, or soft_landing, one tier at a time."`
	Grace        string                   `yaml:"grace" doc:"Days before a fall, such as 30d."`
	Points       string                   `yaml:"points" doc:"The unit whose accruals in the period are measured."`
	Scores       map[string]scoreDocument `yaml:"scores" doc:"Weighted sums of imported metrics, by code."`
	Percentile   string                   `yaml:"percentile" doc:"The score by which members are ranked when a period is closed."`
	Plans        map[string]string        `yaml:"plans" doc:"The tiers that go with plans."`
	Organisation *gradesDocument          `yaml:"organisation" doc:"The tiers that go with the grades of organisations."`
	Ladder       []tierDocument           `yaml:"ladder" is:"required" doc:"The tiers, lowest first. They keep their order for ever."`
}

type scoreDocument struct {
	Scale   int32                     `yaml:"scale" doc:"Decimal places to which the score is rounded, once at the end."`
	Metrics map[string]weightDocument `yaml:"metrics" is:"required" doc:"The metrics that it adds up, by code."`
}

type weightDocument struct {
	Weight  document.Amount            `yaml:"weight" is:"required" doc:"What one of the metric counts for."`
	Regions map[string]document.Amount `yaml:"regions" doc:"Coefficients of regions; a region without one has that of the region around it, at last 1."`
}

type gradesDocument struct {
	Group string            `yaml:"group" is:"required" doc:"The tier group that grades organisations."`
	Tiers map[string]string `yaml:"tiers" is:"required" doc:"The tier here, by the tier there."`
}

type tierDocument struct {
	Code  string                     `yaml:"code" is:"required" doc:"Unique among the tiers and the units, since a tier is a unit."`
	Names partners.Names             `yaml:"names" is:"required" doc:"What it is called, by language."`
	From  map[string]document.Amount `yaml:"from" doc:"What has to be measured to reach it: points, a score, percentile."`
}

// readTierGroups reads the tier groups. What a group says of another is checked when all are read.
func (s *section) readTierGroups(at document.Spot, p *ledger.Programme, documents []tierGroupDocument) {
	for i := range documents {
		s.tiers = append(s.tiers, s.readTierGroup(at.At(i), p, &documents[i]))
	}
	for i, g := range s.tiers {
		at.At(i, "organisation").Failed(s.checkGrades(g))
	}
}

// readTierGroup reads a group, with mistakes too, so that what refers to it is not reported as well.
func (s *section) readTierGroup(at document.Spot, p *ledger.Programme, d *tierGroupDocument) *TierGroup {
	g := &TierGroup{
		Code: d.Code, Names: d.Names, For: d.For, Period: d.Period, Validity: d.Validity, Unit: d.Points, Percentile: d.Percentile,
		NextPeriod: d.Start == "next_period", SoftLanding: d.Fall == "soft_landing", Plans: d.Plans, Scores: make(map[string]*Score),
	}
	if len(g.For) == 0 {
		g.For = []MemberKind{Person}
	}
	switch {
	case !validName(d.Code):
		at.At("code").Wrong(fmt.Sprintf("%q is no code of a tier group", d.Code), "use 1 to 32 lower-case letters, digits, - and _")
	case d.Start != "" && d.Start != "immediate" && d.Start != "next_period":
		at.At("start").Wrong(fmt.Sprintf("there is no start %q", d.Start), "use immediate or next_period")
	case d.Fall != "" && d.Fall != "straight" && d.Fall != "soft_landing":
		at.At("fall").Wrong(fmt.Sprintf("there is no fall %q", d.Fall), "use straight or soft_landing")
	}
	for i, kind := range g.For {
		if !slices.Contains([]MemberKind{Person, Household, Organisation}, kind) {
			at.At("for", i).Wrong(fmt.Sprintf("there is no kind of member %q", kind), "use person, household or organisation")
		}
	}
	var err error
	g.GraceDays, err = wholeDays(d.Grace)
	at.At("grace").Failed(err)
	at.Failed(g.checkTimes())
	s.readScores(at, g, d)
	if g.Unit == "" || p.CheckUnit(at.At("points"), g.Unit, ledger.PointsUnit, ledger.QualifyingUnit) {
		for i := range d.Ladder {
			g.addTier(at.At("ladder", i), p, &d.Ladder[i])
		}
	}
	for _, plan := range sortedKeys(g.Plans) {
		if tier := g.Plans[plan]; g.rank(tier) == 0 {
			at.At("plans", plan).Wrong(fmt.Sprintf("there is no tier %q in this group", tier), document.Suggest(tier, g.codes()))
		}
	}
	if d.Organisation != nil {
		g.Grades = &Grades{Group: d.Organisation.Group, Tiers: d.Organisation.Tiers}
	}
	d.Names.Check(at.At("names"))
	return g
}

// readScores reads the scores. A score's periods have names, so it cannot be measured over rolling ones.
func (s *section) readScores(at document.Spot, g *TierGroup, d *tierGroupDocument) {
	for _, code := range sortedKeys(d.Scores) {
		at, sd := at.At("scores", code), d.Scores[code]
		score := &Score{Scale: sd.Scale, Metrics: make(map[string]Weight, len(sd.Metrics))}
		if !validName(code) || code == string(ByPoints) || code == string(ByPercentile) {
			at.Wrong(fmt.Sprintf("%q is no code of a score", code), "use 1 to 32 lower-case letters, digits, - and _, and neither points nor percentile")
		}
		if sd.Scale < 0 || sd.Scale > maxMetricScale {
			at.At("scale").Wrong(fmt.Sprintf("%d is no number of decimal places", sd.Scale), fmt.Sprintf("use 0 to %d", maxMetricScale))
		}
		if g.Period.Kind == Rolling {
			at.Wrong("metrics are reported by periods that have names, which rolling ones have not", "give the group another period")
		}
		if len(sd.Metrics) == 0 {
			at.At("metrics").Wrong("it has no metrics", "name at least one with its weight")
		}
		for _, metric := range sortedKeys(sd.Metrics) {
			score.Metrics[metric] = s.weight(at.At("metrics", metric), metric, sd.Metrics[metric])
		}
		g.Scores[code] = score
	}
	if _, shared := monthsOf[g.Period.Kind]; g.Percentile != "" && !shared {
		at.At("percentile").Wrong("members can be ranked only when a period is over that is the same for all", "give the group a calendar period")
	}
	if g.Percentile != "" && g.Scores[g.Percentile] == nil {
		at.At("percentile").Wrong(fmt.Sprintf("there is no score %q", g.Percentile), document.Suggest(g.Percentile, sortedKeys(g.Scores)))
	}
}

func (s *section) weight(at document.Spot, metric string, d weightDocument) Weight {
	if s.metrics[metric] == nil {
		at.Wrong(fmt.Sprintf("there is no metric %q", metric), document.Suggest(metric, sortedKeys(s.metrics))+", or declare it under metrics")
	}
	w := Weight{Weight: positive(at.At("weight"), d.Weight), Regions: make(map[string]decimal.Decimal)}
	for _, region := range sortedKeys(d.Regions) {
		at := at.At("regions", region)
		if _, declared := s.members.Regions[region]; !declared {
			at.Wrong(fmt.Sprintf("there is no region %q", region), document.Suggest(region, sortedKeys(s.members.Regions))+", or declare it under members, regions")
		}
		w.Regions[region] = positive(at, d.Regions[region])
	}
	return w
}

func (g *TierGroup) addTier(at document.Spot, p *ledger.Programme, d *tierDocument) {
	t := Tier{Code: d.Code, Names: d.Names, From: make(map[string]decimal.Decimal)}
	if t.Code != "" && !validCode.MatchString(t.Code) {
		at.At("code").Wrong(fmt.Sprintf("%q is no code of a tier", d.Code), codeForm)
	}
	for _, measure := range sortedKeys(d.From) {
		at := at.At("from", measure)
		least, ok := g.threshold(at, p, measure, d.From[measure])
		for _, below := range g.Tiers {
			if was, asked := below.From[measure]; ok && asked && !least.GreaterThan(was) {
				at.Wrong("it is not above the tier before it, "+below.Code, "use more than "+was.String()+", or move the tier")
				break
			}
		}
		t.From[measure] = least
	}
	d.Names.Check(at.At("names"))
	g.Tiers = append(g.Tiers, t)
}

// threshold reads what has to be measured for a tier.
func (g *TierGroup) threshold(at document.Spot, p *ledger.Programme, measure string, text document.Amount) (decimal.Decimal, bool) {
	if measure == string(ByPoints) && g.Unit != "" {
		return p.CheckAmount(at, g.Unit, text)
	}
	if g.Scores[measure] == nil && (measure != string(ByPercentile) || g.Percentile == "") {
		at.Wrong("the group does not measure "+measure, document.Suggest(measure, slices.Concat(g.measures(ByPoints), g.measures(ByScore), g.measures(ByPercentile))))
		return decimal.Zero, false
	}
	least, err := factor(string(text))
	top := measure == string(ByPercentile) && least.GreaterThan(decimal.NewFromInt(100))
	if err != nil || !least.IsPositive() || top {
		at.Wrong(fmt.Sprintf("%q is nothing to reach", text), "use a number above 0, a percentile up to 100")
		return decimal.Zero, false
	}
	return least, true
}

// checkGrades makes sure that what a group takes from organisations is there, and that no tier follows from itself.
func (s *section) checkGrades(g *TierGroup) error {
	if g.Grades == nil {
		return nil
	}
	other := s.tiers.Group(g.Grades.Group)
	switch {
	case other == nil || !slices.Contains(other.For, Organisation):
		return fmt.Errorf("%q is no tier group for organisations", g.Grades.Group)
	case other.Grades != nil:
		return fmt.Errorf("%q takes its tiers from organisations too", g.Grades.Group)
	}
	for grade, tier := range g.Grades.Tiers {
		if other.rank(grade) == 0 || g.rank(tier) == 0 {
			return fmt.Errorf("there is no tier %q in %s or no tier %q here", grade, other.Code, tier)
		}
	}
	return nil
}

// factor reads a decimal number of a sane size.
func factor(text string) (decimal.Decimal, error) {
	d, err := decimal.NewFromString(text)
	if err != nil || d.Exponent() > 12 || d.Exponent() < -9 || d.Abs().GreaterThan(decimal.New(1, 12)) {
		return decimal.Zero, fmt.Errorf("%q is not a number", text)
	}
	return d, nil
}

var validNames = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// validName reports whether a text may name a tier group, a score or a metric: it becomes a part of keys.
func validName(text string) bool { return validNames.MatchString(text) }

func wholeDays(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	number, isDays := strings.CutSuffix(text, "d")
	n, err := strconv.Atoi(number)
	if err != nil || !isDays {
		return 0, fmt.Errorf("%q is not a number of days such as 30d", text)
	}
	return n, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
