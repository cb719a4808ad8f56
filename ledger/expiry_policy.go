package ledger

import (
	"fmt"
	"time"

	"tallystick/internal/document"
)

// PolicyKind is how an expiry policy finds the moment at which a lot expires.
type PolicyKind string

// The kinds of expiry policy.
const (
	// RollingPolicy keeps a lot to the end of the month that lies Months after the accrual's month.
	RollingPolicy PolicyKind = "rolling"
	// NaturalYearPolicy keeps what is accrued in a calendar year to the end of the year that lies Years later.
	NaturalYearPolicy PolicyKind = "natural_year"
	// FixedDayPolicy keeps a lot to the end of the next Month and Day after the accrual.
	FixedDayPolicy PolicyKind = "fixed_day"
	// ActivityPolicy is RollingPolicy counted from the member's last accrual or redemption in the unit.
	ActivityPolicy PolicyKind = "activity"
	// NeverPolicy keeps a lot for ever.
	NeverPolicy PolicyKind = "never"
)

// Values are the kinds that a document may name.
func (PolicyKind) Values() []string {
	return []string{string(RollingPolicy), string(NaturalYearPolicy), string(FixedDayPolicy), string(ActivityPolicy), string(NeverPolicy)}
}

// Policy says when lots expire. Instants are computed once, in the programme's zone, and stored on the lot.
type Policy struct {
	Kind   PolicyKind `yaml:"kind" is:"required" doc:"How the moment is found at which a lot expires."`
	Months int        `yaml:"months,omitempty" doc:"Of rolling and activity: months after the one that counts, 0 to 1200."`
	Years  int        `yaml:"years,omitempty" doc:"Of natural_year: years after the one that counts, 0 to 100."`
	Month  int        `yaml:"month,omitempty" doc:"Of fixed_day: the month, 1 to 12."`
	Day    int        `yaml:"day,omitempty" doc:"Of fixed_day: the day of the month."`
}

// ExpiresAt returns the first instant at which a lot that counts from the given time is expired. The result is a local
// midnight of zone, so daylight saving and the length of months cannot shift it.
func (p Policy) ExpiresAt(from time.Time, zone *time.Location) time.Time {
	local := from.In(zone)
	year, month, _ := local.Date()
	var end time.Time
	switch p.Kind {
	case RollingPolicy, ActivityPolicy:
		end = firstInstant(year, month+time.Month(p.Months)+1, 1, zone)
	case NaturalYearPolicy:
		end = firstInstant(year+p.Years+1, time.January, 1, zone)
	case FixedDayPolicy:
		end = dayAfter(year, time.Month(p.Month), p.Day, zone)
		if !end.After(from) {
			end = dayAfter(year+1, time.Month(p.Month), p.Day, zone)
		}
	default:
		return Never
	}
	return end.UTC()
}

// dayAfter is the end of a fixed day; 29 February falls on the 28th in a common year.
func dayAfter(year int, month time.Month, day int, zone *time.Location) time.Time {
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return firstInstant(year, month, min(day, last)+1, zone)
}

// firstInstant is the first instant of a local day. In zones that skip midnight when summer time begins, time.Date may
// answer an instant of the day before; the day then begins at the end of the gap. In zones where midnight comes twice when
// it ends, time.Date may answer the second; the day then begins with the first.
func firstInstant(year int, month time.Month, day int, zone *time.Location) time.Time {
	const step = 15 * time.Minute
	noon := time.Date(year, month, day, 12, 0, 0, 0, zone)
	start := time.Date(year, month, day, 0, 0, 0, 0, zone)
	for start.Day() != noon.Day() {
		start = start.Add(step).Truncate(step)
	}
	for earlier := start.Add(-step); earlier.Day() == noon.Day(); earlier = earlier.Add(-step) {
		start = earlier
	}
	return start
}

// check reports numbers that the policy's kind cannot use.
func (p Policy) check(at document.Spot) {
	switch p.Kind {
	case RollingPolicy, ActivityPolicy:
		if p.Months < 0 || p.Months > 1200 {
			at.At("months").Wrong(fmt.Sprintf("%d is out of range", p.Months), "use 0 to 1200 months")
		}
	case NaturalYearPolicy:
		if p.Years < 0 || p.Years > 100 {
			at.At("years").Wrong(fmt.Sprintf("%d is out of range", p.Years), "use 0 to 100 years")
		}
	case FixedDayPolicy:
		if p.Month < 1 || p.Month > 12 {
			at.At("month").Wrong(fmt.Sprintf("%d is no month", p.Month), "use 1 to 12")
			return
		}
		if last := time.Date(2000, time.Month(p.Month)+1, 0, 0, 0, 0, 0, time.UTC).Day(); p.Day < 1 || p.Day > last {
			at.At("day").Wrong(fmt.Sprintf("month %d has no day %d", p.Month, p.Day), fmt.Sprintf("use 1 to %d", last))
		}
	case NeverPolicy:
	}
}

// DayStart is the first instant of a local day of zone, in UTC. Days and months beyond the calendar's carry over, as in
// time.Date. It exists in every zone, also where summer time skips or repeats midnight.
func DayStart(year int, month time.Month, day int, zone *time.Location) time.Time {
	return firstInstant(year, month, day, zone).UTC()
}
