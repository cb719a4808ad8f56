package ledger

import (
	"fmt"
	"time"

	"github.com/shopspring/decimal"
)

// Limit bounds what one member, or all of the programme, may get of something in an interval. What was used of it in one
// interval is the balance of a cap account, below zero, whose floor is the limit: so it is exact however many use it at
// once, and a reversal gives back what the reversed transaction had used.
type Limit struct {
	Code string `yaml:"code"`
	// Of is the unit whose amounts count, or Times: then each leg counts once, and of rights each one.
	Of string `yaml:"of"`
	// Per is who shares it.
	Per      LimitPer        `yaml:"per"`
	Interval Interval        `yaml:"interval"`
	Most     decimal.Decimal `yaml:"-"`
	MostText string          `yaml:"most"`
}

// Times is what a limit counts that is not about amounts.
const Times = "times"

// LimitPer is who shares a limit.
type LimitPer string

// A limit is each member's own, or one for the whole programme: a budget.
const (
	PerMember    LimitPer = "member"
	PerProgramme LimitPer = "programme"
)

// Values are the words that a document may use.
func (LimitPer) Values() []string { return []string{string(PerMember), string(PerProgramme)} }

// Interval is the calendar interval in which a limit counts, in the programme's zone.
type Interval string

// The intervals. Weeks are those of ISO 8601 and begin on Monday.
const (
	Day     Interval = "day"
	Week    Interval = "week"
	Month   Interval = "month"
	Quarter Interval = "quarter"
	Year    Interval = "year"
	Ever    Interval = "ever"
)

// Values are the words that a document may use.
func (Interval) Values() []string {
	return []string{string(Day), string(Week), string(Month), string(Quarter), string(Year), string(Ever)}
}

// Of names the interval that a time lies in: "2026-03-01", "2026-W10", "2026-03", "2026-Q1", "2026", "ever".
func (i Interval) Of(at time.Time, zone *time.Location) string {
	local := at.In(zone)
	switch i {
	case Day:
		return local.Format(time.DateOnly)
	case Week:
		year, week := local.ISOWeek()
		return fmt.Sprintf("%04d-W%02d", year, week)
	case Month:
		return local.Format("2006-01")
	case Quarter:
		return fmt.Sprintf("%04d-Q%d", local.Year(), (local.Month()+2)/3)
	case Year:
		return local.Format("2006")
	default:
		return string(Ever)
	}
}

// Ends is when the interval that a time lies in ends; [Never] for one without end.
func (i Interval) Ends(at time.Time, zone *time.Location) time.Time {
	local := at.In(zone)
	day := func(year int, month time.Month, day int) time.Time {
		return time.Date(year, month, day, 0, 0, 0, 0, zone)
	}
	switch i {
	case Day:
		return day(local.Year(), local.Month(), local.Day()+1)
	case Week:
		return day(local.Year(), local.Month(), local.Day()+7-(int(local.Weekday())+6)%7)
	case Month:
		return day(local.Year(), local.Month()+1, 1)
	case Quarter:
		return day(local.Year(), local.Month()+3-(local.Month()-1)%3, 1)
	case Year:
		return day(local.Year()+1, time.January, 1)
	default:
		return Never
	}
}

// Cap is the account of what a member used of the limit in the interval of a time; for a programme's limit all members
// have the same one.
func (p *Programme) Cap(limit Limit, member string, at time.Time) Account {
	owner := ProgrammeOwner
	if limit.Per == PerMember {
		owner = Member(member)
	}
	return Account{Unit: limit.Code, Owner: owner, Place: Cap, Period: limit.Interval.Of(at, p.Zone)}
}

// limit declares a limit and the unit that counts its uses.
func (p *Programme) limit(l Limit) error {
	unit := Unit{Code: l.Code, Kind: LimitUnit}
	if l.Of != Times {
		counted, declared := p.Units[l.Of]
		if !declared || counted.Kind == LimitUnit {
			return fmt.Errorf("of: %q is neither %q nor a declared unit", l.Of, Times)
		}
		unit.Scale = counted.Scale
	}
	var err error
	if l.Most, err = decimal.NewFromString(l.MostText); err != nil || !unit.counts(l.Most) || l.Most.GreaterThan(maxBalance) {
		return fmt.Errorf("most: %q is not an amount with at most %d decimal places", l.MostText, unit.Scale)
	}
	switch {
	case l.Per != PerMember && l.Per != PerProgramme:
		return fmt.Errorf("per: %q: use member or programme", l.Per)
	case !l.Interval.known():
		return fmt.Errorf("interval: %q: use day, week, month, quarter, year or ever", l.Interval)
	}
	unit.Most = l.Most
	p.Limits[l.Code] = l
	return p.addUnit(unit)
}

func (i Interval) known() bool {
	switch i {
	case Day, Week, Month, Quarter, Year, Ever:
		return true
	default:
		return false
	}
}

// counted is what a leg of an amount uses of a limit.
func (b *Book) counted(limit Limit, leg Leg) decimal.Decimal {
	if limit.Of == Times && b.programme.Units[leg.Unit].Kind != RightUnit {
		return decimal.NewFromInt(1)
	}
	return leg.Amount
}

// within is how much of a leg its limits let through: all, or what the scarcest of them has left.
func (b *Book) within(leg Leg) decimal.Decimal {
	for _, c := range leg.Uses {
		limit, acc := b.programme.Limits[c.Unit], b.account(c)
		left := acc.balance.Sub(acc.floor)
		switch {
		case limit.Of != Times:
			leg.Amount = decimal.Min(leg.Amount, left.Truncate(b.programme.Units[leg.Unit].Scale))
		case left.LessThan(b.counted(limit, leg)):
			return decimal.Zero
		}
	}
	return decimal.Max(leg.Amount, decimal.Zero) // a limit that was lowered may have less than nothing left
}

// use posts what a leg uses of its limits.
func (b *Book) use(tx *Transaction, leg Leg) *Refusal {
	for _, c := range leg.Uses {
		if refusal := b.move(tx, c, usedOf(c), b.counted(b.programme.Limits[c.Unit], leg), nil); refusal != nil {
			return refusal
		}
	}
	return nil
}

// usedOf is where the uses of a limit add up.
func usedOf(c Account) Account { return Account{Unit: c.Unit, Owner: ProgrammeOwner, Place: Redeemed} }
