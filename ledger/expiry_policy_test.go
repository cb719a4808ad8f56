package ledger

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"tallystick/internal/document"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestPolicyEndsAtALocalMidnight(t *testing.T) {
	rolling := func(months int) Policy { return Policy{Kind: RollingPolicy, Months: months} }
	fixed := func(month, day int) Policy { return Policy{Kind: FixedDayPolicy, Month: month, Day: day} }
	for _, c := range []struct {
		name, zone string
		policy     Policy
		from, want string
	}{
		{"rolling a year", "Asia/Shanghai", rolling(12), "1997-01-15T12:00:00+08:00", "1998-02-01T00:00:00+08:00"},
		{"rolling to the end of the same month", "Asia/Shanghai", rolling(0), "2026-02-27T12:00:00+08:00", "2026-03-01T00:00:00+08:00"},
		{"rolling over the year's end", "Asia/Shanghai", rolling(3), "2026-11-30T23:59:59+08:00", "2027-03-01T00:00:00+08:00"},
		{"rolling from the 31st into a short month", "Asia/Shanghai", rolling(1), "2026-01-31T12:00:00+08:00", "2026-03-01T00:00:00+08:00"},
		{"rolling into a leap February", "Asia/Shanghai", rolling(1), "2028-01-31T12:00:00+08:00", "2028-03-01T00:00:00+08:00"},
		{"the month is the zone's, not UTC's", "Asia/Shanghai", rolling(0), "2026-01-31T16:30:00Z", "2026-03-01T00:00:00+08:00"},
		{"the last microsecond of a month", "Asia/Shanghai", rolling(0), "2026-01-31T15:59:59.999999Z", "2026-02-01T00:00:00+08:00"},
		{"the first instant of a month", "Asia/Shanghai", rolling(0), "2026-02-01T00:00:00+08:00", "2026-03-01T00:00:00+08:00"},
		{"from winter into summer time", "America/New_York", rolling(2), "2026-01-31T12:00:00-05:00", "2026-04-01T00:00:00-04:00"},
		{"activity is rolling", "Asia/Shanghai", Policy{Kind: ActivityPolicy, Months: 6}, "2026-01-15T12:00:00+08:00", "2026-08-01T00:00:00+08:00"},

		{"the natural year", "Asia/Shanghai", Policy{Kind: NaturalYearPolicy}, "2026-01-01T00:00:00+08:00", "2027-01-01T00:00:00+08:00"},
		{"the natural year is the zone's", "Asia/Shanghai", Policy{Kind: NaturalYearPolicy}, "2025-12-31T16:00:00Z", "2027-01-01T00:00:00+08:00"},
		{"the year after", "Asia/Shanghai", Policy{Kind: NaturalYearPolicy, Years: 1}, "2026-12-31T23:59:59+08:00", "2028-01-01T00:00:00+08:00"},

		{"a fixed day this year", "Asia/Shanghai", fixed(3, 31), "2026-01-15T12:00:00+08:00", "2026-04-01T00:00:00+08:00"},
		{"on the fixed day", "Asia/Shanghai", fixed(3, 31), "2026-03-31T23:59:59+08:00", "2026-04-01T00:00:00+08:00"},
		{"when the fixed day is over", "Asia/Shanghai", fixed(3, 31), "2026-04-01T00:00:00+08:00", "2027-04-01T00:00:00+08:00"},
		{"New Year's Eve", "Asia/Shanghai", fixed(12, 31), "2026-12-31T12:00:00+08:00", "2027-01-01T00:00:00+08:00"},
		{"29 February in a leap year", "Asia/Shanghai", fixed(2, 29), "2028-02-29T12:00:00+08:00", "2028-03-01T00:00:00+08:00"},
		{"29 February in a common year", "Asia/Shanghai", fixed(2, 29), "2026-01-15T12:00:00+08:00", "2026-03-01T00:00:00+08:00"},
		{"28 February in a leap year", "Asia/Shanghai", fixed(2, 28), "2028-01-15T12:00:00+08:00", "2028-02-29T00:00:00+08:00"},
		{"after 29 February, when the next is a common year", "Asia/Shanghai", fixed(2, 29), "2028-03-01T00:00:00+08:00", "2029-03-01T00:00:00+08:00"},

		// Where summer time begins at midnight the day begins at one o'clock.
		{"a gap at midnight in São Paulo", "America/Sao_Paulo", fixed(11, 3), "2018-10-01T00:00:00-03:00", "2018-11-04T01:00:00-02:00"},
		{"a gap at midnight in Cairo", "Africa/Cairo", fixed(4, 25), "2024-04-01T00:00:00+02:00", "2024-04-26T01:00:00+03:00"},
		{"a month that begins in a gap", "Asia/Beirut", rolling(0), "1985-04-10T00:00:00+02:00", "1985-05-01T01:00:00+03:00"},
		// Where it ends at midnight the evening before lasts an hour longer.
		{"an hour twice before midnight in São Paulo", "America/Sao_Paulo", fixed(2, 17), "2018-02-01T00:00:00-02:00", "2018-02-18T00:00:00-03:00"},
		{"an hour twice before midnight in Cairo", "Africa/Cairo", rolling(0), "2024-10-10T00:00:00+03:00", "2024-11-01T00:00:00+02:00"},
		{"an hour twice before midnight in Beirut", "Asia/Beirut", fixed(10, 26), "2024-10-10T00:00:00+03:00", "2024-10-27T00:00:00+02:00"},
		// Where midnight comes twice, the day begins with the first.
		{"midnight twice in Havana", "America/Havana", rolling(0), "2020-10-10T00:00:00-04:00", "2020-11-01T00:00:00-04:00"},
		{"midnight twice in Amman", "Asia/Amman", rolling(0), "2014-10-10T00:00:00+03:00", "2014-11-01T00:00:00+02:00"},
		{"midnight twice in Amman, on the day", "Asia/Amman", fixed(10, 30), "2014-10-10T00:00:00+03:00", "2014-10-31T00:00:00+03:00"},
		{"a day that never was in Apia", "Pacific/Apia", fixed(12, 29), "2011-12-01T00:00:00-10:00", "2011-12-31T00:00:00+14:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, err := time.Parse(time.RFC3339, c.from)
			if err != nil {
				t.Fatal(err)
			}
			want, err := time.Parse(time.RFC3339, c.want)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.policy.ExpiresAt(from, zone(t, c.zone)); !got.Equal(want) {
				t.Errorf("expires at %s, want %s", got.In(want.Location()).Format(time.RFC3339), c.want)
			}
		})
	}
}

func TestWhatNeverExpiresHasAFixedEnd(t *testing.T) {
	for _, p := range []Policy{{Kind: NeverPolicy}, {}} {
		if got := p.ExpiresAt(day("2026-01-15"), time.UTC); !got.Equal(Never) {
			t.Errorf("expires at %s", got)
		}
	}
}

var oddZones = []string{
	"Asia/Shanghai", "America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "America/Havana", "Pacific/Apia", "America/New_York",
	"Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "Atlantic/Azores", "Asia/Tehran", "America/Asuncion",
	"Asia/Amman", "UTC",
}

func TestPoliciesEndAfterTheyBeginAtTheFirstInstantOfADay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(oddZones).Draw(t, "zone")
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		p := Policy{
			Kind:   rapid.SampledFrom([]PolicyKind{RollingPolicy, NaturalYearPolicy, FixedDayPolicy, ActivityPolicy}).Draw(t, "kind"),
			Months: rapid.IntRange(0, 40).Draw(t, "months"), Years: rapid.IntRange(0, 4).Draw(t, "years"),
			Month: rapid.IntRange(1, 12).Draw(t, "month"), Day: rapid.IntRange(1, 29).Draw(t, "day"),
		}
		draw := rapid.Int64Range(day("1972-01-01").UnixMicro(), day("2037-01-01").UnixMicro())
		from, to := time.UnixMicro(draw.Draw(t, "from")), time.UnixMicro(draw.Draw(t, "to"))
		if to.Before(from) {
			from, to = to, from
		}
		end := p.ExpiresAt(from, z)
		if !end.After(from) {
			t.Fatalf("%+v in %s from %s ends at %s", p, name, from.In(z), end.In(z))
		}
		if before := end.Add(-time.Microsecond).In(z); before.Day() == end.In(z).Day() {
			t.Fatalf("%+v in %s from %s ends at %s, within a day", p, name, from.In(z), end.In(z))
		}
		if later := p.ExpiresAt(to, z); later.Before(end) {
			t.Fatalf("%+v in %s: what begins later, at %s, ends sooner, at %s", p, name, to.In(z), later.In(z))
		}
	})
}

func TestEveryDayBeginsAtItsFirstInstant(t *testing.T) {
	for _, name := range oddZones {
		z := zone(t, name)
		for at := time.Date(1972, 1, 1, 12, 0, 0, 0, z); at.Year() < 2030; at = at.Add(24 * time.Hour) {
			year, month, day := at.Date()
			start := firstInstant(year, month, day, z)
			if start.Day() != day || start.Add(-time.Second).Day() == day {
				t.Errorf("%s: %s does not begin at %s", name, at.Format(time.DateOnly), start)
			}
		}
	}
}

func TestAPolicysNumbersHaveBounds(t *testing.T) {
	for _, p := range []Policy{
		{Kind: RollingPolicy, Months: -1},
		{Kind: RollingPolicy, Months: 1201},
		{Kind: ActivityPolicy, Months: -1},
		{Kind: NaturalYearPolicy, Years: -1},
		{Kind: NaturalYearPolicy, Years: 101},
		{Kind: FixedDayPolicy},
		{Kind: FixedDayPolicy, Month: 13, Day: 1},
		{Kind: FixedDayPolicy, Month: 4, Day: 31},
		{Kind: FixedDayPolicy, Month: 2, Day: 30},
	} {
		if p.mistakes() == nil {
			t.Errorf("%+v passes", p)
		}
	}
	if err := (Policy{Kind: FixedDayPolicy, Month: 2, Day: 29}).mistakes(); err != nil {
		t.Error(err)
	}
}

// mistakes are what is wrong with the numbers of a policy whose kind is one.
func (p Policy) mistakes() error {
	doc := document.Read([]byte("kind: " + p.Kind))
	p.check(doc.At())
	return doc.Err()
}
