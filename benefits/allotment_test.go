package benefits

import (
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

func shanghai(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestThePeriodOfAnAllotmentIsOfTheProgrammesCalendar(t *testing.T) {
	t.Parallel()
	zone := shanghai(t)
	leap := time.Date(2024, 2, 29, 9, 0, 0, 0, zone)
	for _, c := range []struct {
		per             AllotmentPeriod
		at, start, end  string
		days, daysAfter int64
	}{
		{PerMonth, "2026-02-28T15:59:59Z", "2026-02-01", "2026-03-01", 28, 1},
		{PerMonth, "2026-02-28T16:00:00Z", "2026-03-01", "2026-04-01", 31, 31},
		{PerQuarter, "2026-05-20T00:00:00Z", "2026-04-01", "2026-07-01", 91, 42},
		{PerYear, "2026-12-31T16:00:00Z", "2027-01-01", "2028-01-01", 365, 365},
		{PerAnniversary, "2026-02-28T15:59:59Z", "2025-03-01", "2026-03-01", 365, 1},
		{PerAnniversary, "2026-02-28T16:00:00Z", "2026-03-01", "2027-03-01", 365, 365},
		{PerAnniversary, "2028-02-28T16:00:00Z", "2028-02-29", "2029-03-01", 366, 366},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		a := &Allotment{Per: c.per}
		got := a.term(at, leap, zone)
		if got.start.Format(time.DateOnly) != c.start || got.end.Format(time.DateOnly) != c.end || got.start.Location() != zone {
			t.Errorf("%s at %s: %s to %s", c.per, c.at, got.start, got.end)
		}
		if got.days(got.start) != c.days || got.days(at) != c.daysAfter {
			t.Errorf("%s at %s: %d days, %d left", c.per, c.at, got.days(got.start), got.days(at))
		}
		if before := a.before(got, leap, zone); !before.end.Equal(got.start) {
			t.Errorf("%s at %s: the period before ends at %s", c.per, c.at, before.end)
		}
	}
}

func TestAnAllotmentFollowsTheTierByItsRules(t *testing.T) {
	t.Parallel()
	zone := shanghai(t)
	year := span{time.Date(2026, 1, 1, 0, 0, 0, 0, zone), time.Date(2027, 1, 1, 0, 0, 0, 0, zone)}
	july := time.Date(2026, 7, 2, 12, 0, 0, 0, zone) // 183 of 365 days are left
	granted := func(steps ...any) (chain []allotted) {
		for i := 0; i < len(steps); i += 2 {
			chain = append(chain, allotted{steps[i].(string), decimal.NewFromInt(int64(steps[i+1].(int)))})
		}
		return chain
	}
	for name, c := range map[string]struct {
		upgrade   UpgradeRule
		downgrade DowngradeRule
		chain     []allotted
		tier      string
		left      int64
		want      int64
	}{
		"the first of a period is whole":                  {Prorate, Keep, nil, "gold", 0, 6},
		"the same tier again":                             {TopUp, Cut, granted("gold", 6), "gold", 1, 0},
		"an upgrade tops up to the new total":             {TopUp, Keep, granted("gold", 6), "diamond", 2, 14},
		"an upgrade gives the difference for the rest":    {Prorate, Keep, granted("gold", 6), "diamond", 2, 7},
		"an upgrade waits":                                {NextPeriod, Keep, granted("gold", 6), "diamond", 2, 0},
		"a downgrade keeps":                               {TopUp, Keep, granted("diamond", 20), "gold", 9, 0},
		"a downgrade takes what is above":                 {TopUp, Cut, granted("diamond", 20), "gold", 18, -14},
		"a downgrade takes what is not used":              {TopUp, Cut, granted("diamond", 20), "gold", 3, -3},
		"a downgrade takes nothing of nothing":            {TopUp, Cut, granted("diamond", 20), "gold", 0, 0},
		"a downgrade to no tier takes all that is left":   {TopUp, Cut, granted("gold", 6), "", 4, -4},
		"after a cut an upgrade tops up again":            {TopUp, Cut, granted("diamond", 20, "gold", -14), "diamond", 4, 14},
		"after a kept downgrade there is nothing to give": {Prorate, Keep, granted("gold", 6, "diamond", 7), "diamond", 4, 0},
	} {
		a := &Allotment{
			Unit: "visits", Per: PerYear, Upgrade: c.upgrade, Downgrade: c.downgrade,
			Totals: map[string]decimal.Decimal{"gold": decimal.NewFromInt(6), "diamond": decimal.NewFromInt(20)},
		}
		got := a.next(c.chain, a.Totals[c.tier], decimal.NewFromInt(c.left), year, july)
		if !got.Equal(decimal.NewFromInt(c.want)) {
			t.Errorf("%s: %s, want %d", name, got, c.want)
		}
	}
}

// However tiers rise and fall and whatever is used, what was granted is never above the highest total that was held, never
// below what was used, and a step that is decided again gives nothing.
func TestAllotmentsNeverGiveMoreThanTheHighestTierHeld(t *testing.T) {
	t.Parallel()
	year := span{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	totals := map[string]decimal.Decimal{"": {}, "silver": decimal.NewFromInt(2), "gold": decimal.NewFromInt(6), "diamond": decimal.NewFromInt(20)}
	rapid.Check(t, func(t *rapid.T) {
		a := &Allotment{
			Unit: "visits", Per: PerYear, Totals: totals,
			Upgrade:   rapid.SampledFrom([]UpgradeRule{TopUp, Prorate, NextPeriod}).Draw(t, "upgrade"),
			Downgrade: rapid.SampledFrom([]DowngradeRule{Keep, Cut}).Draw(t, "downgrade"),
		}
		var chain []allotted
		var granted, used, highest decimal.Decimal
		day := year.start
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			day = day.AddDate(0, 0, rapid.IntRange(0, 18).Draw(t, "days"))
			tier := rapid.SampledFrom([]string{"", "silver", "gold", "diamond"}).Draw(t, "tier")
			highest = decimal.Max(highest, totals[tier])
			for range 3 {
				step := a.next(chain, totals[tier], granted.Sub(used), year, day)
				if step.IsZero() {
					break
				}
				if !step.Equal(step.Truncate(0)) {
					t.Fatalf("step of %s", step)
				}
				granted, chain = granted.Add(step), append(chain, allotted{tier, step})
			}
			if again := a.next(chain, totals[tier], granted.Sub(used), year, day); !again.IsZero() {
				t.Fatalf("a step of %s after %v", again, chain)
			}
			if granted.GreaterThan(highest) || granted.LessThan(used) {
				t.Fatalf("granted %s, used %s, the highest total is %s", granted, used, highest)
			}
			use := rapid.IntRange(0, 3).Draw(t, "use")
			used = decimal.Min(granted, used.Add(decimal.NewFromInt(int64(use))))
		}
	})
}
