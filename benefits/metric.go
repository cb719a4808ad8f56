package benefits

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/shopspring/decimal"

	"tallystick/internal/document"
	"tallystick/partners"
)

// Metric is something about members that is measured elsewhere and reported by period: spend, tenure, credit, influence.
type Metric struct {
	Code  string
	Names partners.Names
	Scale int32 // decimal places of its values
	Most  decimal.Decimal
}

type metricDocument struct {
	Code  string          `yaml:"code" is:"required" doc:"Its code: 1 to 32 lower-case letters, digits, - and _."`
	Names partners.Names  `yaml:"names" is:"required" doc:"What it is called, by language."`
	Scale int             `yaml:"scale" doc:"Decimal places of its values; none: whole numbers."`
	Most  document.Amount `yaml:"most" doc:"The largest value that there may be; the least is 0. None: 1000000000000."`
}

// mostOfMetric bounds every metric, so that no sum of weighted ones grows beyond what is exact.
var mostOfMetric = decimal.New(1, 12)

func (s *section) readMetrics(at document.Spot, documents []metricDocument) {
	s.metrics = make(map[string]*Metric, len(documents))
	for i, d := range documents {
		at := at.At(i)
		m := &Metric{Code: d.Code, Names: d.Names, Scale: int32(d.Scale), Most: mostOfMetric}
		switch {
		case !validName(d.Code):
			at.At("code").Wrong(fmt.Sprintf("%q is no code of a metric", d.Code), "use 1 to 32 lower-case letters, digits, - and _")
		case s.metrics[d.Code] != nil:
			at.At("code").Wrong("the metric is declared twice", "give each metric a code of its own")
		}
		if d.Scale < 0 || d.Scale > maxMetricScale {
			at.At("scale").Wrong(fmt.Sprintf("%d is no number of decimal places", d.Scale), fmt.Sprintf("use 0 to %d", maxMetricScale))
		}
		if d.Most != "" {
			most, ok := d.Most.Decimal()
			if !ok || !most.IsPositive() || most.GreaterThan(mostOfMetric) {
				at.At("most").Wrong(fmt.Sprintf("%q is no bound", d.Most), "use a number above 0 and up to "+mostOfMetric.String())
			}
			m.Most = most
		}
		d.Names.Check(at.At("names"))
		s.metrics[d.Code] = m
	}
}

const maxMetricScale = 9

// check refuses a value that the metric cannot have.
func (m *Metric) check(value decimal.Decimal) string {
	if value.IsNegative() || value.GreaterThan(m.Most) || !value.Equal(value.Truncate(m.Scale)) {
		return fmt.Sprintf("use 0 to %s with at most %d decimal places", m.Most, m.Scale)
	}
	return ""
}

// periodName is how a measuring period is named in reports: "2026", "2026-H1", "2026-Q1", "2026-03", "2026-03-15" for the
// year that begins with an anniversary, "ever". Rolling periods have no name.
func (p Period) name(s Span, c calendar) string {
	local := s.From.In(c.zone)
	switch {
	case p.Kind == Ever:
		return string(Ever)
	case p.Kind == HalfYear:
		return fmt.Sprintf("%04d-H%d", local.Year(), 1+int(local.Month())/7)
	case p.Kind == Quarter:
		return fmt.Sprintf("%04d-Q%d", local.Year(), (int(local.Month())+2)/3)
	case p.Kind == Month:
		return local.Format("2006-01")
	case p.Kind == Anniversary && !c.enrolled.IsZero():
		return local.Format("2006-01-02")
	default:
		return local.Format("2006")
	}
}

// periodForm is every name that a period may have.
var periodForm = regexp.MustCompile(`^(ever|[12][0-9]{3}(-H[12]|-Q[1-4]|-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?)$`)

// value is a score: the sum of what was reported of each metric, times its weight and the coefficient of the member's
// region, rounded once at the end, half away from zero. What nobody reported counts nothing.
func (s *Score) value(reported map[string]decimal.Decimal, around []string) decimal.Decimal {
	sum := decimal.Zero
	for _, code := range slices.Sorted(maps.Keys(s.Metrics)) {
		w := s.Metrics[code]
		sum = sum.Add(reported[code].Mul(w.Weight).Mul(w.coefficient(around)))
	}
	return sum.Round(s.Scale)
}

// coefficient is that of the nearest of the regions that lie around each other, the smallest first; 1 without any.
func (w Weight) coefficient(around []string) decimal.Decimal {
	for _, region := range around {
		if c, named := w.Regions[region]; named {
			return c
		}
	}
	return decimal.NewFromInt(1)
}
