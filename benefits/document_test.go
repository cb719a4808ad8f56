package benefits

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tallystick/internal/document"
)

// wholeDocument has something of every section, a mistake of which can be named by its line.
const wholeDocument = `programme: test
zone: Asia/Shanghai
back_dating: 31d
expiry:
  year: {kind: natural_year, years: 1}
  day: {kind: fixed_day, month: 6, day: 30}
  long: {kind: rolling, months: 12}
units:
  - {code: points, kind: points, expiry: year, debt_limit: 50}
  - {code: miles, kind: points}
  - {code: visits, kind: allotment}
  - {code: tea, kind: right}
  - {code: lounge, kind: right}
  - {code: CNY, kind: money, scale: 2}
tiers:
  - code: club
    names: {en: Club, zh-Hans: 俱乐部}
    period: {kind: ever}
    validity: {until: end_of_period}
    points: points
    ladder:
      - {code: silver, from: {points: 200}, names: {en: Silver, zh-Hans: 银卡}}
      - {code: gold, from: {points: 500}, names: {en: Gold, zh-Hans: 金卡}}
allotments:
  - {unit: visits, per: year, totals: {gold: 2}}
benefits:
  - code: tea
    kind: offer
    names: {en: Tea, zh-Hans: 茶}
    tier: gold
    prices: {points: 300, visits: 1}
    stock: {opening: 10}
partners:
  - code: leaf
    names: {en: Leaf, zh-Hans: 叶}
    honours:
      - {benefit: tea, unit: CNY, price: "4.50"}
`

func TestAMistakeIsToldWithItsLineAndWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	const code = "use 1 to 64 letters, digits, _ . : / and -, a letter or digit first"
	for _, c := range []struct {
		old, text, want string
	}{
		{"programme: test", "programme: ''", "line 1: programme: it is missing; add programme: the programme's name, which identifies it for ever"},
		{"Asia/Shanghai", "Shanghai", `line 2: zone: "Shanghai" is no time zone; use an IANA name such as Asia/Shanghai`},
		{"31d", "1 month", `line 3: back_dating: "1 month" is no number of days; use a number of days such as 30d, at most 36500d`},
		{"tiers:", "tires:", "line 15: tires: there is no section tires; use tiers"},
		{"natural_year", "yearly", `line 5: expiry.year.kind: there is no "yearly"; use rolling, natural_year, fixed_day, activity or never`},
		{"years: 1", "years: 101", "line 5: expiry.year.years: 101 is out of range; use 0 to 100 years"},
		{"months: 12", "months: -1", "line 7: expiry.long.months: -1 is out of range; use 0 to 1200 months"},
		{"month: 6", "month: 0", "line 6: expiry.day.month: 0 is no month; use 1 to 12"},
		{"day: 30", "day: 31", "line 6: expiry.day.day: month 6 has no day 31; use 1 to 30"},
		{"code: miles", "code: points", "line 10: units[points].code: the unit is declared twice; give each unit a code of its own"},
		{"code: miles", "code: " + strings.Repeat("m", 65), "line 10: units[" + strings.Repeat("m", 65) + "].code: it is too long; use 1 to 64 characters"},
		{"kind: money", "kind: cash", `line 14: units[CNY].kind: there is no "cash"; use points, qualifying, allotment, right or money`},
		{"scale: 2", "scale: 10", "line 14: units[CNY].scale: 10 is no number of decimal places; use 0 to 9"},
		{"expiry: year", "expiry: yeer", `line 9: units[points].expiry: there is no expiry policy "yeer"; use year`},
		{"debt_limit: 50", "debt_limit: -50", `line 9: units[points].debt_limit: "-50" is no limit; use 0 to 1000000000000000`},
		{"    points: points\n", "    points: tea\n", `line 20: tiers[club].points: "tea" is no unit of kind points or qualifying; use miles or points, or declare it under units with kind points or qualifying`},
		{"code: gold,", "code: silver,", "line 23: tiers[club].ladder[silver].code: the tier is declared twice; give each tier a code of its own"},
		{"from: {points: 500}", "from: {points: 100}", "line 23: tiers[club].ladder[gold].from.points: it is not above the tier before it, silver; use more than 200, or move the tier"},
		{"from: {points: 500}", "from: {points: 1e3}", `line 23: tiers[club].ladder[gold].from.points: "1e3" is no amount of points; use a number above 0 with at most 0 decimal places`},
		{"{en: Silver, zh-Hans: 银卡}", "{en: Silver}", "line 22: tiers[club].ladder[silver].names: there is no name in zh-Hans; give it in en and in zh-Hans"},
		{"unit: visits", "unit: points", `line 25: allotments[0].unit: "points" is no unit of kind allotment; use visits, or declare it under units with kind allotment`},
		{"per: year", "per: yeer", `line 25: allotments[0].per: there is no "yeer"; use year`},
		{"gold: 2", "gold: 0.5", `line 25: allotments[0].totals.gold: "0.5" is no amount of visits; use a number above 0 with at most 0 decimal places`},
		{"gold: 2", "glod: 2", `line 25: allotments[0].totals.glod: there is no tier "glod"; use gold`},
		{"gold: 2}", "gold: 2}, upgrade: topup", `line 25: allotments[0].upgrade: there is no "topup"; use top_up`},
		{"- code: tea", "- code: tee", `line 27: benefits[tee].code: "tee" is no unit of kind right; use tea, or declare it under units with kind right`},
		{"- code: tea", "- code: a tea", `line 27: benefits[a tea].code: "a tea" is no code of a benefit; ` + code},
		{"kind: offer", "kind: offers", `line 28: benefits[tea].kind: there is no "offers"; use offer`},
		{"tier: gold", "tier: glod", `line 30: benefits[tea].tier: there is no tier "glod"; use gold`},
		{"prices: {points: 300, visits: 1}", "prices: {}", "line 31: benefits[tea].prices: it has no price; give an amount of points or of an allotment"},
		{"prices: {points: 300, visits: 1}", "price: {points: 300}", "line 31: benefits[tea].price: there is no such field here; use prices"},
		{"visits: 1", "miles: 100", "line 31: benefits[tea].prices.points: it has two prices of kind points; keep this one or that in miles"},
		{"{opening: 10}", "{opening: 0}", `line 32: benefits[tea].stock.opening: "0" is no amount of tea; use a number above 0 with at most 0 decimal places`},
		{"{opening: 10}", "{an opening: 10}", `line 32: benefits[tea].stock[an opening]: "an opening" is no name of a publication; ` + code},
		{"benefit: tea", "benefit: CNY", `line 37: partners[leaf].honours[0].benefit: "CNY" is no unit of kind right; use lounge or tea, or declare it under units with kind right`},
		{"unit: CNY", "unit: miles", `line 37: partners[leaf].honours[0].unit: "miles" is no unit of kind money; use CNY, or declare it under units with kind money`},
		{`"4.50"`, `"4.505"`, `line 37: partners[leaf].honours[0].price: "4.505" is no amount of CNY; use a number with at most 2 decimal places`},
	} {
		text := strings.Replace(wholeDocument, c.old, c.text, 1)
		invalid := new(document.InvalidError)
		_, err := readAll([]byte(text))
		if !errors.As(err, &invalid) || text == wholeDocument {
			t.Errorf("%s for %s: %v", c.text, c.old, err)
			continue
		}
		if diff := cmp.Diff(c.want, invalid.Mistakes[0].String()); diff != "" {
			t.Errorf("%s for %s (-want +got):\n%s", c.text, c.old, diff)
		}
	}
	if _, err := readAll([]byte(wholeDocument)); err != nil {
		t.Error(err)
	}
}

// TestAllMistakesOfADocumentAreToldAtOnce, whatever package reads the section, and none that only follows from another.
func TestAllMistakesOfADocumentAreToldAtOnce(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("from: {points: 500}", "from: {points: 100}", "scale: 2", "scale: 10", "tier: gold", "tier: lead", `"4.50"`, "half").Replace(wholeDocument)
	_, err := readAll([]byte(text))
	const want = `programme document: 4 mistakes
  line 14: units[CNY].scale: 10 is no number of decimal places; use 0 to 9
  line 23: tiers[club].ladder[gold].from.points: it is not above the tier before it, silver; use more than 200, or move the tier
  line 30: benefits[tea].tier: there is no tier "lead"; use silver or gold
  line 37: partners[leaf].honours[0].price: "half" is no amount of CNY; use a number with at most 10 decimal places`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// earningDocument has limits, members, earning and goodwill, for mistakes in them.
const withEarning = wholeDocument + `limits:
  - {code: monthly, of: points, per: member, interval: month, most: 100}
members:
  plans: [{code: basic, names: {en: Basic, zh-Hans: 基础}}]
  regions:
    - {code: china, level: nation, names: {en: China, zh-Hans: 中国}}
    - {code: gd, level: province, in: china, names: {en: Guangdong, zh-Hans: 广东}}
  attributes: [{code: arpu, type: number, names: {en: Spend, zh-Hans: 消费}}]
earning:
  activities:
    - {code: bill, money: CNY, pending: 14d, fields: {roaming: number}, names: {en: Bill, zh-Hans: 账单}}
  rules:
    - code: base
      names: {en: Base, zh-Hans: 基础}
      on: bill
      unit: points
      when: member.arpu > 100
      rate: {points: 1, per: 10}
      coefficients: {gold: "1.5"}
      limits: [monthly]
      expiry: long
      funded: {partner: leaf, share: "0.5", unit: CNY, price: "0.01"}
    - {code: more, on: bill, unit: points, bonus: {rule: base, times: 2}, names: {en: More, zh-Hans: 加倍}}
goodwill:
  unit: points
  reasons:
    - {code: outage, most: 100, tiers: {gold: 200}, limits: [monthly], names: {en: Outage, zh-Hans: 中断}}
`

// TestEveryMistakeOfARuleIsTold: one does not hide another, in whatever part they are.
func TestEveryMistakeOfARuleIsTold(t *testing.T) {
	t.Parallel()
	if _, err := readAll([]byte(withEarning)); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(
		"of: points, per: member, interval: month, most: 100", "of: pints, per: members, interval: month, most: -1",
		"in: china", "in: chine", "level: nation", "level: planet", "type: number", "type: numeral", "code: basic", "code: a plan",
		"money: CNY, pending: 14d, fields: {roaming: number}", "money: visits, pending: 14, fields: {Roaming: number}",
		"member.arpu > 100", "member.arpo > 100", "per: 10}", "per: 0}", `gold: "1.5"`, `glod: "1.5"`, "expiry: long", "expiry: lung",
		`partner: leaf, share: "0.5", unit: CNY, price: "0.01"`, `partner: leave, share: "1.5", unit: miles, price: "-1"`,
		"rule: base, times: 2", "rule: bass, times: x", "most: 100, tiers: {gold: 200}", "most: 0, tiers: {glod: 200}",
	).Replace(withEarning)
	_, shape := readAll([]byte(text))
	const wantShape = `programme document: 3 mistakes
  line 39: limits[monthly].per: there is no "members"; use member
  line 43: members.regions[china].level: there is no "planet"; use nation, province, city, district, merchant or outlet
  line 45: members.attributes[arpu].type: there is no "numeral"; use number, text or flag`
	if shape == nil || shape.Error() != wantShape {
		t.Errorf("the shape: %v", shape)
	}
	text = strings.NewReplacer("members,", "member,", "planet", "nation", "numeral", "number").Replace(text)
	const want = `programme document: 19 mistakes
  line 39: limits[monthly].of: "pints" is no declared unit; use times, or a unit that is declared under units
  line 39: limits[monthly].most: "-1" is no amount; use a number with at most 0 decimal places
  line 41: members.plans[a plan].code: "a plan" is no code; use 1 to 64 letters, digits, _ . : / and -
  line 44: members.regions[gd].in: region "chine" is not declared; use china
  line 48: earning.activities[bill].money: "visits" is no unit of kind money; use CNY, or declare it under units with kind money
  line 48: earning.activities[bill].fields.Roaming: "Roaming" is no name for a field; use lower-case letters, digits and _, and none of amount, gifted, paid_in_points, channel, reference
  line 48: earning.activities[bill].pending: "14" is no number of days; use 0d to 3650d
  line 54: earning.rules[base].when: "member.arpo > 100": column 1: undeclared reference to 'member'; see what the field takes
  line 55: earning.rules[base].rate.per: "0" is no factor; use a number above 0 and up to 1000000000, with at most 9 decimal places
  line 56: earning.rules[base].coefficients.glod: there is no tier "glod"; use gold
  line 58: earning.rules[base].expiry: there is no expiry policy "lung"; use long, or declare it under expiry
  line 59: earning.rules[base].funded.partner: there is no partner "leave"; use leaf
  line 59: earning.rules[base].funded.share: "1.5" is no share; use a number above 0 and at most 1, with at most 4 decimal places
  line 59: earning.rules[base].funded.unit: "miles" is no unit of kind money; use CNY, or declare it under units with kind money
  line 59: earning.rules[base].funded.price: "-1" is no factor; use a number above 0 and up to 1000000000, with at most 9 decimal places
  line 60: earning.rules[more].bonus.times: "x" is no factor; use a number above 0 and up to 1000000000, with at most 9 decimal places
  line 60: earning.rules[more].bonus.rule: "bass" is no rule above this one on the same activity and unit; name one that is
  line 64: goodwill.reasons[outage].most: "0" is no amount of points; use a number above 0 with at most 0 decimal places
  line 64: goodwill.reasons[outage].tiers.glod: there is no tier "glod"; use gold`
	if _, err := readAll([]byte(text)); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}
