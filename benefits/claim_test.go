package benefits_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/ledger"
)

// richDocument is a document with every kind of price and condition; tests say what of it they are about.
const richDocument = `
programme: test
zone: Asia/Shanghai
sandbox: true
units:
  - {code: points, kind: points}
  - {code: visits, kind: allotment}
  - {code: CNY, kind: money, scale: 2}
  - {code: lounge, kind: right}
  - {code: golf, kind: right}
  - {code: movie, kind: right}
  - {code: ride, kind: right}
  - {code: pick, kind: right}
  - {code: spa, kind: right}
  - {code: secret, kind: right}
members:
  segments: [{code: vip, names: {en: VIP, zh-Hans: 贵宾}}]
  regions:
    - {code: china, level: nation, names: {en: China, zh-Hans: 中国}}
    - {code: guangdong, level: province, in: china, names: {en: Guangdong, zh-Hans: 广东}}
    - {code: shenzhen, level: city, in: guangdong, names: {en: Shenzhen, zh-Hans: 深圳}}
tiers:
  - code: club
    names: {en: Club, zh-Hans: 俱乐部}
    period: {kind: ever}
    validity: {until: end_of_period}
    points: points
    ladder:
      - {code: silver, from: {points: 200}, names: {en: Silver, zh-Hans: 银卡}}
      - {code: gold, from: {points: 500}, names: {en: Gold, zh-Hans: 金卡}}
limits:
  - {code: lounge-a-day, of: times, per: member, interval: day, most: 1}
  - {code: golf-ever, of: golf, per: member, interval: ever, most: 2}
  - {code: points-a-day, of: points, per: member, interval: day, most: 400}
  - {code: pick-a-month, of: times, per: member, interval: month, most: 1}
allotments:
  - {unit: visits, per: year, totals: {gold: 2}}
benefits:
  - code: lounge
    kind: lounge
    names: {en: Lounge, zh-Hans: 贵宾厅}
    prices: {points: 300, visits: 1, CNY: "99.00"}
    tier_prices: {gold: {points: 250}}
    points_and_cash: [{points: 100, CNY: "60.00"}]
    mix: {unit: CNY, per_point: "0.25", least: 100, step: 50}
  - code: golf
    kind: event
    names: {en: Golf, zh-Hans: 高尔夫}
    prices: {points: 10}
    stock: {open: 8}
    kept: {gold: {first: 2}}
    limits: [golf-ever]
  - {code: movie, kind: offer, names: {en: Film, zh-Hans: 电影}, prices: {points: 300}, limits: [points-a-day]}
  - {code: ride, kind: offer, names: {en: Ride, zh-Hans: 打车}, prices: {points: 10}, stock: {all: 1}}
  - code: pick
    kind: offer
    names: {en: Monthly pick, zh-Hans: 每月一选}
    prices: {points: 1}
    choose: [movie, ride]
    limits: [pick-a-month]
  - code: spa
    kind: service
    names: {en: Spa, zh-Hans: 水疗}
    prices: {points: 1}
    regions: [guangdong]
    channels: [app]
    from: 2026-03-10
    until: 2026-03-20
    priority: {gold: 3, silver: 1}
    open: [{from: "09:00", until: "18:00"}]
    when: member.tenure_months >= 0 && at.weekday != 7
  - {code: secret, kind: offer, state: draft, names: {en: Secret, zh-Hans: 秘密}, prices: {points: 1}}
`

func newRichClub(t *testing.T) club {
	t.Helper()
	return newClubOf(t, richDocument)
}

// want redeems what is wanted.
func (c club) want(t *testing.T, key string, w benefits.Wanted) (benefits.Claim, error) {
	t.Helper()
	return c.RedeemBenefit(t.Context(), c.Programme, w, ledger.Request{Client: "app", Key: key, Channel: "app", Reference: "pay-" + key})
}

// paid are the legs of a claim without the right's, such as "points 300, CNY 60".
func paid(claim benefits.Claim) string {
	var legs []string
	for _, leg := range claim.Transaction.Legs {
		if leg.To.Account.Place != ledger.Voucher && leg.From.Account.Place != ledger.Cap {
			legs = append(legs, leg.Unit+" "+leg.Amount.String())
		}
	}
	return strings.Join(legs, ", ")
}

func cny(text string) benefits.Cash {
	return benefits.Cash{Unit: "CNY", Amount: decimal.RequireFromString(text)}
}

func TestAClaimIsPaidInTheFirstWayThatTheMemberCan(t *testing.T) {
	t.Parallel()
	c := newRichClub(t)
	c.Accrue(t, "a1", "gus", "points", 600)
	c.Accrue(t, "a2", "ann", "points", 400)
	c.Accrue(t, "a3", "poor", "points", 150)
	for i, row := range []struct {
		member string
		with   benefits.PayWith
		cash   benefits.Cash
		want   string
		no     ledger.Reason
	}{
		{member: "gus", want: "visits 1"},
		{member: "gus", want: "visits 1"},
		{member: "gus", want: "points 250"},
		{member: "gus", with: benefits.WithAllotment, no: ledger.InsufficientPoints},
		{member: "ann", with: benefits.WithPointsAndCash, no: ledger.InvalidField},
		{member: "ann", cash: cny("61.00"), no: ledger.InvalidField},
		{member: "ann", want: "points 300"},
		{member: "ann", want: "", no: ledger.InsufficientPoints},
		{member: "ann", cash: cny("60.00"), want: "points 100, CNY 60"},
		{member: "poor", cash: cny("99.00"), want: "CNY 99"},
		{member: "poor", cash: cny("37.50"), want: "points 150, CNY 37.5"},
		{member: "poor", cash: cny("37.50"), no: ledger.InsufficientPoints},
	} {
		claim, err := c.want(t, fmt.Sprint("r", i), benefits.Wanted{Member: row.member, Benefit: "lounge", With: row.with, Cash: row.cash})
		if row.no != "" {
			wantRefusal(t, err, row.no)
			continue
		}
		if err != nil || paid(claim) != row.want {
			t.Errorf("%d: %s paid %q, want %q (%v)", i, row.member, paid(claim), row.want, err)
		}
	}
	c.WantBalance(t, "deferred", "CNY", decimal.RequireFromString("196.5"))
}

func TestCashComesBackWithTheClaimAndPaysOnce(t *testing.T) {
	t.Parallel()
	c := newRichClub(t)
	w := benefits.Wanted{Member: "ann", Benefit: "lounge", Cash: cny("99.00")}
	claim, err := c.want(t, "r1", w)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.RedeemBenefit(t.Context(), c.Programme, w, ledger.Request{Client: "app", Key: "r2", Channel: "app", Reference: "pay-r1"})
	wantRefusal(t, err, ledger.ReferenceUsed)
	if _, err := c.CancelRedemption(t.Context(), c.Programme, "ann", claim.Voucher.ID, ledger.Request{Client: "app", Key: "c1"}); err != nil {
		t.Fatal(err)
	}
	c.WantBalance(t, "deferred", "CNY", decimal.Zero)
	c.WantBalance(t, "receivable", "CNY", decimal.Zero)
}

func TestARetryIsAnsweredWhateverPriceHoursAndStateHaveBecome(t *testing.T) {
	t.Parallel()
	c := newRichClub(t)
	c.Accrue(t, "a1", "ann", "points", 700)
	c.moveClock(t, time.Date(2026, 3, 9, 4, 0, 0, 0, time.UTC))
	w := benefits.Wanted{Member: "ann", Benefit: "spa", Region: "shenzhen"}
	first, err := c.want(t, "r1", w)
	if err != nil {
		t.Fatal(err)
	}
	c.moveClock(t, time.Date(2026, 3, 25, 4, 0, 0, 0, time.UTC))
	_, err = c.want(t, "r2", w)
	wantRefusal(t, err, ledger.NotOpen)
	for _, document := range []string{
		richDocument,
		strings.Replace(richDocument, "code: spa\n    kind: service", "code: spa\n    state: retired\n    kind: service", 1),
	} {
		c.apply(t, document)
		again, err := c.want(t, "r1", w)
		if err != nil || again.Voucher.Code != first.Voucher.Code {
			t.Errorf("again: %v, %v", again.Voucher, err)
		}
	}
	c.apply(t, strings.Replace(richDocument, "until: 2026-03-20", "until: 2026-04-20", 1))
	_, err = c.want(t, "r2", w) // a no stays a no
	wantRefusal(t, err, ledger.NotOpen)
}

func TestConditionsRefuseWithTheirCause(t *testing.T) {
	t.Parallel()
	c := newRichClub(t)
	c.Accrue(t, "a1", "gus", "points", 700)
	c.Accrue(t, "a2", "sil", "points", 300)
	for i, row := range []struct {
		at      string // local
		member  string
		region  string
		channel string
		because string // "" is a claim
		opens   string
	}{
		{"2026-03-06 12:00", "gus", "shenzhen", "app", "not_yet", "2026-03-06T16:00:00Z"},
		{"2026-03-07 08:00", "gus", "shenzhen", "app", "closed", "2026-03-07T01:00:00Z"},
		{"2026-03-07 09:00", "gus", "shenzhen", "app", "", ""},
		{"2026-03-07 09:00", "gus", "china", "app", "region", ""},
		{"2026-03-07 09:00", "gus", "guangdong", "web", "channel", ""},
		{"2026-03-07 09:00", "sil", "guangdong", "app", "tier", ""},
		{"2026-03-08 09:00", "gus", "guangdong", "app", "condition", ""}, // a Sunday
		{"2026-03-09 17:59", "sil", "guangdong", "app", "", ""},
		{"2026-03-09 18:00", "gus", "guangdong", "app", "closed", "2026-03-10T01:00:00Z"},
		{"2026-03-19 17:59", "nobody", "guangdong", "app", "unit", ""},
		{"2026-03-20 00:00", "gus", "guangdong", "app", "over", ""},
	} {
		zone, _ := time.LoadLocation("Asia/Shanghai")
		at, err := time.ParseInLocation("2006-01-02 15:04", row.at, zone)
		if err != nil {
			t.Fatal(err)
		}
		if state, err := c.Ledger.State(t.Context(), c.Programme); err != nil || at.After(state.Now) {
			c.moveClock(t, at)
		}
		_, err = c.RedeemBenefit(t.Context(), c.Programme, benefits.Wanted{Member: row.member, Benefit: "spa", Region: row.region},
			ledger.Request{Client: "app", Key: fmt.Sprint("r", i), Channel: row.channel})
		refusal := new(ledger.Refusal)
		switch found := errors.As(err, &refusal); {
		case row.because == "" && err != nil:
			t.Errorf("%v: %v", row, err)
		case row.because == "":
		case !found:
			t.Errorf("%v: %v", row, err)
		case refusal.Detail["because"] != row.because && refusal.Detail[row.because] == "", refusal.Detail["opens_at"] != row.opens:
			t.Errorf("%v: %v", row, refusal)
		}
	}
	_, err := c.want(t, "draft", benefits.Wanted{Member: "gus", Benefit: "secret"})
	wantRefusal(t, err, ledger.NotFoundReason)
}

func TestAChoiceGivesOneRightAndUsesTheMonthsSlot(t *testing.T) {
	t.Parallel()
	c := newRichClub(t)
	c.Accrue(t, "a1", "ann", "points", 100)
	_, err := c.want(t, "r0", benefits.Wanted{Member: "ann", Benefit: "pick"})
	wantRefusal(t, err, ledger.InvalidField)
	claim, err := c.want(t, "r1", benefits.Wanted{Member: "ann", Benefit: "pick", Choice: "ride"})
	if err != nil || claim.Voucher.Benefit != "ride" {
		t.Fatal(claim.Voucher, err)
	}
	_, err = c.want(t, "r2", benefits.Wanted{Member: "ann", Benefit: "pick", Choice: "movie"})
	wantRefusal(t, err, ledger.LimitReached)
	if _, err := c.CancelRedemption(t.Context(), c.Programme, "ann", claim.Voucher.ID, ledger.Request{Client: "app", Key: "c1"}); err != nil {
		t.Fatal(err)
	}
	if claim, err = c.want(t, "r3", benefits.Wanted{Member: "ann", Benefit: "pick", Choice: "movie"}); err != nil || claim.Voucher.Benefit != "movie" {
		t.Error(claim.Voucher, err)
	}
}

func TestPointsOfADayAreBounded(t *testing.T) {
	t.Parallel()
	c := newRichClub(t)
	c.Accrue(t, "a1", "ann", "points", 1000)
	if _, err := c.want(t, "r1", benefits.Wanted{Member: "ann", Benefit: "movie"}); err != nil {
		t.Fatal(err)
	}
	_, err := c.want(t, "r2", benefits.Wanted{Member: "ann", Benefit: "movie"})
	wantRefusal(t, err, ledger.LimitReached)
	c.moveClock(t, time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC))
	if _, err := c.want(t, "r3", benefits.Wanted{Member: "ann", Benefit: "movie"}); err != nil {
		t.Error(err)
	}
}

// TestExactlyTheStockIsGranted fires claims of many members of two tiers at two ledgers: what is kept for gold goes to gold
// members alone, who may have the open stock too, and no member gets more than two.
func TestExactlyTheStockIsGranted(t *testing.T) {
	t.Parallel()
	c := newRichClub(t)
	other := benefits.New(c.Another(t), c.Pool, c.vouchers)
	for i := range 3 {
		c.Accrue(t, fmt.Sprint("g", i), fmt.Sprint("gold", i), "points", 600)
	}
	for i := range 6 {
		c.Accrue(t, fmt.Sprint("p", i), fmt.Sprint("plain", i), "points", 100)
	}
	var won atomic.Int64
	var calls []func()
	for i := range 36 {
		member := fmt.Sprint("plain", i%6)
		if i%3 == 0 {
			member = fmt.Sprint("gold", i/3%3)
		}
		catalog := []*benefits.Catalog{c.Catalog, other}[i%2]
		calls = append(calls, func() {
			w := benefits.Wanted{Member: member, Benefit: "golf"}
			_, err := catalog.RedeemBenefit(t.Context(), c.Programme, w, ledger.Request{Client: "app", Key: fmt.Sprint("r", i)})
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, &ledger.Refusal{Reason: ledger.OutOfStock}) && !errors.Is(err, &ledger.Refusal{Reason: ledger.LimitReached}):
				t.Error(err)
			}
		})
	}
	race(calls...)
	if won.Load() != 10 {
		t.Errorf("%d won, want 10", won.Load())
	}
	c.WantBalance(t, "stock", "golf", decimal.Zero)
	var most decimal.Decimal
	err := c.Pool.QueryRow(t.Context(), `SELECT max(-a.balance) FROM accounts AS a WHERE a.unit = 'golf-ever' AND a.place LIKE 'cap/%'`).Scan(&most)
	if err != nil || most.GreaterThan(decimal.NewFromInt(2)) {
		t.Errorf("a member has %s, %v", most, err)
	}
	var plain int
	err = c.Pool.QueryRow(t.Context(), `SELECT count(*) FROM legs AS l WHERE l.from_place = 'stock/gold' AND l.to_owner LIKE 'member/plain%'`).Scan(&plain)
	if err != nil || plain != 0 {
		t.Errorf("%d of what is kept for gold went to others, %v", plain, err)
	}
}

// TestExactlyTheAllotmentIsUsed fires claims of one member at two ledgers: two visits, then the points that there are.
func TestExactlyTheAllotmentIsUsed(t *testing.T) {
	t.Parallel()
	c := newRichClub(t)
	other := benefits.New(c.Another(t), c.Pool, c.vouchers)
	c.Accrue(t, "a1", "gus", "points", 800)
	var won atomic.Int64
	var calls []func()
	for i := range 12 {
		catalog := []*benefits.Catalog{c.Catalog, other}[i%2]
		calls = append(calls, func() {
			w := benefits.Wanted{Member: "gus", Benefit: "lounge"}
			_, err := catalog.RedeemBenefit(t.Context(), c.Programme, w, ledger.Request{Client: "app", Key: fmt.Sprint("r", i)})
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, &ledger.Refusal{Reason: ledger.InsufficientPoints}) {
				t.Error(err)
			}
		})
	}
	race(calls...)
	if won.Load() != 5 {
		t.Errorf("%d won, want 2 by visits and 3 by points", won.Load())
	}
	c.wantWallet(t, "gus", "points 50")
}

func TestTheListHasWhatIsOfferedAndWhatIsLeftForTheMember(t *testing.T) {
	t.Parallel()
	c := newRichClub(t)
	c.Accrue(t, "a1", "gus", "points", 600)
	for member, want := range map[string]string{"gus": "10", "ann": "8"} {
		list, err := c.ListBenefits(t.Context(), c.Programme, benefits.CatalogQuery{Member: member})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range list {
			switch {
			case l.Code == "secret":
				t.Error("a draft is listed")
			case l.Code == "golf" && l.Left.Decimal.String() != want:
				t.Errorf("%s left for %s, want %s", l.Left.Decimal, member, want)
			case l.Code == "lounge" && len(l.Refusals) > 0:
				t.Errorf("%s can pay in money, and is told %v", member, l.Refusals)
			}
		}
	}
}
