package benefits

import (
	"errors"
	"fmt"
	"time"

	"tallystick/ledger"
)

// PeriodKind says how the measuring periods of a tier group follow each other.
type PeriodKind string

// The kinds of measuring period. All but the last two follow each other without a gap.
const (
	CalendarYear PeriodKind = "calendar_year"
	HalfYear     PeriodKind = "half_year"
	Quarter      PeriodKind = "quarter"
	Month        PeriodKind = "month"
	Anniversary  PeriodKind = "anniversary" // a year from the day of enrolment; a calendar year without one
	Rolling      PeriodKind = "rolling"     // the last Months up to the end of today
	Ever         PeriodKind = "ever"
)

// Values lists the kinds of period.
func (PeriodKind) Values() []string {
	return []string{string(CalendarYear), string(HalfYear), string(Quarter), string(Month), string(Anniversary), string(Rolling), string(Ever)}
}

// Period is the time in which a tier group measures.
type Period struct {
	Kind   PeriodKind `yaml:"kind" is:"required" doc:"How periods follow each other."`
	Months int        `yaml:"months" doc:"The length of a rolling period."`
}

// Span is a half-open stretch of time: From <= t < To.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Contains reports whether an instant lies in the span.
func (s Span) Contains(t time.Time) bool { return !t.Before(s.From) && t.Before(s.To) }

// calendar is what turns instants into a member's periods: the programme's zone, and when the member was enrolled.
type calendar struct {
	zone     *time.Location
	enrolled time.Time
}

// monthsOf is the length of the periods that follow the calendar.
var monthsOf = map[PeriodKind]int{CalendarYear: 12, HalfYear: 6, Quarter: 3, Month: 1}

// at is the period that an instant lies in.
func (p Period) at(t time.Time, c calendar) Span {
	local := t.In(c.zone)
	year, month, day := local.Date()
	switch p.Kind {
	case Ever:
		return Span{time.Unix(0, 0).UTC(), ledger.Never}
	case Rolling:
		to := ledger.DayStart(year, month, day+1, c.zone)
		return Span{addMonths(to, -p.Months, c.zone), to}
	case Anniversary:
		return c.anniversary(t)
	case CalendarYear, HalfYear, Quarter, Month:
	}
	n := monthsOf[p.Kind]
	first := time.Month((int(month)-1)/n*n + 1)
	return Span{ledger.DayStart(year, first, 1, c.zone), ledger.DayStart(year, first+time.Month(n), 1, c.zone)}
}

// anniversary is the year from one anniversary of enrolment to the next.
func (c calendar) anniversary(t time.Time) Span {
	if c.enrolled.IsZero() {
		return Period{Kind: CalendarYear}.at(t, c)
	}
	_, month, day := c.enrolled.In(c.zone).Date()
	year := t.In(c.zone).Year()
	from := dayIn(year, month, day, c.zone)
	if from.After(t) {
		year--
		from = dayIn(year, month, day, c.zone)
	}
	return Span{from, dayIn(year+1, month, day, c.zone)}
}

// before is the period that ends where another begins. Rolling periods have none.
func (p Period) before(s Span, c calendar) (Span, bool) {
	if p.Kind == Ever || p.Kind == Rolling || !s.From.After(time.Unix(0, 0)) {
		return Span{}, false
	}
	return p.at(s.From.Add(-time.Microsecond), c), true
}

// dayIn is the first instant of a day of a year; 29 February falls on the 28th in a common year.
func dayIn(year int, month time.Month, day int, zone *time.Location) time.Time {
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return ledger.DayStart(year, month, min(day, last), zone)
}

// addMonths goes whole months on from a local day, or from the end of the day that an instant lies in.
func addMonths(t time.Time, months int, zone *time.Location) time.Time {
	if t.Equal(ledger.Never) {
		return t
	}
	year, month, day := t.In(zone).Date()
	if !ledger.DayStart(year, month, day, zone).Equal(t) {
		year, month, day = ledger.DayStart(year, month, day+1, zone).In(zone).Date()
	}
	first := time.Date(year, month+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	return dayIn(first.Year(), first.Month(), day, zone)
}

// addDays goes whole days on from a local day.
func addDays(t time.Time, days int, zone *time.Location) time.Time {
	if t.Equal(ledger.Never) || days == 0 {
		return t
	}
	year, month, day := t.In(zone).Date()
	return ledger.DayStart(year, month, day+days, zone)
}

// ValidityEnd says where a tier's validity ends.
type ValidityEnd string

// The ends of validity, counted from where it begins.
const (
	EndOfPeriod     ValidityEnd = "end_of_period"
	EndOfNextPeriod ValidityEnd = "end_of_next_period"
	AfterMonths     ValidityEnd = "months"
)

// Values lists the ends of validity.
func (ValidityEnd) Values() []string {
	return []string{string(EndOfPeriod), string(EndOfNextPeriod), string(AfterMonths)}
}

// Validity is how long a tier holds.
type Validity struct {
	Until  ValidityEnd `yaml:"until" is:"required" doc:"Where it ends."`
	Months int         `yaml:"months" doc:"After how many months, when it ends after months."`
	Plus   int         `yaml:"plus" doc:"So many months more, whatever the end is."`
}

// end is where the validity of a tier ends that begins at start.
func (v Validity) end(p Period, start time.Time, c calendar) time.Time {
	end := addMonths(start, v.Months, c.zone)
	if v.Until != AfterMonths {
		end = p.at(start, c).To
	}
	if v.Until == EndOfNextPeriod && end.Before(ledger.Never) {
		end = p.at(end, c).To
	}
	return addMonths(end, v.Plus, c.zone)
}

// again is where the validity ends of what follows a validity that is over, one level down: one period or so many months on.
func (v Validity) again(p Period, start time.Time, c calendar) time.Time {
	if v.Until == EndOfNextPeriod {
		v.Until = EndOfPeriod
	}
	return v.end(p, start, c)
}

func (g *TierGroup) checkTimes() error {
	p, v := g.Period, g.Validity
	_, calendar := monthsOf[p.Kind]
	switch {
	case !calendar && p.Kind != Anniversary && p.Kind != Rolling && p.Kind != Ever:
		return fmt.Errorf("unknown period %q: use calendar_year, half_year, quarter, month, anniversary, rolling or ever", p.Kind)
	case (p.Kind == Rolling) != (p.Months != 0) || p.Months < 0 || p.Months > 120:
		return errors.New("a rolling period has 1 to 120 months, another has none")
	case v.Until != EndOfPeriod && v.Until != EndOfNextPeriod && v.Until != AfterMonths:
		return fmt.Errorf("unknown validity %q: use end_of_period, end_of_next_period or months", v.Until)
	case (v.Until == AfterMonths) != (v.Months != 0) || v.Months < 0 || v.Months > 120 || v.Plus < 0 || v.Plus > 120:
		return errors.New("a validity of months has 1 to 120 of them, another has none; plus is 0 to 120")
	case p.Kind == Rolling && (v.Until != AfterMonths || g.NextPeriod):
		return errors.New("what is measured over rolling months is valid for months, and begins at once")
	case p.Kind == Ever && (v.Until == EndOfNextPeriod || g.NextPeriod):
		return errors.New("what is measured for ever has no next period")
	case g.GraceDays < 0 || g.GraceDays > 366:
		return errors.New("grace is 0 to 366 days")
	}
	return nil
}
