package benefits

import (
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

var china = time.FixedZone("CST", 8*60*60)

// day is a local time of the tests' zone.
func day(text string) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, text, china)
	if err != nil {
		panic(err)
	}
	return t
}

// ladderOf makes a group whose tiers are reached with so many points each.
func ladderOf(p Period, v Validity, from ...int64) *TierGroup {
	g := &TierGroup{Code: "club", Period: p, Validity: v, Unit: "points"}
	for i, least := range from {
		g.Tiers = append(g.Tiers, Tier{
			Code: string(rune('a' + i)), From: map[string]decimal.Decimal{string(ByPoints): decimal.NewFromInt(least)},
		})
	}
	return g
}

// accruals are what a member accrued, each at its effective time.
type accruals []struct {
	at     time.Time
	points int64
}

func (e accruals) in(s Span) map[string]decimal.Decimal {
	sum := decimal.Zero
	for _, a := range e {
		if s.Contains(a.at) {
			sum = sum.Add(decimal.NewFromInt(a.points))
		}
	}
	return map[string]decimal.Decimal{string(ByPoints): sum}
}

// life is one member's way through a group: each look decides and keeps what was decided.
type life struct {
	group      *TierGroup
	earned     accruals
	held, next Grant
	calendar
}

// at is the case of the member at a time, read as wantMeasures reads it.
func (l *life) at(now time.Time) TierCase {
	if l.next.Rank > 0 && !l.next.Start.After(now) {
		l.held, l.next = l.next, Grant{}
	}
	c := TierCase{Group: l.group, Source: ByPoints, Now: now, Held: l.held, Next: l.next, calendar: l.calendar}
	span, more := l.group.Period.at(now, l.calendar), true
	for more {
		c.Periods = append(c.Periods, Measured{span, l.earned.in(span)})
		span, more = l.group.Period.before(span, l.calendar)
		more = more && l.group.outlives() && l.group.endOf(span, l.calendar).After(now)
	}
	c.Basis = l.earned.in(l.held.Basis)
	return c
}

func (l *life) look(now time.Time) (held, next TierDecision) {
	c := l.at(now)
	held = c.Decide()
	if held.Change {
		l.held = held.Grant
	}
	next = c.DecideNext(held.Grant)
	if next.Change {
		l.next = next.Grant
	}
	return held, next
}

func TestTiersOfAYear(t *testing.T) {
	t.Parallel()
	type step struct {
		on    string
		earns int64 // just then
		rank  int
		cause Cause
		until string // the end of the validity; empty for no tier
	}
	year := Period{Kind: CalendarYear}
	toNextYear := Validity{Until: EndOfNextPeriod}
	toEndOfYear := Validity{Until: EndOfPeriod}
	for name, tc := range map[string]struct {
		group *TierGroup
		steps []step
	}{
		"rises at once, is kept, and ends when the next year gave nothing": {
			ladderOf(year, toNextYear, 100, 500),
			[]step{
				{"2026-03-01", 99, 0, None, ""},
				{"2026-04-01", 1, 1, Rise, "2028-01-01"},
				{"2026-05-01", 400, 2, Rise, "2028-01-01"},
				{"2027-12-31", 0, 2, Kept, "2028-01-01"},
				{"2028-01-01", 0, 0, Lapsed, ""},
			},
		},
		"as much in the next year extends the validity": {
			ladderOf(year, toNextYear, 100),
			[]step{{"2026-03-01", 100, 1, Rise, "2028-01-01"}, {"2027-02-01", 100, 1, Requalified, "2029-01-01"}},
		},
		"falls to what the next year gave": {
			ladderOf(year, toNextYear, 100, 500),
			[]step{
				{"2026-03-01", 500, 2, Rise, "2028-01-01"},
				{"2027-03-01", 100, 2, Kept, "2028-01-01"},
				{"2028-01-01", 0, 1, Fall, "2029-01-01"},
			},
		},
		"lands softly, one tier a year": {
			func() *TierGroup { g := ladderOf(year, toNextYear, 100, 500, 900); g.SoftLanding = true; return g }(),
			[]step{
				{"2026-03-01", 900, 3, Rise, "2028-01-01"},
				{"2028-01-01", 0, 2, SoftLanding, "2029-01-01"},
				{"2029-01-01", 0, 1, SoftLanding, "2030-01-01"},
				{"2030-01-01", 0, 0, Lapsed, ""},
			},
		},
		"lands where it would be when nobody looked for two years": {
			func() *TierGroup { g := ladderOf(year, toNextYear, 100, 500, 900); g.SoftLanding = true; return g }(),
			[]step{{"2026-03-01", 900, 3, Rise, "2028-01-01"}, {"2029-06-01", 0, 1, SoftLanding, "2030-01-01"}},
		},
		"holds for the days of grace": {
			func() *TierGroup { g := ladderOf(year, toEndOfYear, 100); g.GraceDays = 31; return g }(),
			[]step{
				{"2026-03-01", 100, 1, Rise, "2027-01-01"},
				{"2027-01-31", 0, 1, InGrace, "2027-01-01"},
				{"2027-02-01", 0, 0, Lapsed, ""},
			},
		},
		"is requalified for in the days of grace": {
			func() *TierGroup { g := ladderOf(year, toEndOfYear, 100); g.GraceDays = 31; return g }(),
			[]step{{"2026-03-01", 100, 1, Rise, "2027-01-01"}, {"2027-01-15", 100, 1, Requalified, "2028-01-01"}},
		},
		"begins with the next year, for that year": {
			func() *TierGroup { g := ladderOf(year, toEndOfYear, 100); g.NextPeriod = true; return g }(),
			[]step{{"2026-03-01", 100, 0, None, ""}, {"2027-01-01", 0, 1, Kept, "2028-01-01"}, {"2028-01-01", 0, 0, Lapsed, ""}},
		},
		"goes back when what reached it is taken back": {
			ladderOf(year, toNextYear, 100, 500),
			[]step{
				{"2026-03-01", 500, 2, Rise, "2028-01-01"},
				{"2026-04-01", -350, 1, Corrected, "2028-01-01"},
				{"2026-05-01", -100, 0, Corrected, ""},
			},
		},
		"months of validity count from the day, and are not extended while they last": {
			ladderOf(Period{Kind: Rolling, Months: 12}, Validity{Until: AfterMonths, Months: 6}, 100),
			[]step{
				{"2026-03-01", 100, 1, Rise, "2026-09-01"},
				{"2026-05-01", 100, 1, Kept, "2026-09-01"},
				{"2026-09-01", 0, 1, Requalified, "2027-03-01"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &life{group: tc.group, calendar: calendar{zone: china}}
			for _, s := range tc.steps {
				now := day(s.on)
				l.earned = append(l.earned, struct {
					at     time.Time
					points int64
				}{now, s.earns})
				got, _ := l.look(now)
				if got.Rank != s.rank || got.Cause != s.cause {
					t.Fatalf("%s: rank %d for %s, want %d for %s", s.on, got.Rank, got.Cause, s.rank, s.cause)
				}
				if s.until != "" && !got.Until.Equal(day(s.until)) {
					t.Fatalf("%s: until %s, want %s", s.on, got.Until, s.until)
				}
			}
		})
	}
}

// drawGroup draws a group that a document may have.
func drawGroup(t *rapid.T) *TierGroup {
	g := ladderOf(
		Period{Kind: rapid.SampledFrom([]PeriodKind{CalendarYear, HalfYear, Quarter, Month, Anniversary, Rolling, Ever}).Draw(t, "period")},
		Validity{Until: rapid.SampledFrom([]ValidityEnd{EndOfPeriod, EndOfNextPeriod, AfterMonths}).Draw(t, "validity")},
		100, 300, 900,
	)
	if g.Period.Kind == Rolling {
		g.Period.Months, g.Validity.Until = rapid.IntRange(1, 24).Draw(t, "months measured"), AfterMonths
	}
	if g.Period.Kind == Ever && g.Validity.Until == EndOfNextPeriod {
		g.Validity.Until = EndOfPeriod
	}
	if g.Validity.Until == AfterMonths {
		g.Validity.Months = rapid.IntRange(1, 24).Draw(t, "months valid")
	}
	g.Validity.Plus = rapid.IntRange(0, 3).Draw(t, "plus")
	g.NextPeriod = g.Period.Kind != Rolling && g.Period.Kind != Ever && rapid.Bool().Draw(t, "next period")
	g.SoftLanding = rapid.Bool().Draw(t, "soft landing")
	g.GraceDays = rapid.SampledFrom([]int{0, 0, 30}).Draw(t, "grace")
	return g
}

// TestDecidingATierAgainChangesNothing: whatever a member accrues, loses and lets pass, a decision stands when it is made
// again on what it left, and grants nothing that is over already, which the journal would refuse.
func TestDecidingATierAgainChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := &life{group: drawGroup(t), calendar: calendar{zone: china}}
		now := day("2024-02-29").Add(10 * time.Hour)
		if rapid.Bool().Draw(t, "enrolled") {
			l.enrolled = now
		}
		if err := l.group.checkTimes(); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 24*500).Draw(t, "hours")) * time.Hour)
			l.earned = append(l.earned, struct {
				at     time.Time
				points int64
			}{now, rapid.Int64Range(-200, 500).Draw(t, "points")})
			held, next := l.look(now)
			if held.Rank > 0 && !held.LotUntil.After(now) {
				t.Fatalf("%s: %s grants what ended at %s", now, held.Cause, held.LotUntil)
			}
			if next.Rank > 0 && (!next.Start.After(now) || !next.LotUntil.After(next.Start)) {
				t.Fatalf("%s: to begin at %s, to end at %s", now, next.Start, next.LotUntil)
			}
			if again, after := l.look(now); again.Change || after.Change {
				t.Fatalf("%s: %+v, then %+v; next %+v, then %+v", now, held, again, next, after)
			}
		}
	})
}
