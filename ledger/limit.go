package ledger

import (
	"fmt"
	"time"

	"github.com/shopspring/decimal"

	"tallystick/internal/document"
)

// Limit bounds what one member, or all of the programme, may get of something in an interval. What was used of it in one
// interval is the balance of a cap account, below zero, whose floor is the limit: so it is exact however many use it at
// once, and a reversal gives back what the reversed transaction had used.
type Limit struct {
	Code string
	// Of is the unit whose amounts count, or Times: then each leg counts once, and of rights each one.
	Of string
	// Per is who shares it.
	Per      LimitPer
	Interval Interval
	Most     decimal.Decimal
}

type limitDocument struct {
	Code     string          `yaml:"code" is:"required" doc:"Its code."`
	Of       string          `yaml:"of" is:"required" doc:"The unit whose amounts count, or times."`
	Per      LimitPer        `yaml:"per" is:"required" doc:"Who shares it."`
	Interval Interval        `yaml:"interval" is:"required" doc:"The calendar interval in which it counts."`
	Most     document.Amount `yaml:"most" is:"required" doc:"What there may be in one interval at the most."`
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

// limit declares a limit and the unit that counts its uses, with mistakes too.
func (p *Programme) limit(at document.Spot, d limitDocument) {
	unit := Unit{Code: d.Code, Kind: LimitUnit}
	if counted, declared := p.Units[d.Of]; declared && counted.Kind != LimitUnit {
		unit.Scale = counted.Scale
	} else if d.Of != Times {
		at.At("of").Wrong(fmt.Sprintf("%q is no declared unit", d.Of), "use times, or a unit that is declared under units")
		d.Of = Times
	}
	var ok bool
	if unit.Most, ok = d.Most.Decimal(); !ok || !unit.counts(unit.Most) || unit.Most.GreaterThan(maxBalance) {
		at.At("most").Wrong(fmt.Sprintf("%q is no amount", d.Most), fmt.Sprintf("use a number with at most %d decimal places", unit.Scale))
	}
	switch _, twice := p.Units[d.Code]; {
	case len(d.Code) > 64:
		at.At("code").Wrong("it is too long", "use 1 to 64 characters")
	case twice:
		at.At("code").Wrong("a unit or a limit has this code, and a limit is a unit", "give each a code of its own")
	default:
		p.Units[d.Code] = unit
		p.Limits[d.Code] = Limit{Code: d.Code, Of: d.Of, Per: d.Per, Interval: d.Interval, Most: unit.Most}
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
