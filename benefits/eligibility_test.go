package benefits_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tallystick/benefits"
	"tallystick/ledger"
)

const shopDocument = `
programme: test
zone: Asia/Shanghai
sandbox: true
units:
  - {code: points, kind: points}
  - {code: visits, kind: allotment}
  - {code: CNY, kind: money, scale: 2}
  - {code: tea, kind: right}
  - {code: golf, kind: right}
  - {code: early, kind: right}
  - {code: north, kind: right}
  - {code: line, kind: right}
  - {code: pick, kind: right}
limits:
  - {code: one-a-month, of: times, per: member, interval: month, most: 1}
  - {code: points-a-day, of: points, per: member, interval: day, most: 150}
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
  - {code: tea, kind: offer, names: {en: Tea, zh-Hans: 茶}, prices: {points: 100, CNY: 30}, limits: [one-a-month, points-a-day]}
  - {code: golf, kind: event, names: {en: Golf, zh-Hans: 高尔夫}, tier: gold, prices: {points: 1000, visits: 1}, kept: {gold: {opening: 1}}}
  - {code: early, kind: offer, names: {en: Early, zh-Hans: 早鸟}, prices: {points: 10}, from: 2026-03-05, priority: {gold: 7}}
  - code: north
    kind: offer
    names: {en: North, zh-Hans: 北方}
    prices: {points: 300}
    kinds: [organisation]
    regions: [guangdong]
    channels: [app]
    segments: [government]
    when: member.arpu > 100.0
    until: 2026-02-01
  - code: line
    kind: service
    names: {en: Priority line, zh-Hans: 优先专线}
    tier: silver
    parameters: {queue: silver, wait: "60"}
    tier_parameters: {gold: {queue: gold}}
  - {code: pick, kind: gift, names: {en: Pick, zh-Hans: 任选}, prices: {points: 1}, choose: [golf]}
` + membersSection

// seen is a member's view, a line for each benefit with all that is in the way.
func (c club) seen(t *testing.T, q benefits.CatalogQuery) (lines []string) {
	t.Helper()
	list, err := c.ListBenefits(t.Context(), c.Programme, q)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		line := l.Code + ":"
		for _, no := range l.Refusals {
			line += " " + string(no.Reason)
			for _, name := range slices.Sorted(maps.Keys(no.Detail)) {
				line += " " + name + "=" + no.Detail[name]
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func TestEligibilityNamesEveryReasonAndTheSmallestChangeThatHelps(t *testing.T) {
	t.Parallel()
	c := newClubOf(t, shopDocument)
	c.Accrue(t, "a1", "ann", "points", 60)
	c.Accrue(t, "a2", "gus", "points", 900)
	want := []string{
		"early: NOT_ELIGIBLE missing=440 opens_at=2026-03-04T16:00:00Z tier=gold unit=points",
		"golf: NOT_ELIGIBLE missing=440 tier=gold unit=points INSUFFICIENT_POINTS missing=940 unit=points NOT_ELIGIBLE tier=gold",
		"line: NOT_ELIGIBLE missing=140 tier=silver unit=points",
		"north: NOT_ELIGIBLE accepted=organisation because=kind NOT_ELIGIBLE accepted=guangdong because=region" +
			" NOT_ELIGIBLE accepted=app because=channel NOT_ELIGIBLE accepted=government because=segment" +
			" NOT_ELIGIBLE accepted=member.arpu > 100.0 because=condition NOT_OPEN because=over INSUFFICIENT_POINTS missing=240 unit=points",
		"pick: NOT_ELIGIBLE tier=gold",
		"tea:",
	}
	if diff := cmp.Diff(want, c.seen(t, benefits.CatalogQuery{Member: "ann"})); diff != "" {
		t.Errorf("for ann (-want +got):\n%s", diff)
	}
	c.mustRedeem(t, "r1", "gus", "tea", benefits.WithPoints)
	want = []string{
		"early:", "golf:", "line:",
		"tea: LIMIT_REACHED limit=one-a-month resets_at=2026-03-31T16:00:00Z",
	}
	if diff := cmp.Diff(want, slices.DeleteFunc(c.seen(t, benefits.CatalogQuery{Member: "gus"}), func(l string) bool {
		return strings.HasPrefix(l, "north") || strings.HasPrefix(l, "pick")
	})); diff != "" {
		t.Errorf("for gus (-want +got):\n%s", diff)
	}
}

// What the list calls redeemable can be redeemed, and what it does not is refused for a reason that it named.
func TestTheListAgreesWithWhatRedeemingAnswers(t *testing.T) {
	t.Parallel()
	c := newClubOf(t, shopDocument)
	for i, points := range []int64{5, 60, 250, 600, 2000} {
		member := fmt.Sprint("m", points)
		c.Accrue(t, "a-"+member, member, "points", points)
		for _, day := range []int{2, 6} {
			c.moveClock(t, time.Date(2026, time.Month(3+i), day, 4, 0, 0, 0, time.UTC))
			list, err := c.ListBenefits(t.Context(), c.Programme, benefits.CatalogQuery{Member: member, Channel: "app"})
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range list {
				w := benefits.Wanted{Member: member, Benefit: l.Code}
				if len(l.Choose) > 0 {
					w.Choice = l.Choose[0]
				}
				if len(l.Prices) == 0 {
					continue
				}
				if slices.ContainsFunc(l.Prices, func(p benefits.Price) bool { return p.With == benefits.WithCash }) {
					w.With = benefits.WithPoints
				}
				_, err := c.PreviewRedemption(t.Context(), c.Programme, w, ledger.Request{Client: "app", Key: "x", Channel: "app"})
				named := err == nil && len(l.Refusals) == 0 || slices.ContainsFunc(l.Refusals, func(no *ledger.Refusal) bool {
					return errors.Is(err, &ledger.Refusal{Reason: no.Reason})
				})
				if !named && w.With == benefits.WithAny {
					t.Errorf("%s on %d: %s is listed with %v, redeeming it answers %v", member, day, l.Code, l.Refusals, err)
				}
			}
		}
	}
}

func TestTheCatalogIsReadInPagesByKindAndByWhatCanBeHad(t *testing.T) {
	t.Parallel()
	c := newClubOf(t, shopDocument)
	c.Accrue(t, "a1", "ann", "points", 250)
	codes := func(q benefits.CatalogQuery) string {
		q.Member = "ann"
		var list []string
		for _, line := range c.seen(t, q) {
			code, _, _ := strings.Cut(line, ":")
			list = append(list, code)
		}
		return strings.Join(list, " ")
	}
	for want, q := range map[string]benefits.CatalogQuery{
		"early golf line north pick tea": {},
		"early golf":                     {Limit: 2},
		"line north":                     {Limit: 2, After: "golf"},
		"early north tea":                {Kinds: []benefits.Kind{benefits.Offer}},
		"line tea":                       {Redeemable: true},
		"line":                           {Redeemable: true, Limit: 1},
		"tea":                            {Redeemable: true, Limit: 1, After: "line"},
	} {
		if got := codes(q); got != want {
			t.Errorf("%+v: %q, want %q", q, got, want)
		}
	}
}

func TestAnEntitlementAnswersHowTheServiceIsRendered(t *testing.T) {
	t.Parallel()
	c := newClubOf(t, shopDocument)
	c.Accrue(t, "a1", "ann", "points", 60)
	c.Accrue(t, "a2", "bob", "points", 200)
	c.Accrue(t, "a3", "gus", "points", 900)
	for member, want := range map[string]string{"ann": "false", "bob": "true silver 60", "gus": "true gold 60"} {
		e, err := c.CheckEntitlement(t.Context(), c.Programme, "line", benefits.CatalogQuery{Member: member})
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(len(e.Refusals) == 0)
		if len(e.Refusals) == 0 {
			got += " " + e.Parameters["queue"] + " " + e.Parameters["wait"]
		}
		if got != want {
			t.Errorf("%s: %s, want %s", member, got, want)
		}
	}
	_, err := c.CheckEntitlement(t.Context(), c.Programme, "none", benefits.CatalogQuery{Member: "ann"})
	wantRefusal(t, err, ledger.NotFoundReason)
}
