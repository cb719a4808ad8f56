package outbox

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
	"tallystick/partners"
)

const clubDocument = `programme: test
zone: Asia/Shanghai
sandbox: true
expiry_notice: 30d
expiry:
  rolling: {kind: rolling, months: 12}
  this-year: {kind: natural_year, years: 0}
units:
  - {code: points, kind: points, expiry: rolling}
  - {code: visits, kind: allotment, expiry: this-year}
  - {code: golf, kind: right}
  - {code: CNY, kind: money, scale: 2}
tiers:
  - code: club
    names: {en: Club, zh-Hans: 俱乐部}
    period: {kind: ever}
    validity: {until: end_of_period}
    points: points
    ladder: [{code: gold, from: {points: 500}, names: {en: Gold, zh-Hans: 金卡}}]
allotments:
  - {unit: visits, per: year, totals: {gold: 2}}
earning:
  activities: [{code: bill, names: {en: Bill, zh-Hans: 账单}, money: CNY}]
  rules: [{code: base, names: {en: Points, zh-Hans: 积分}, on: bill, unit: points, rate: {points: 1, per: 1, whole: true}}]
benefits:
  - code: golf
    kind: event
    names: {en: Golf, zh-Hans: 高尔夫}
    prices: {points: 10}
    stock: {all: 1}
    event: {type: golf, place: {en: Lake, zh-Hans: 湖}, starts: 2026-04-18 09:00, ends: 2026-04-18 17:00, lists: [{code: gate, names: {en: Gate, zh-Hans: 入口}}]}
`

// TestWhatMembersAreToldOfArrivesOnceWithItsCause lives through a bill that makes a member gold, a seat that is given back while
// another waits, and points that will expire, under two ratings and two notices at a time.
func TestWhatMembersAreToldOfArrivesOnceWithItsCause(t *testing.T) {
	t.Parallel()
	b := ledgertest.New(t, clubDocument)
	catalog := benefits.New(b.Ledger, b.Pool, partners.New(b.Ledger, b.Pool, b.Keys))
	if _, err := catalog.ApplyProgramme(t.Context(), ledgertest.Application(clubDocument)); err != nil {
		t.Fatal(err)
	}
	clock := func(to time.Time) {
		b.Post(t, ledger.SetClock(to, ledger.Request{Client: "test", Key: "clock-" + to.Format(time.DateOnly)}))
	}
	clock(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	s := newSink(t)
	endpoint(t, b, s)
	run(t, hurried(b.Ledger, b.Pool))

	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, member := range []string{"ann", "bob"} {
		_, err := catalog.RecordActivity(t.Context(), b.Programme, benefits.Activity{Kind: "bill", Member: member, Amount: decimal.NewFromInt(600)},
			ledger.Request{Client: "billing", Key: "b-" + member})
		must(err)
	}
	for range 2 {
		_, err := catalog.Qualify(t.Context(), b.Programme, "ann")
		must(err)
	}
	booked, err := catalog.BookEvent(t.Context(), b.Programme, benefits.Seats{Member: "ann", Event: "golf"}, ledger.Request{Client: "app", Key: "book"})
	must(err)
	must(catalog.JoinWaitingList(t.Context(), b.Programme, benefits.Seats{Member: "bob", Event: "golf"}, ledger.Request{Client: "app", Key: "join"}))
	_, err = catalog.CancelBooking(t.Context(), b.Programme, "ann", booked.Booking.ID, ledger.Request{Client: "app", Key: "cancel"})
	must(err)
	clock(time.Date(2027, 3, 5, 0, 0, 0, 0, time.UTC))
	for range 2 {
		_, err := b.Ledger.Notify(t.Context(), b.Programme)
		must(err)
	}
	var posted int
	must(b.Pool.QueryRow(context.Background(), `SELECT count(*) FROM transactions AS t WHERE t.rejection = ''`).Scan(&posted))
	s.await(posted - 2) // the clock and the publication were before the endpoint
	got := make(map[string]int)
	for _, r := range s.receipts() {
		if r.event.Type != TypePosted {
			d := r.event.Data.Transaction
			got[strings.TrimSpace(strings.Join([]string{r.event.Type, d.Member, d.Reason, d.Rule}, " "))]++
		}
	}
	want := map[string]int{
		"points.accrued ann  activity/bill":            1,
		"points.accrued bob  activity/bill":            1,
		"tier.changed ann rise tier/club/points":       1,
		"allotment.granted ann  allotment/visits/gold": 1,
		"seat.offered bob seat.offered benefit/golf":   1,
		"points.expiring ann  expiring/points":         1,
		"points.expiring bob  expiring/points":         1,
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for event, n := range got {
		if n != 1 {
			t.Errorf("%s came %d times", event, n)
		}
	}
}
