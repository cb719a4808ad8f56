package benefits_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
	"tallystick/partners"
)

var (
	modelOps  = flag.Int("benefits.ops", modelOpsByDefault, "operations of the benefits against their model")
	modelSeed = flag.Uint64("benefits.seed", 0, "repeats a run; 0: another each time")
)

// modelDocument is a programme whose terms the model knows by heart: see the constants of clubModel.
const modelDocument = `programme: model
zone: Asia/Shanghai
sandbox: true
expiry:
  this-year: {kind: natural_year, years: 0}
units:
  - {code: points, kind: points}
  - {code: growth, kind: qualifying, expiry: this-year}
  - {code: visits, kind: allotment, expiry: this-year}
  - {code: tea, kind: right}
  - {code: golf, kind: right}
  - {code: lounge, kind: right}
  - {code: CNY, kind: money, scale: 2}
limits:
  - {code: earned-a-day, of: points, per: member, interval: day, most: 400}
  - {code: tea-a-day, of: times, per: member, interval: day, most: 3}
tiers:
  - code: club
    names: {en: Club, zh-Hans: 俱乐部}
    period: {kind: ever}
    validity: {until: end_of_period}
    points: growth
    ladder:
      - {code: silver, from: {points: 200}, names: {en: Silver, zh-Hans: 银卡}}
      - {code: gold, from: {points: 500}, names: {en: Gold, zh-Hans: 金卡}}
allotments:
  - {unit: visits, per: year, totals: {silver: 1, gold: 3}}
earning:
  activities:
    - {code: bill, names: {en: Bill, zh-Hans: 账单}, money: CNY}
  rules:
    - {code: bill-points, names: {en: Points, zh-Hans: 积分}, on: bill, unit: points, rate: {points: 1, per: 1, whole: true}, coefficients: {silver: "1.5", gold: "2"}, limits: [earned-a-day]}
    - {code: bill-growth, names: {en: Growth, zh-Hans: 成长值}, on: bill, unit: growth, rate: {points: 1, per: 1, whole: true}}
partners:
  - code: leaf
    names: {en: Leaf, zh-Hans: 叶}
    honours: [{benefit: tea, unit: CNY, price: "5.00"}, {benefit: lounge}]
lounges:
  - {code: hall, kind: airport_lounge, names: {en: Hall, zh-Hans: 厅}, station: CAN, operator: leaf, guests: 2}
benefits:
  - {code: tea, kind: offer, names: {en: Tea, zh-Hans: 茶}, prices: {points: 30, visits: 1}, stock: {opening: 60}, limits: [tea-a-day]}
  - {code: golf, kind: offer, names: {en: Golf, zh-Hans: 高尔夫}, tier: gold, prices: {points: 100}}
  - {code: lounge, kind: lounge, names: {en: Lounge, zh-Hans: 贵宾厅}, prices: {visits: 1, points: 50}, entry: {lounges: [hall], days: 5}}
`

// clubModel is what the books should say, kept in plain numbers and by rules written a second time.
type clubModel struct {
	now     time.Time
	stock   int64
	owed    int64 // to the partner, for teas
	members map[string]*memberModel
	claims  []*claimModel
	bills   []*billModel
	visits  []*visitModel
}

type memberModel struct {
	points, growth int64
	granted, left  int64 // of the year's visits
	year           int
	earned, teas   map[string]int64 // by day
}

type claimModel struct {
	id, use      uuid.UUID
	code, member string
	key, benefit string
	with         benefits.PayWith // as asked
	byVisit      bool
	year         int
	day          string
	state        string // issued, used, canceled
}

type billModel struct {
	id             uuid.UUID
	member, day    string
	points, growth int64
	year           int
	returned       bool
}

type visitModel struct {
	id      uuid.UUID
	member  string
	byVisit bool
	year    int
	release time.Time
	state   string // pending, reported, canceled, released
}

// tier is the rank that growth gives.
func (m *memberModel) tier() int {
	switch {
	case m.growth >= 500:
		return 2
	case m.growth >= 200:
		return 1
	default:
		return 0
	}
}

// due is what the tier still grants this year.
func (m *memberModel) due() int64 { return max(0, []int64{0, 1, 3}[m.tier()]-m.granted) }

// touch grants it.
func (m *memberModel) touch() {
	due := m.due()
	m.granted, m.left = m.granted+due, m.left+due
}

// back returns a visit of a year, which lapses when the year is over.
func (m *memberModel) back(year int) {
	if year == m.year {
		m.left++
	}
}

func (c *clubModel) day() string { return c.now.In(shanghai).Format(time.DateOnly) }

var shanghai = time.FixedZone("", 8*3600)

// machine drives one programme and its model.
type machine struct {
	*testing.T
	*benefits.Catalog
	ledger    *ledger.Ledger
	vouchers  *partners.Vouchers
	programme uuid.UUID
	model     clubModel
	random    *rand.Rand
	keys      int
	seen      map[string]int
}

func (m *machine) request() ledger.Request {
	m.keys++
	return ledger.Request{Client: "test", Key: fmt.Sprint("k", m.keys), Actor: "test", Channel: "app"}
}

func (m *machine) pick() (string, *memberModel) {
	name := fmt.Sprint("m", m.random.IntN(4))
	who := m.model.members[name]
	if year := m.model.now.In(shanghai).Year(); who.year != year {
		who.year, who.granted, who.left = year, 0, 0
	}
	return name, who
}

// TestBenefitsAgreeWithTheirModel drives programmes of one database at once, each beside a model of its own, and compares what
// members, stock and partner have. -benefits.ops says how many operations in total, -benefits.seed repeats a run.
func TestBenefitsAgreeWithTheirModel(t *testing.T) {
	t.Parallel()
	c := newClubOf(t, modelDocument)
	seed := *modelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	const programmes = 8
	machines := make([]*machine, programmes)
	servers := []*ledger.Ledger{c.Ledger, c.Another(t)}
	for i := range machines {
		machines[i] = newMachine(t, c, servers[i%2], i, rand.New(rand.NewPCG(seed, uint64(i))))
	}
	var all sync.WaitGroup
	for _, m := range machines {
		all.Go(func() {
			for range *modelOps / programmes {
				if t.Failed() {
					return
				}
				m.step()
			}
			m.compare()
		})
	}
	all.Wait()
	seen := make(map[string]int)
	for _, m := range machines {
		for what, n := range m.seen {
			seen[what] += n
		}
	}
	outcomes := []string{
		"bill", "bill cut", "return", "publish", "tea", "tea refused", "golf", "golf refused", "replay", "use", "reverse", "cancel", "cancel refused",
		"enter", "enter refused", "report", "late report", "cancel visit", "released", "clock", "year",
	}
	if *modelOps < 20_000 {
		outcomes = nil // too few to see the rarest
	}
	for _, what := range outcomes {
		if seen[what] == 0 {
			t.Errorf("in %d operations there was no %q: %v", *modelOps, what, seen)
		}
	}
	t.Logf("seed %d: %v", seed, seen)
}

func newMachine(t *testing.T, c club, l *ledger.Ledger, i int, random *rand.Rand) *machine {
	t.Helper()
	text := strings.Replace(modelDocument, "programme: model", fmt.Sprint("programme: model-", i), 1)
	applied, err := c.ApplyProgramme(t.Context(), ledgertest.Application(text))
	if err != nil {
		t.Fatal(err)
	}
	vouchers := partners.New(l, c.Pool, c.Keys)
	m := &machine{
		T: t, Catalog: benefits.New(l, c.Pool, vouchers), ledger: l, vouchers: vouchers, programme: applied.ID, random: random, seen: make(map[string]int),
	}
	m.model = clubModel{stock: 60, members: make(map[string]*memberModel)}
	for n := range 4 {
		m.model.members[fmt.Sprint("m", n)] = &memberModel{earned: make(map[string]int64), teas: make(map[string]int64)}
	}
	m.moveTo(time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC))
	return m
}

func (m *machine) moveTo(to time.Time) {
	if _, err := m.ledger.Post(m.Context(), m.programme, ledger.SetClock(to, m.request())); err != nil {
		m.Error(err)
		return
	}
	m.model.now = to
	if err := m.ledger.Sweep(m.Context(), m.programme, func(ledger.Due) {}); err != nil {
		m.Error(err)
	}
	if err := m.Sweep(m.Context(), m.programme); err != nil {
		m.Error(err)
	}
	for _, v := range m.model.visits {
		if v.state == "pending" && !v.release.After(to) {
			v.state = "released"
			m.saw("released")
			if who := m.model.members[v.member]; !v.byVisit {
				who.points += 50
			} else if v.year == to.In(shanghai).Year() {
				who.back(v.year)
			}
		}
	}
}

func (m *machine) saw(what string) { m.seen[what]++ }

// step does one thing that may happen, and now and then looks at everything.
func (m *machine) step() {
	before := m.model.now.In(shanghai).Year()
	switch n := m.random.IntN(100); {
	case n < 22:
		m.bill()
	case n < 26:
		m.giveBack()
	case n < 50:
		m.claim()
	case n < 56:
		m.replay()
	case n < 66:
		m.till()
	case n < 74:
		m.cancel()
	case n < 86:
		m.enter()
	case n < 96:
		m.leave()
	default:
		days := 1
		if m.random.IntN(4) == 0 {
			days = 40
		}
		m.moveTo(m.model.now.AddDate(0, 0, days))
		m.saw("clock")
	}
	if m.model.now.In(shanghai).Year() != before {
		m.saw("year")
	}
	if m.random.IntN(32) == 0 {
		m.compare()
	}
}

func (m *machine) bill() {
	name, who := m.pick()
	amount := int64(2 * (1 + m.random.IntN(60)))
	a := benefits.Activity{Kind: "bill", Member: name, Amount: decimal.NewFromInt(amount)}
	points := amount * []int64{2, 3, 4}[who.tier()] / 2
	if left := 400 - who.earned[m.model.day()]; points > left {
		points = left
		m.saw("bill cut")
	}
	earned, err := m.RecordActivity(m.Context(), m.programme, a, m.request())
	if err != nil {
		m.Errorf("bill of %d: %v", amount, err)
		return
	}
	who.points, who.growth = who.points+points, who.growth+amount
	who.earned[m.model.day()] += points
	m.model.bills = append(m.model.bills, &billModel{earned.Transaction.ID, name, m.model.day(), points, amount, who.year, false})
	m.saw("bill")
}

// giveBack returns a bill of the year whose points are still there.
func (m *machine) giveBack() {
	name, who := m.pick()
	for _, b := range m.model.bills {
		if b.member != name || b.returned || b.year != who.year || b.points > who.points {
			continue
		}
		r, err := m.Return(m.Context(), m.programme, b.id, decimal.Zero, m.request())
		if err == nil {
			_, err = m.ledger.Post(m.Context(), m.programme, r)
		}
		if err != nil {
			m.Errorf("return of %d: %v", b.growth, err)
			return
		}
		b.returned = true
		who.points, who.growth = who.points-b.points, who.growth-b.growth
		who.earned[b.day] -= b.points
		m.saw("return")
		return
	}
}

func (m *machine) claim() {
	name, who := m.pick()
	if m.model.stock == 0 && m.random.IntN(4) == 0 {
		if _, err := m.PublishStock(m.Context(), m.programme, benefits.Publishing{Benefit: "tea", Rights: 20}, m.request()); err != nil {
			m.Errorf("publish: %v", err)
		}
		m.model.stock = 20
		m.saw("publish")
	}
	c := &claimModel{member: name, benefit: "tea", with: benefits.WithAny, year: who.year, day: m.model.day(), state: "issued"}
	switch m.random.IntN(4) {
	case 0:
		c.benefit, c.with = "golf", benefits.WithPoints
	case 1:
		c.with = benefits.WithPoints
	case 2:
		c.with = benefits.WithAllotment
	}
	price, may := int64(30), m.model.stock > 0 && who.teas[c.day] < 3
	if c.benefit == "golf" {
		price, may = 100, who.tier() == 2
	} else if c.with != benefits.WithPoints {
		who.touch()
		c.byVisit = who.left > 0
	}
	may = may && (c.byVisit || c.with != benefits.WithAllotment && who.points >= price)
	r := m.request()
	c.key = r.Key
	claim, err := m.RedeemBenefit(m.Context(), m.programme, benefits.Wanted{Member: name, Benefit: c.benefit, With: c.with}, r)
	if (err == nil) != may {
		m.Errorf("%s with %q by %s, who has %+v of %d: %v", c.benefit, c.with, name, *who, m.model.stock, err)
		return
	}
	if !may {
		m.saw(c.benefit + " refused")
		return
	}
	c.id, c.code = claim.Transaction.ID, string(claim.Voucher.Code)
	m.model.claims = append(m.model.claims, c)
	m.pay(who, c.byVisit, price)
	if c.benefit == "tea" {
		m.model.stock--
		who.teas[c.day]++
	}
	m.saw(c.benefit)
}

func (m *machine) pay(who *memberModel, byVisit bool, points int64) {
	if byVisit {
		who.left--
	} else {
		who.points -= points
	}
}

// one picks one of a list, nil of none.
func one[T any](m *machine, list []*T) *T {
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1-m.random.IntN(min(len(list), 20))]
}

// replay asks for a claim again, whatever became of it.
func (m *machine) replay() {
	c := one(m, m.model.claims)
	if c == nil {
		return
	}
	r := ledger.Request{Client: "test", Key: c.key, Actor: "test", Channel: "app"}
	if c.with != benefits.WithPoints {
		m.touchMember(c.member)
	}
	again, err := m.RedeemBenefit(m.Context(), m.programme, benefits.Wanted{Member: c.member, Benefit: c.benefit, With: c.with}, r)
	if err != nil || !again.Replayed || again.Transaction.ID != c.id || string(again.Voucher.Code) != c.code {
		m.Errorf("%s of %s again: %+v, %v", c.benefit, c.key, again, err)
	}
	m.saw("replay")
}

// touchMember is what a call does that may use an allotment.
func (m *machine) touchMember(name string) {
	who := m.model.members[name]
	if year := m.model.now.In(shanghai).Year(); who.year != year {
		who.year, who.granted, who.left = year, 0, 0
	}
	who.touch()
}

// till uses a tea, or takes its use back.
func (m *machine) till() {
	c := one(m, m.model.claims)
	if c == nil || c.benefit != "tea" {
		return
	}
	if c.state == "used" {
		if _, err := m.vouchers.ReverseVoucher(m.Context(), m.programme, "leaf", c.use, m.request()); err != nil {
			m.Errorf("reverse %s: %v", c.key, err)
		}
		c.state, m.model.owed = "issued", m.model.owed-5
		m.saw("reverse")
		return
	}
	use, err := m.vouchers.RedeemVoucher(m.Context(), m.programme, "leaf", "", c.code, m.request())
	if (err == nil) != (c.state == "issued") {
		m.Errorf("use of %s, which is %s: %v", c.key, c.state, err)
		return
	}
	if err == nil {
		c.state, c.use, m.model.owed = "used", use.Transaction.ID, m.model.owed+5
		m.saw("use")
	}
}

func (m *machine) cancel() {
	c := one(m, m.model.claims)
	if c == nil {
		return
	}
	_, err := m.CancelRedemption(m.Context(), m.programme, c.member, c.id, m.request())
	if (err == nil) != (c.state == "issued") {
		m.Errorf("cancel %s, which is %s: %v", c.key, c.state, err)
		return
	}
	if err != nil {
		m.saw("cancel refused")
		return
	}
	who := m.model.members[c.member]
	c.state = "canceled"
	switch {
	case c.byVisit && c.year == m.model.now.In(shanghai).Year():
		who.back(c.year)
	case c.byVisit:
	case c.benefit == "golf":
		who.points += 100
	default:
		who.points += 30
	}
	if c.benefit == "tea" {
		m.model.stock++
		who.teas[c.day]--
	}
	m.saw("cancel")
}

// enter lets a member into the lounge, by a visit or by the points that were agreed to.
func (m *machine) enter() {
	name, who := m.pick()
	who.touch()
	v := &visitModel{member: name, byVisit: who.left > 0, year: who.year, state: "pending"}
	may := v.byVisit || who.points >= 50
	w := benefits.CheckIn{Operator: "leaf", Lounge: "hall", Member: name, Consent: []benefits.Consent{upTo("points", 50)}}
	visit, err := m.CheckInVisit(m.Context(), m.programme, w, m.request())
	if (err == nil) != may {
		m.Errorf("enter by %s, who has %+v: %v", name, *who, err)
		return
	}
	if !may {
		m.saw("enter refused")
		return
	}
	v.id, v.release = visit.ID, visit.ReleaseAt
	m.model.visits = append(m.model.visits, v)
	m.pay(who, v.byVisit, 50)
	m.saw("enter")
}

// leave reports a visit or takes it back.
func (m *machine) leave() {
	v := one(m, m.model.visits)
	if v == nil {
		return
	}
	name, who := v.member, m.model.members[v.member]
	if m.random.IntN(3) == 0 {
		_, err := m.CancelVisit(m.Context(), m.programme, "leaf", v.id, m.request())
		if (err == nil) != (v.state == "pending") {
			m.Errorf("cancel a visit of %s that is %s: %v", name, v.state, err)
		}
		if err == nil {
			v.state = "canceled"
			m.saw("cancel visit")
			if !v.byVisit {
				who.points += 50
			} else if v.year == m.model.now.In(shanghai).Year() {
				who.back(v.year)
			}
		}
		return
	}
	if v.state == "reported" {
		return
	}
	w := benefits.VisitRecord{Operator: "leaf", Record: "r-" + v.id.String(), Visit: v.id, Lounge: "hall"}
	done, err := m.ReportVisit(m.Context(), m.programme, w, ledger.Request{Actor: "test"})
	if (err == nil) != (v.state != "canceled") {
		m.Errorf("report a visit of %s that is %s: %v", name, v.state, err)
		return
	}
	if err != nil {
		return
	}
	if v.state == "released" {
		m.late(v, done.Open)
	} else {
		m.saw("report")
	}
	v.state = "reported"
}

// late pays for a visit that was released: by what was held first, then by the other.
func (m *machine) late(v *visitModel, open int) {
	m.touchMember(v.member)
	who := m.model.members[v.member]
	byVisit := who.left > 0 && (v.byVisit || who.points < 50)
	paid := byVisit || who.points >= 50
	if paid != (open == 0) {
		m.Errorf("a late report of %s, who has %+v: %d open", v.member, *who, open)
	}
	if paid {
		m.pay(who, byVisit, 50)
	}
	m.saw("late report")
}

// compare looks at what everybody has.
func (m *machine) compare() {
	for _, name := range slices.Sorted(maps.Keys(m.model.members)) {
		who := *m.model.members[name]
		if year := m.model.now.In(shanghai).Year(); who.year != year {
			who.year, who.granted, who.left = year, 0, 0
		}
		w, err := m.Wallet(m.Context(), m.programme, name)
		if err != nil {
			m.Error(err)
			return
		}
		got := map[string]string{"points": "0", "visits": "0"}
		for _, b := range w.Balances {
			got[b.Unit] = b.Available.Add(w.Due[b.Unit]).String()
		}
		tier := w.Standing.Groups[0].Rank
		if got["points"] != fmt.Sprint(who.points) || got["visits"] != fmt.Sprint(who.left+who.due()) || tier != who.tier() {
			m.Errorf("programme %s at %s: %s has %v and tier %d, want %+v", m.programme, m.model.now, name, got, tier, who)
		}
	}
	stocks, err := m.Stocks(m.Context(), m.programme, "tea")
	if err != nil || stocks[0].Left.IntPart() != m.model.stock {
		m.Errorf("stock is %v, want %d, %v", stocks, m.model.stock, err)
	}
	owed, err := m.vouchers.Payable(m.Context(), m.programme, "leaf")
	if err != nil || len(owed) > 0 && owed[0].Amount.IntPart() != m.model.owed || len(owed) == 0 && m.model.owed != 0 {
		m.Errorf("the partner is owed %v, want %d, %v", owed, m.model.owed, err)
	}
}

// Context outlives the test's own, so that what is under way at a failure ends.
func (m *machine) Context() context.Context { return context.Background() }
