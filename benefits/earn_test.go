package benefits

import (
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"tallystick/ledger"
)

const earningDocumentText = `
programme: earning
zone: Asia/Shanghai
expiry:
  year: {kind: rolling, months: 12}
units:
  - {code: points, kind: points, expiry: year}
  - {code: growth, kind: qualifying, scale: 2}
  - {code: CNY, kind: money, scale: 2}
limits:
  - {code: monthly, of: points, per: member, interval: month, most: 1000}
tiers:
  - code: club
    names: {en: Club, zh-Hans: 俱乐部}
    period: {kind: ever}
    validity: {until: end_of_period}
    points: growth
    ladder:
      - {code: silver, from: {points: 100}, names: {en: Silver, zh-Hans: 银卡}}
      - {code: gold, from: {points: 500}, names: {en: Gold, zh-Hans: 金卡}}
partners:
  - {code: bank, names: {en: Bank, zh-Hans: 银行}}
earning:
  activities:
    - code: bill
      names: {en: Monthly bill, zh-Hans: 月账单}
      money: CNY
      fields: {plan: text, months: number, online: flag}
    - {code: survey, names: {en: Survey, zh-Hans: 问卷}}
  rules:
    - code: bill-points
      names: {en: Points for the bill, zh-Hans: 账单积分}
      on: bill
      when: member.tier != ""
      unit: points
      rate: {points: 1, per: 1, whole: true}
      coefficients: {silver: "1.5", gold: "2"}
    - code: bill-growth
      names: {en: Growth, zh-Hans: 成长值}
      on: bill
      unit: growth
      rate: {points: 1, per: 3}
      rounding: half_even
    - code: spring
      names: {en: Spring bonus, zh-Hans: 春季奖励}
      on: bill
      from: 2026-03-01
      until: 2026-04-01
      when: activity.amount >= 100 && activity.online
      unit: points
      bonus: {rule: bill-points, times: "0.5"}
      group: promotions
      limits: [monthly]
    - code: weekend
      names: {en: Weekend bonus, zh-Hans: 周末奖励}
      on: bill
      when: at.weekday >= 6
      unit: points
      points: 60
      group: promotions
      funded: {partner: bank, share: "0.5", unit: CNY, price: "0.01"}
    - code: next
      names: {en: Not yet, zh-Hans: 草稿}
      on: bill
      draft: true
      unit: points
      points: 5
    - code: survey
      names: {en: Survey, zh-Hans: 问卷}
      on: survey
      unit: points
      points: 20
`

func earningOf(t rapid.TB, document string) (*ledger.Programme, *Earning) {
	t.Helper()
	p, err := ledger.ParseProgramme([]byte(document), 1)
	if err != nil {
		t.Fatal(err)
	}
	s, err := parse(p)
	if err != nil {
		t.Fatal(err)
	}
	return p, s.earning
}

func bill(amount, at string) Activity {
	when, err := time.Parse(time.RFC3339, at)
	if err != nil {
		panic(err)
	}
	return Activity{Kind: "bill", Member: "ann", At: when, Amount: decimal.RequireFromString(amount)}
}

// yielded writes yields as "rule points" and "rule why".
func yielded(yields []Yield) string {
	var lines []string
	for _, y := range yields {
		if y.Why != "" {
			lines = append(lines, y.Rule.Code+" "+y.Why)
		} else {
			lines = append(lines, y.Rule.Code+" "+y.Points.String())
		}
	}
	return strings.Join(lines, ", ")
}

func TestRulesGiveWhatTheDocumentSays(t *testing.T) {
	p, e := earningOf(t, earningDocumentText)
	online := bill("128.99", "2026-03-05T10:00:00+08:00") // a Thursday
	online.Fields = map[string]any{"online": true}
	gifted := bill("128.99", "2026-02-05T10:00:00+08:00")
	gifted.Gifted, gifted.PaidInPoints = decimal.RequireFromString("20"), decimal.RequireFromString("8.99")
	onlyGifted := bill("20", "2026-02-05T10:00:00+08:00")
	onlyGifted.Gifted = decimal.RequireFromString("30")
	atWeekend := bill("200", "2026-03-07T10:00:00+08:00")
	atWeekend.Fields = map[string]any{"online": true}
	for _, row := range []struct {
		name     string
		activity Activity
		tier     string
		want     string
	}{
		{
			"nobody without a tier earns points on a bill", bill("128.99", "2026-02-05T10:00:00+08:00"), "",
			"bill-points not_met, bill-growth 43, spring not_in_time, weekend not_met, next not_in_time",
		},
		{
			"whole yuan come before the coefficient", bill("128.99", "2026-02-05T10:00:00+08:00"), "silver",
			"bill-points 192, bill-growth 43, spring not_in_time, weekend not_met, next not_in_time",
		},
		{
			"a promotion adds to what another rule gives", online, "gold",
			"bill-points 256, bill-growth 43, spring 128, weekend not_met, next not_in_time",
		},
		{
			"of a group only the one that gives most earns", atWeekend, "gold",
			"bill-points 400, bill-growth 66.67, spring 200, weekend not_the_most, next not_in_time",
		},
		{
			"gifted credit and what points paid for do not earn", gifted, "silver",
			"bill-points 150, bill-growth 33.33, spring not_in_time, weekend not_met, next not_in_time",
		},
		{
			"nothing is earned with less than nothing", onlyGifted, "silver",
			"bill-points rounds_to_none, bill-growth rounds_to_none, spring not_in_time, weekend not_met, next not_in_time",
		},
		{
			"a rule ends before the instant of until", bill("200", "2026-04-01T00:00:00+08:00"), "silver",
			"bill-points 300, bill-growth 66.67, spring not_in_time, weekend not_met, next not_in_time",
		},
	} {
		yields, err := e.earn(p, &row.activity, Earner{Tier: row.tier})
		if got := yielded(yields); err != nil || got != row.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", row.name, got, err, row.want)
		}
	}
}

func TestWhatARuleMayKnowOfAMember(t *testing.T) {
	p, e := earningOf(t, strings.Replace(earningDocumentText, "      on: survey\n", `      on: survey
      when: member.birthday && member.tenure_months >= 12 && "golf" in member.segments && member.kind == "person" && member.plan == "p588" && "cn" in member.regions && member.arpu >= 99.5 && !member.staff
`, 1)+`
members:
  plans: [{code: p588, names: {en: "588", zh-Hans: 588 套餐}}]
  segments: [{code: golf, names: {en: Golf, zh-Hans: 高尔夫}}]
  regions:
    - {code: cn, level: nation, names: {en: China, zh-Hans: 中国}}
    - {code: cq, level: province, in: cn, names: {en: Chongqing, zh-Hans: 重庆}}
  attributes:
    - {code: arpu, type: number, names: {en: ARPU, zh-Hans: 月均消费}}
    - {code: staff, type: flag, names: {en: Staff, zh-Hans: 员工}}
`)
	zone := p.Zone
	who := Earner{Facts: Facts{
		Kind: Person, Plan: "p588", Region: "cq", Segments: []string{"golf"}, BirthMonth: time.May, BirthDay: 20,
		EnrolledAt: time.Date(2025, 5, 20, 0, 0, 0, 0, zone),
		Attributes: map[string]any{"arpu": decimal.RequireFromString("99.50")},
	}}
	a := Activity{Kind: "survey", Member: "ann", At: time.Date(2026, 5, 20, 0, 0, 0, 0, zone)}
	if yields, err := e.earn(p, &a, who); err != nil || yielded(yields) != "survey 20" {
		t.Errorf("on the birthday, after a year: %s, %v", yielded(yields), err)
	}
	a.At = a.At.Add(-time.Second)
	if yields, err := e.earn(p, &a, who); err != nil || yielded(yields) != "survey not_met" {
		t.Errorf("a second earlier: %s, %v", yielded(yields), err)
	}
}

func TestEarningThatCannotBeIsRefused(t *testing.T) {
	for name, change := range map[string][2]string{
		"unknown activity":       {"on: survey", "on: surwey"},
		"unknown unit":           {"unit: growth\n      rate", "unit: grwth\n      rate"},
		"money as points":        {"      unit: points\n      points: 20", "      unit: CNY\n      points: 20"},
		"two ways":               {"points: 20", "points: 20\n      bonus: {rule: survey, times: 1}"},
		"no way":                 {"      points: 20\n", ""},
		"half a point":           {"points: 20", "points: 20.5"},
		"rate per nothing":       {"per: 3", "per: 0"},
		"rate of no amount":      {"points: 20", "rate: {points: 1, per: 1}"},
		"unknown tier":           {"silver: \"1.5\"", "sliver: \"1.5\""},
		"negative coefficient":   {"silver: \"1.5\"", "silver: \"-1.5\""},
		"unknown rounding":       {"half_even", "up"},
		"bonus on a later rule":  {"rule: bill-points, times", "rule: weekend, times"},
		"unknown limit":          {"limits: [monthly]", "limits: [yearly]"},
		"limit of another unit":  {"limits:\n  - {code: monthly, of: points", "limits:\n  - {code: monthly, of: growth"},
		"unknown partner":        {"partner: bank", "partner: bnak"},
		"more than all":          {"share: \"0.5\"", "share: \"1.5\""},
		"price of nothing":       {"price: \"0.01\"", "price: \"0\""},
		"condition on a typo":    {"activity.online", "activity.onlin"},
		"condition of an amount": {"when: at.weekday >= 6", "when: activity.amount"},
		"field called amount":    {"fields: {plan", "fields: {amount"},
		"field of no type":       {"months: number", "months: integer"},
		"no such day":            {"from: 2026-03-01", "from: 2026-02-30"},
		"until before from":      {"until: 2026-04-01", "until: 2026-03-01"},
		"one language":           {"{en: Spring bonus, zh-Hans: 春季奖励}", "{en: Spring bonus}"},
		"the same rule twice":    {"code: next", "code: spring"},
		"unknown policy":         {"points: 20", "points: 20\n      expiry: nver"},
	} {
		document := strings.Replace(earningDocumentText, change[0], change[1], 1)
		if document == earningDocumentText {
			t.Fatalf("%s: the document is the same", name)
		}
		p, err := ledger.ParseProgramme([]byte(document), 1)
		if err == nil {
			_, err = parse(p)
		}
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestWhatAnActivityEarnsDependsOnNothingBefore: the same activities give the same yields in any order.
func TestWhatAnActivityEarnsDependsOnNothingBefore(t *testing.T) {
	p, e := earningOf(t, earningDocumentText)
	rapid.Check(t, func(t *rapid.T) {
		var list []Activity
		for range rapid.IntRange(2, 6).Draw(t, "n") {
			a := bill("1", "2026-03-01T00:00:00+08:00")
			a.Amount = decimal.New(rapid.Int64Range(0, 100_000).Draw(t, "fen"), -2)
			a.Gifted = decimal.New(rapid.Int64Range(0, 10_000).Draw(t, "gifted"), -2)
			a.At = a.At.Add(time.Duration(rapid.Int64Range(-1e6, 4e6).Draw(t, "seconds")) * time.Second)
			a.Fields = map[string]any{"online": rapid.Bool().Draw(t, "online")}
			list = append(list, a)
		}
		tier := rapid.SampledFrom([]string{"", "silver", "gold"}).Draw(t, "tier")
		first := make([]string, len(list))
		for _, order := range [][]int{rapid.Permutation(indices(len(list))).Draw(t, "one"), rapid.Permutation(indices(len(list))).Draw(t, "other")} {
			for _, i := range order {
				yields, err := e.earn(p, &list[i], Earner{Tier: tier})
				if err != nil {
					t.Fatal(err)
				}
				got := yielded(yields)
				if first[i] == "" {
					first[i] = got
				} else if first[i] != got {
					t.Fatalf("first %s, then %s", first[i], got)
				}
				for _, y := range yields {
					if y.Points.IsNegative() || !y.Points.Equal(y.Points.Truncate(p.Units[y.Rule.Unit].Scale)) {
						t.Fatalf("%s gives %s", y.Rule.Code, y.Points)
					}
				}
			}
		}
	})
}

func indices(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}
