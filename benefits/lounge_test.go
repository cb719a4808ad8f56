package benefits_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tallystick/benefits"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

// loungeDocument is a document with a directory of lounges; tests say what of it they are about.
const loungeDocument = `
programme: test
zone: Asia/Shanghai
sandbox: true
units:
  - {code: points, kind: points}
  - {code: visits, kind: allotment}
  - {code: guest-visits, kind: allotment}
  - {code: CNY, kind: money, scale: 2}
  - {code: lounge, kind: right}
  - {code: lane, kind: right}
members:
  regions:
    - {code: china, level: nation, names: {en: China, zh-Hans: 中国}}
    - {code: guangdong, level: province, in: china, names: {en: Guangdong, zh-Hans: 广东}}
    - {code: hubei, level: province, in: china, names: {en: Hubei, zh-Hans: 湖北}}
tiers:
  - code: club
    names: {en: Club, zh-Hans: 俱乐部}
    period: {kind: ever}
    validity: {until: end_of_period}
    points: points
    ladder:
      - {code: gold, from: {points: 500}, names: {en: Gold, zh-Hans: 金卡}}
allotments:
  - {unit: visits, per: year, totals: {gold: 2}}
  - {unit: guest-visits, per: year, totals: {gold: 3}}
partners:
  - code: jade
    names: {en: Jade Lounges, zh-Hans: 翡翠贵宾厅}
    honours:
      - {benefit: lounge, unit: CNY, price: "80.00"}
      - {benefit: lane}
lounges:
  - code: can-t2-jade
    kind: airport_lounge
    names: {en: Jade Lounge, zh-Hans: 翡翠厅}
    station: CAN
    terminal: "2"
    region: guangdong
    operator: jade
    open: [{from: "06:00", until: "22:00"}]
    guests: 4
    amenities: {en: Showers, zh-Hans: 淋浴}
  - {code: szx-lane, kind: airport_fast_lane, names: {en: Fast lane, zh-Hans: 快速通道}, station: SZX, region: guangdong, operator: jade}
  - {code: wuh-jade, kind: railway_lounge, names: {en: Jade Wuhan, zh-Hans: 翡翠武汉}, station: HKW, region: hubei, operator: jade, guests: 1}
benefits:
  - code: lounge
    kind: lounge
    names: {en: Lounge, zh-Hans: 贵宾厅}
    prices: {visits: 1, points: 300, CNY: "99.00"}
    entry:
      lounges: [wuh-jade]
      regions: [guangdong]
      kinds: [airport_lounge, railway_lounge]
      days: 10
      guests: {most: 3, free: 1, prices: {guest-visits: 1, points: 200, CNY: "60.00"}}
  - {code: lane, kind: lounge, names: {en: Fast lane, zh-Hans: 快速通道}, prices: {points: 50}, entry: {regions: [china], kinds: [airport_fast_lane]}}
`

func TestLoungesAreListedByWhatTheyAre(t *testing.T) {
	t.Parallel()
	c := newClubOf(t, loungeDocument)
	night := time.Date(2026, 3, 1, 14, 30, 0, 0, time.UTC) // 22:30 there
	for name, q := range map[string]struct {
		benefits.LoungesQuery
		want string
	}{
		"all":               {benefits.LoungesQuery{}, "can-t2-jade szx-lane wuh-jade"},
		"a page":            {benefits.LoungesQuery{After: "can-t2-jade", Limit: 1}, "szx-lane"},
		"by station":        {benefits.LoungesQuery{Station: "CAN"}, "can-t2-jade"},
		"by region":         {benefits.LoungesQuery{Region: "guangdong"}, "can-t2-jade szx-lane"},
		"by kind":           {benefits.LoungesQuery{Kinds: []benefits.LoungeKind{benefits.RailwayLounge}}, "wuh-jade"},
		"by guests":         {benefits.LoungesQuery{Guests: 2}, "can-t2-jade"},
		"open at night":     {benefits.LoungesQuery{OpenAt: night}, "szx-lane wuh-jade"},
		"that a pass opens": {benefits.LoungesQuery{Benefit: "lounge"}, "can-t2-jade wuh-jade"},
	} {
		list, err := c.ListLounges(t.Context(), c.Programme, q.LoungesQuery)
		var got []string
		for _, l := range list {
			got = append(got, l.Code)
		}
		if err != nil || strings.Join(got, " ") != q.want {
			t.Errorf("%s: %v, %v, want %s", name, got, err, q.want)
		}
	}
	list, err := c.ListLounges(t.Context(), c.Programme, benefits.LoungesQuery{Station: "CAN"})
	if err != nil || !list[0].Open || list[0].Changes.UTC().Hour() != 14 || !slices.Equal(list[0].Benefits, []string{"lounge"}) {
		t.Errorf("listed: %+v, %v", list, err)
	}
	_, err = c.ListLounges(t.Context(), c.Programme, benefits.LoungesQuery{Benefit: "tea"})
	wantRefusal(t, err, ledger.NotFoundReason)
}

func TestMistakesOfLoungesSayWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	club := newClubOf(t, loungeDocument)
	for old, c := range map[string]struct{ with, want string }{
		"station: CAN":            {"station: Canton", "use the three capital letters"},
		"code: szx-lane":          {"code: can-t2-jade", "give each lounge a code of its own"},
		"region: hubei":           {"region: hubai", "use hubei"},
		`until: "22:00"`:          {`until: "05:00"`, "is not after"},
		"guests: 4":               {"guests: 40", "use 0 to 20"},
		"{en: Showers, zh-Hans:":  {"{en: Showers, fr:", "give it in en and in zh-Hans"},
		"operator: jade, guests:": {"operator: jad, guests:", "use jade"},
		"lounges: [wuh-jade]":     {"lounges: [wuh-jadee]", "use wuh-jade"},
		"regions: [guangdong]":    {"regions: [guangxi]", "use china, guangdong or hubei"},
		"most: 3, free: 1":        {"most: 3, free: 4", "use no more than most"},
		"days: 10":                {"days: 1000", "use 1 to 365"},
		"      - {benefit: lane}": {"", "add the benefit under partners, jade, honours"},
		"{guest-visits: 1, points: 200, CNY: \"60.00\"}": {"{}", "make all of them free"},
		"{code: lane, kind: lounge,":                     {"{code: lane, kind: offer,", "remove it, or make the benefit one of kind lounge"},
		"{regions: [china], kinds:":                      {"{kinds:", "give lounges, or the regions in which they lie"},
	} {
		text := strings.Replace(loungeDocument, old, c.with, 1)
		_, err := club.ApplyProgramme(t.Context(), ledgertest.Application(text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s → %s: %v, want %q", old, c.with, err, c.want)
		}
	}
}
