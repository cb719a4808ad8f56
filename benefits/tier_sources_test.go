package benefits_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/ledger"
)

// sourcesDocument has a ladder for persons that points, a score, the plan and the organisation lead up, and one for
// organisations by their own score.
const sourcesDocument = `programme: test
zone: Asia/Shanghai
sandbox: true
expiry:
  this-year: {kind: natural_year, years: 0}
units:
  - {code: points, kind: points}
  - {code: growth, kind: qualifying, expiry: this-year}
metrics:
  - {code: arpu, scale: 2, names: {en: Average bill, zh-Hans: 月均消费}}
  - {code: tenure, most: 600, names: {en: Months, zh-Hans: 在网月数}}
  - {code: revenue, names: {en: Revenue, zh-Hans: 收入}}
members:
  plans: [{code: top, names: {en: Top plan, zh-Hans: 尊享套餐}}]
  roles: [{code: executive, names: {en: Executive, zh-Hans: 高管}}]
  regions:
    - {code: china, level: nation, names: {en: China, zh-Hans: 中国}}
    - {code: gd, level: province, in: china, names: {en: Guangdong, zh-Hans: 广东}}
    - {code: gz, level: city, in: gd, names: {en: Guangzhou, zh-Hans: 广州}}
    - {code: sz, level: city, in: gd, names: {en: Shenzhen, zh-Hans: 深圳}}
tiers:
  - code: grades
    names: {en: Grades, zh-Hans: 客户分级}
    for: [organisation]
    period: {kind: half_year}
    validity: {until: end_of_next_period}
    scores: {worth: {metrics: {revenue: {weight: 1}}}}
    ladder:
      - {code: grade-b, from: {worth: 50}, names: {en: B, zh-Hans: 乙级}}
      - {code: grade-a, from: {worth: 100}, names: {en: A, zh-Hans: 甲级}}
  - code: club
    names: {en: Club, zh-Hans: 俱乐部}
    period: {kind: calendar_year}
    validity: {until: end_of_next_period}
    points: growth
    scores:
      value:
        scale: 1
        metrics:
          arpu: {weight: "0.2", regions: {gd: "1.1", sz: "0.9"}}
          tenure: {weight: "0.1"}
    plans: {top: gold}
    organisation: {group: grades, tiers: {grade-b: silver, grade-a: platinum}}
    ladder:
      - {code: silver, from: {points: 100, value: 40}, names: {en: Silver, zh-Hans: 银卡}}
      - {code: gold, from: {points: 500, value: 80}, names: {en: Gold, zh-Hans: 金卡}}
      - {code: platinum, from: {points: 1000, value: 120}, names: {en: Platinum, zh-Hans: 白金卡}}
`

func newSources(t *testing.T) club {
	t.Helper()
	return newClubOf(t, sourcesDocument)
}

func values(pairs ...string) map[string]decimal.Decimal {
	m := make(map[string]decimal.Decimal)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = decimal.RequireFromString(pairs[i+1])
	}
	return m
}

func (c club) setMetrics(t *testing.T, key, member, period string, pairs ...string) (benefits.MetricReport, error) {
	t.Helper()
	return c.SetMetrics(t.Context(), c.Programme, benefits.MetricReport{Member: member, Period: period, Values: values(pairs...)},
		ledger.Request{Client: "warehouse", Key: key, Actor: "warehouse"}, false)
}

// tier is the tier of a member in a group after rating, and the source that gives it; empty for none.
func (c club) tier(t *testing.T, member, group string) (string, benefits.Source) {
	t.Helper()
	s, err := c.Rate(t.Context(), c.Programme, member)
	if err != nil {
		t.Fatal(err)
	}
	g := s.In(group)
	if g.Rank == 0 {
		return "", ""
	}
	return g.Tier().Code, g.Source
}

func (c club) wantTier(t *testing.T, member, group, want string, by benefits.Source) {
	t.Helper()
	if got, source := c.tier(t, member, group); got != want || source != by {
		t.Errorf("%s is %q by %q, want %q by %q", member, got, source, want, by)
	}
}

func TestAScoreAddsWeightedMetricsUpByRegion(t *testing.T) {
	t.Parallel()
	c := newSources(t)
	for member, region := range map[string]string{"ann": "gz", "bob": "sz", "eve": ""} {
		_, err := c.EnrolMember(t.Context(), c.Programme, member, benefits.Facts{Kind: benefits.Person, Region: region},
			ledger.Request{Client: "test", Key: "enrol-" + member}, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.setMetrics(t, member, member, "2026", "arpu", "360.50", "tenure", "12"); err != nil {
			t.Fatal(err)
		}
	}
	c.wantTier(t, "ann", "club", "gold", benefits.ByScore)   // 360.50 × 0.2 × 1.1 (of the province) + 1.2 = 80.51
	c.wantTier(t, "bob", "club", "silver", benefits.ByScore) // 360.50 × 0.2 × 0.9 + 1.2 = 66.09
	c.wantTier(t, "eve", "club", "silver", benefits.ByScore) // 73.3

	if _, err := c.setMetrics(t, "more", "bob", "2026", "arpu", "1000"); err != nil { // tenure stays as it was reported
		t.Fatal(err)
	}
	c.wantTier(t, "bob", "club", "platinum", benefits.ByScore) // 181.2
	if _, err := c.setMetrics(t, "less", "bob", "2026", "arpu", "300"); err != nil {
		t.Fatal(err)
	}
	c.wantTier(t, "bob", "club", "silver", benefits.ByScore) // corrected
	if again, err := c.setMetrics(t, "more", "bob", "2026", "arpu", "1000"); err != nil || again.N != 2 {
		t.Errorf("a retry: %+v, %v", again, err)
	}
	c.wantTier(t, "bob", "club", "silver", benefits.ByScore) // it did not overrule what came later
	c.moveClock(t, time.Date(2027, 12, 1, 0, 0, 0, 0, time.UTC))
	c.wantTier(t, "bob", "club", "silver", benefits.ByScore) // valid to the end of the next period
	c.moveClock(t, time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC))
	c.wantTier(t, "bob", "club", "", "")
}

func TestMetricsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	c := newSources(t)
	for name, try := range map[string][]string{
		"no metric": {"2026", "shoe_size", "1"}, "too fine": {"2026", "arpu", "1.005"}, "too large": {"2026", "tenure", "601"},
		"negative": {"2026", "arpu", "-1"}, "huge": {"2026", "arpu", "1e30"}, "no period": {"March", "arpu", "1"}, "nothing": {"2026"},
		"no month": {"2026-13", "arpu", "1"},
	} {
		if _, err := c.setMetrics(t, "k", "ann", try[0], try[1:]...); !errors.Is(err, &ledger.Refusal{Reason: ledger.InvalidField}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.setMetrics(t, "k", "ann", "2026", "arpu", "1"); err != nil {
		t.Errorf("a refusal took the key: %v", err)
	}
	_, err := c.setMetrics(t, "k", "ann", "2026", "arpu", "2")
	wantRefusal(t, err, ledger.IdempotencyKeyReused)
}

// TestOneReportOfOneKeyWhoeverSendsIt: many send the same reports to two servers at once; each counts once.
func TestOneReportOfOneKeyWhoeverSendsIt(t *testing.T) {
	t.Parallel()
	c := newSources(t)
	two := benefits.New(c.Another(t), c.Pool, c.vouchers)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			catalog := []*benefits.Catalog{c.Catalog, two}[i%2]
			key := []string{"a", "b", "c", "d"}[i/2%4]
			_, err := catalog.SetMetrics(t.Context(), c.Programme, benefits.MetricReport{Member: "ann", Period: "2026", Values: values("arpu", "400")},
				ledger.Request{Client: "warehouse", Key: key, Actor: "warehouse"}, false)
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	list, err := c.Metrics(t.Context(), c.Programme, "ann", "", 0, 10)
	if err != nil || len(list) != 4 {
		t.Fatalf("%d reports, %v", len(list), err)
	}
	for i, report := range list {
		if report.N != int64(len(list)-i) {
			t.Errorf("report %d has number %d", i, report.N)
		}
	}
}

func TestAPersonHasTheTierOfTheOrganisationsGrade(t *testing.T) {
	t.Parallel()
	c := newSources(t)
	c.enrol(t, "acme", benefits.Organisation)
	c.enrol(t, "ann", benefits.Person)
	until := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	if _, err := c.link(t, "l1", benefits.Link{Member: "ann", Of: "acme", Role: "executive", Until: until}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.setMetrics(t, "m1", "acme", "2026-H1", "revenue", "60"); err != nil {
		t.Fatal(err)
	}
	c.wantTier(t, "ann", "club", "", "") // nobody graded the organisation yet
	c.wantTier(t, "acme", "grades", "grade-b", benefits.ByScore)
	c.wantTier(t, "ann", "club", "silver", benefits.ByOrganisation)
	if _, err := c.setMetrics(t, "m2", "acme", "2026-H1", "revenue", "100"); err != nil {
		t.Fatal(err)
	}
	c.wantTier(t, "acme", "grades", "grade-a", benefits.ByScore)
	c.wantTier(t, "ann", "club", "platinum", benefits.ByOrganisation)
	c.moveClock(t, until)
	c.wantTier(t, "ann", "club", "", "") // she has left
	history, err := c.TierHistory(t.Context(), c.Programme, "ann")
	if err != nil || len(history) != 2 || history[0].Cause != benefits.GradeChanged || !history[0].Until.Equal(until) {
		t.Errorf("%+v, %v", history, err)
	}
}

func (c club) overrideTier(t *testing.T, key, member, tier string, until time.Time) (ledger.Answer, error) {
	t.Helper()
	return c.OverrideTier(t.Context(), c.Programme, benefits.Override{Member: member, Group: "club", Tier: tier, Until: until},
		ledger.Request{Client: "desk", Key: key, Actor: "operator/wu", Reason: "status match"})
}

func TestAnOverrideHoldsUntilItsEndAndTheHighestCounts(t *testing.T) {
	t.Parallel()
	c := newSources(t)
	until := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	if _, err := c.overrideTier(t, "o1", "ann", "gold", until); err != nil {
		t.Fatal(err)
	}
	c.wantTier(t, "ann", "club", "gold", benefits.ByOverride)
	c.Accrue(t, "a1", "ann", "growth", 1000)
	c.wantTier(t, "ann", "club", "platinum", benefits.ByPoints)
	if _, err := c.overrideTier(t, "o2", "bob", "gold", until); err != nil {
		t.Fatal(err)
	}
	c.Accrue(t, "a2", "bob", "growth", 150)
	c.wantTier(t, "bob", "club", "gold", benefits.ByOverride)
	first, err := c.overrideTier(t, "o3", "bob", "platinum", until) // in the place of the other
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.overrideTier(t, "o3", "bob", "platinum", until)
	if err != nil || !again.Replayed || again.Transaction.ID != first.Transaction.ID {
		t.Errorf("a retry: %+v, %v", again, err)
	}
	_, err = c.overrideTier(t, "o3", "bob", "gold", until)
	wantRefusal(t, err, ledger.IdempotencyKeyReused)
	c.wantTier(t, "bob", "club", "platinum", benefits.ByOverride)
	end := ledger.Request{Client: "desk", Key: "e1", Actor: "operator/wu", Reason: "the deal is off"}
	if _, err := c.EndOverride(t.Context(), c.Programme, "bob", "club", end); err != nil {
		t.Fatal(err)
	}
	c.wantTier(t, "bob", "club", "silver", benefits.ByPoints)
	if answer, err := c.EndOverride(t.Context(), c.Programme, "bob", "club", end); err != nil || !answer.Replayed {
		t.Errorf("a retry of the end: %+v, %v", answer, err)
	}
	end.Key = "e2"
	_, err = c.EndOverride(t.Context(), c.Programme, "bob", "club", end)
	wantRefusal(t, err, ledger.NotFoundReason)
	c.wantTier(t, "ann", "club", "platinum", benefits.ByPoints)
	c.moveClock(t, until)
	c.wantTier(t, "bob", "club", "silver", benefits.ByPoints)
}

func TestAnOverrideThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	c := newSources(t)
	ahead := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	_, err := c.overrideTier(t, "k", "ann", "diamond", ahead)
	wantRefusal(t, err, ledger.InvalidField)
	_, err = c.overrideTier(t, "k", "ann", "gold", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	wantRefusal(t, err, ledger.TimeNotInFuture)
	_, err = c.OverrideTier(t.Context(), c.Programme, benefits.Override{Member: "ann", Group: "grades", Tier: "grade-a", Until: ahead},
		ledger.Request{Client: "desk", Key: "k", Reason: "why not"})
	wantRefusal(t, err, ledger.InvalidField)
	_, err = c.OverrideTier(t.Context(), c.Programme, benefits.Override{Member: "ann", Tier: "gold", Until: ahead}, ledger.Request{Client: "desk", Key: "k"})
	wantRefusal(t, err, ledger.InvalidField)
	if _, err := c.overrideTier(t, "k", "ann", "gold", ahead); err != nil {
		t.Errorf("a refusal took the key: %v", err)
	}
}

// TestOverridesOfManyDesksAtOnceLeaveOneTier: whatever order two servers take them in, the last decided or the highest of
// those that met is held, nothing is lost, and ending takes all of them.
func TestOverridesOfManyDesksAtOnceLeaveOneTier(t *testing.T) {
	t.Parallel()
	c := newSources(t)
	two := benefits.New(c.Another(t), c.Pool, c.vouchers)
	until := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			catalog := []*benefits.Catalog{c.Catalog, two}[i%2]
			_, err := catalog.OverrideTier(t.Context(), c.Programme, benefits.Override{Member: "ann", Tier: []string{"silver", "gold", "platinum"}[i%3], Until: until},
				ledger.Request{Client: "desk", Key: "o" + string(rune('a'+i)), Actor: "operator", Reason: "race"})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if tier, source := c.tier(t, "ann", "club"); tier == "" || source != benefits.ByOverride {
		t.Errorf("ann is %q by %q", tier, source)
	}
	history, err := c.TierHistory(t.Context(), c.Programme, "ann")
	if err != nil || len(history) != 12 {
		t.Errorf("%d changes, %v", len(history), err)
	}
	if _, err := c.EndOverride(t.Context(), c.Programme, "ann", "", ledger.Request{Client: "desk", Key: "end", Reason: "over"}); err != nil {
		t.Fatal(err)
	}
	c.wantTier(t, "ann", "club", "", "")
}

func TestAFileOfMetricsIsTakenLineByLineOnce(t *testing.T) {
	t.Parallel()
	c := newSources(t)
	const file = "key,member,period,arpu,tenure\n" +
		"1,ann,2026,500,24\n" +
		"2,bob,2026,,12\n" + // tenure alone
		"3,eve,2026,,\n" +
		"4,eve,March,1,1\n" +
		"5,eve,2026,-1,1\n" +
		"6,eve,2026,1e999999999,1\n" +
		"7,e ve,2026,1,1\n" +
		"1,ann,2026,600,24\n"
	for round, want := range []benefits.Import{{Read: 8, Recorded: 2, Rejected: 6}, {Read: 8, Recorded: 2, Rejected: 6}} {
		done, rejected, err := c.importingBy(t.Context(), t, c.ImportMetrics, file, quiet)
		if err != nil || done != want {
			t.Errorf("round %d: %+v, %v", round, done, err)
		}
		if round == 1 && len(rejected) != 0 {
			t.Errorf("an import that is over rejects again: %v", rejected)
		}
		if round > 0 {
			continue
		}
		for i, column := range []string{"4 3 values", "5 4 period", "6 5 arpu", "7 6 arpu", "8 7 member", "9 1 key"} {
			if len(rejected) != 6 || !strings.HasPrefix(rejected[i], column+": ") {
				t.Errorf("rejected: %q, want the %dth to begin with %q", rejected, i, column)
				break
			}
		}
	}
	done, _, err := c.importingBy(t.Context(), t, c.ImportMetrics, file+"8,eve,2026,500,0\n", quiet)
	if want := (benefits.Import{Read: 9, Recorded: 1, Known: 2, Rejected: 6}); err != nil || done != want {
		t.Errorf("a longer file: %+v, %v", done, err)
	}
	c.wantTier(t, "ann", "club", "gold", benefits.ByScore)
	c.wantTier(t, "eve", "club", "gold", benefits.ByScore)
}

func TestThePercentileOfAClosedPeriodGivesTiers(t *testing.T) {
	t.Parallel()
	text := strings.Replace(sourcesDocument, "    points: growth\n", "    points: growth\n    percentile: value\n", 1)
	text = strings.Replace(text, "{points: 1000, value: 120}", "{percentile: 80}", 1)
	c := newClubOf(t, text)
	// Ten members: two share the second highest score, and the top fifth has room for one of them: neither is in it.
	for i, spend := range []string{"100", "200", "300", "400", "500", "600", "700", "800", "800", "900"} {
		member := "m" + string(rune('0'+i))
		if _, err := c.setMetrics(t, "s"+member, member, "2025", "arpu", spend); err != nil {
			t.Fatal(err)
		}
	}
	c.enrol(t, "acme", benefits.Organisation) // it is not ranked among persons
	if _, err := c.setMetrics(t, "acme", "acme", "2025", "arpu", "99999"); err != nil {
		t.Fatal(err)
	}
	quietly := func(int64, int64) {}
	_, err := c.RankMembers(t.Context(), c.Programme, "club", "2026", quietly)
	wantRefusal(t, err, ledger.InvalidField) // it is not over
	_, err = c.RankMembers(t.Context(), c.Programme, "grades", "2025-H1", quietly)
	wantRefusal(t, err, ledger.InvalidField)
	for range 2 {
		if n, err := c.RankMembers(t.Context(), c.Programme, "club", "2025", quietly); err != nil || n != 10 {
			t.Fatalf("%d were ranked, %v", n, err)
		}
	}
	for member, want := range map[string]string{"m9": "platinum", "m8": "gold", "m7": "gold", "m6": "gold", "m0": ""} {
		tier, _ := c.tier(t, member, "club")
		if got := tier == "platinum"; got != (want == "platinum") {
			t.Errorf("%s is %q, want %q", member, tier, want)
		}
	}
	list, err := c.Metrics(t.Context(), c.Programme, "m7", "", 0, 10)
	if err != nil || len(list) != 2 || list[0].Values["percentile/club"].String() != "70" {
		t.Errorf("%+v, %v", list, err)
	}
}
