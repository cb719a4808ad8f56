package aggregator_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/internal/aggregator"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
	"tallystick/partners"
)

const document = `programme: test
zone: Asia/Shanghai
sandbox: true
units:
  - {code: points, kind: points}
  - {code: pass, kind: right}
  - {code: spa, kind: right}
  - {code: CNY, kind: money, scale: 2}
partners:
  - code: world
    names: {en: World Lounges, zh-Hans: 环球贵宾厅}
    honours:
      - {benefit: pass, unit: CNY, price: "180.00"}
      - {benefit: spa, unit: CNY, price: "90.00"}
benefits:
  - {code: pass, kind: lounge, names: {en: Lounge abroad, zh-Hans: 境外贵宾厅}, prices: {points: 100}, delivery: {by: world, refund: true}}
  - {code: spa, kind: service, names: {en: Spa, zh-Hans: 水疗}, prices: {points: 50}, delivery: {by: world, refund: true}}
`

// site is books with a partner who misbehaves.
type site struct {
	*ledgertest.Books
	catalog *benefits.Catalog
	partner *aggregator.Reference
	*aggregator.Connector
}

func newSite(t *testing.T, faults aggregator.Faults) site {
	t.Helper()
	books := ledgertest.New(t, document)
	catalog := benefits.New(books.Ledger, books.Pool, partners.New(books.Ledger, books.Pool, books.Keys))
	if _, err := catalog.ApplyProgramme(t.Context(), ledgertest.Application(document)); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	books.Post(t, ledger.SetClock(now, ledger.Request{Client: "test", Key: "clock"}))
	prices := map[string]decimal.Decimal{"pass": decimal.NewFromInt(180), "spa": decimal.NewFromInt(90)}
	partner := aggregator.NewReference(prices, func() time.Time { return now }, faults)
	s := site{books, catalog, partner, aggregator.NewConnector(catalog, books.Programme, "world", partner)}
	t.Cleanup(func() {
		var report ledger.Report
		if err := benefits.Verify(context.Background(), books.Pool, &report); err != nil || !report.OK() {
			t.Errorf("verify: %+v, %v", report.Failures, err)
		}
	})
	return s
}

func (s site) order(t *testing.T, member, benefit string) uuid.UUID {
	t.Helper()
	s.Accrue(t, "a-"+member, member, "points", 100)
	w := benefits.Wanted{Member: member, Benefit: benefit, DeliverTo: "card-" + member}
	claim, err := s.catalog.RedeemBenefit(t.Context(), s.Programme, w, ledger.Request{Client: "app", Key: "c-" + member})
	if err != nil {
		t.Fatal(err)
	}
	return claim.Transaction.ID
}

func (s site) states(t *testing.T) map[benefits.DeliveryState]int {
	t.Helper()
	list, _, err := s.catalog.ListDeliveries(t.Context(), s.Programme, benefits.DeliveriesQuery{Operator: "world", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[benefits.DeliveryState]int)
	for _, d := range list {
		count[d.State]++
	}
	return count
}

// rounds goes on until a round has no trouble any more.
func (s site) rounds(t *testing.T) int {
	t.Helper()
	for n := 1; n <= 100; n++ {
		if s.Round(t.Context()) == nil {
			return n
		}
	}
	t.Fatal("100 rounds were not enough")
	return 0
}

func (s site) wantOwed(t *testing.T, want int64) {
	t.Helper()
	s.WantBalance(t, "payable", "CNY", decimal.NewFromInt(want))
}

// TestWhatIsIssuedOnceIsOwedOnceHoweverManyAnswersAreLost: the partner loses every third answer, does not hear every fourth
// call, and tells every second event twice; two connectors work at once.
func TestWhatIsIssuedOnceIsOwedOnceHoweverManyAnswersAreLost(t *testing.T) {
	t.Parallel()
	s := newSite(t, aggregator.Faults{LoseEvery: 3, FailEvery: 4, RepeatEvery: 2})
	const orders = 40
	var ids []uuid.UUID
	for i := range orders {
		ids = append(ids, s.order(t, fmt.Sprint("m", i), "pass"))
	}
	beside := make(chan struct{})
	go func() {
		defer close(beside)
		other := aggregator.NewConnector(s.catalog, s.Programme, "world", s.partner)
		for range 5 {
			_ = other.Round(t.Context()) // it has its troubles, as the other
		}
	}()
	n := s.rounds(t)
	<-beside
	if got := s.states(t); got[benefits.DeliveryShipped] != orders {
		t.Fatalf("after %d rounds: %v", n, got)
	}
	s.wantOwed(t, 180*orders)
	for i, id := range ids {
		if i%2 == 0 {
			if err := s.partner.Use(id); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.rounds(t)
	if got := s.states(t); got[benefits.DeliveryDelivered] != orders/2 || got[benefits.DeliveryShipped] != orders/2 {
		t.Errorf("after they were used: %v", got)
	}
	again := aggregator.NewConnector(s.catalog, s.Programme, "world", s.partner) // as after a restart: it hears everything again
	for again.Round(t.Context()) != nil {
		continue
	}
	s.wantOwed(t, 180*orders)
}

func TestWhatThePartnerRefusesOrCancelsIsRefunded(t *testing.T) {
	t.Parallel()
	s := newSite(t, aggregator.Faults{Refuses: []string{"spa"}})
	s.order(t, "ann", "spa")
	pass := s.order(t, "bob", "pass")
	s.rounds(t)
	if err := s.partner.Cancel(t.Context(), pass); err != nil {
		t.Fatal(err)
	}
	s.rounds(t)
	if got := s.states(t); got[benefits.DeliveryRefunded] != 2 {
		t.Errorf("%v", got)
	}
	s.wantOwed(t, 0)
	s.WantBalance(t, "wallet", "points", decimal.NewFromInt(200))
}

// TestAMemberWhoGivesBackWhileItIsIssuedWins: the partner's pass is canceled, and nothing is owed for it.
func TestAMemberWhoGivesBackWhileItIsIssuedWins(t *testing.T) {
	t.Parallel()
	s := newSite(t, aggregator.Faults{})
	pass := s.order(t, "ann", "pass")
	giveBack := meanwhile{s.partner, func() {
		if _, err := s.catalog.CancelRedemption(t.Context(), s.Programme, "ann", pass, ledger.Request{Client: "app", Key: "back"}); err != nil {
			t.Error(err)
		}
	}}
	if err := aggregator.NewConnector(s.catalog, s.Programme, "world", giveBack).Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.partner.Use(pass); err == nil {
		t.Error("the pass can still be used")
	}
	s.wantOwed(t, 0)
	s.rounds(t)
	lines, err := s.partner.Statement(t.Context(), time.Time{}, ledger.Never)
	if err != nil || len(lines) != 0 {
		t.Errorf("charged: %v, %v", lines, err)
	}
}

// meanwhile is a partner at whose side something happens while it answers.
type meanwhile struct {
	*aggregator.Reference
	happens func()
}

func (m meanwhile) Issue(ctx context.Context, order aggregator.Order) (aggregator.Pass, error) {
	pass, err := m.Reference.Issue(ctx, order)
	m.happens()
	return pass, err
}

func TestAStatementIsMatchedLineByLine(t *testing.T) {
	t.Parallel()
	s := newSite(t, aggregator.Faults{})
	var ids []uuid.UUID
	for i := range 6 {
		ids = append(ids, s.order(t, fmt.Sprint("m", i), "pass"))
	}
	s.rounds(t)
	from, to := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	m, err := s.Match(t.Context(), from, to)
	if err != nil || !m.Clean() || m.Agree != 6 {
		t.Fatalf("%+v, %v", m, err)
	}
	if before, err := s.Match(t.Context(), from.AddDate(0, -1, 0), from); err != nil || !before.Clean() || before.Agree != 0 {
		t.Errorf("the month before: %+v, %v", before, err)
	}
	stray := uuid.New()
	if _, err := s.partner.Issue(t.Context(), aggregator.Order{ID: stray, Benefit: "pass"}); err != nil { // by somebody else
		t.Fatal(err)
	}
	s.partner.Doubles, s.partner.Overcharges = ids[:1], ids[1:2]
	if err := s.partner.Cancel(t.Context(), ids[2]); err != nil { // the books have not heard of it yet
		t.Fatal(err)
	}
	m, err = s.Match(t.Context(), from, to)
	if err != nil || m.Agree != 4 || len(m.Duplicate) != 1 || len(m.Differs) != 1 || len(m.MissingHere) != 1 || len(m.MissingThere) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	if m.Duplicate[0].Order != ids[0] || m.Differs[0].Order != ids[1] || m.MissingHere[0].Order != stray || m.MissingThere[0] != ids[2] {
		t.Errorf("%+v", m)
	}
	if m.Clean() {
		t.Error("it is clean")
	}
}
