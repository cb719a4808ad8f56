package benefits_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

// deliveredDocument has a kettle that is refunded when it does not arrive, and data that is delivered again.
const deliveredDocument = `programme: test
zone: Asia/Shanghai
sandbox: true
units:
  - {code: points, kind: points}
  - {code: kettle, kind: right}
  - {code: data, kind: right}
  - {code: CNY, kind: money, scale: 2}
partners:
  - code: egret
    names: {en: Egret, zh-Hans: 白鹭}
    honours: [{benefit: kettle, unit: CNY, price: "12.00"}]
  - code: network
    names: {en: Network, zh-Hans: 网络}
    honours: [{benefit: data}]
benefits:
  - {code: kettle, kind: gift, names: {en: Kettle, zh-Hans: 水壶}, prices: {points: 300}, stock: {opening: 3}, delivery: {by: egret, refund: true}}
  - {code: data, kind: service, names: {en: 1 GB, zh-Hans: 1 GB 流量}, prices: {points: 100}, delivery: {by: network}}
`

func newDelivered(t *testing.T) club {
	t.Helper()
	c := newClubOf(t, deliveredDocument)
	c.Accrue(t, "a1", "ann", "points", 1000)
	return c
}

func (c club) order(t *testing.T, key, benefit string) uuid.UUID {
	t.Helper()
	w := benefits.Wanted{Member: "ann", Benefit: benefit, DeliverTo: "addr-1"}
	claim, err := c.RedeemBenefit(t.Context(), c.Programme, w, ledger.Request{Client: "app", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return claim.Transaction.ID
}

func (c club) deliver(t *testing.T, operator, record string, claim uuid.UUID, what benefits.DeliveryEvent) (benefits.Delivery, bool, error) {
	t.Helper()
	w := benefits.DeliveryRecord{Operator: operator, Record: record, Claim: claim, What: what, Carrier: "SF", Number: "SF-" + record}
	return c.ReportDelivery(t.Context(), c.Programme, w, ledger.Request{Actor: "wu"})
}

// wantDelivered reports something, and looks where the delivery stands after it.
func (c club) wantDelivered(t *testing.T, operator, record string, claim uuid.UUID, what benefits.DeliveryEvent, want benefits.DeliveryState) {
	t.Helper()
	d, _, err := c.deliver(t, operator, record, claim, what)
	if err != nil || d.State != want {
		t.Fatalf("%s of %s: %+v, %v, want %s", what, record, d, err, want)
	}
}

func (c club) owed(t *testing.T, partner string, want string) {
	t.Helper()
	var got decimal.Decimal
	err := c.Pool.QueryRow(t.Context(), `SELECT coalesce(sum(a.balance), 0) FROM accounts AS a WHERE a.owner = $1 AND a.place = 'payable'`, "partner/"+partner).Scan(&got)
	if err != nil || got.String() != want {
		t.Errorf("%s is owed %s, want %s, %v", partner, got, want, err)
	}
}

func TestAGiftIsOrderedShippedAndDelivered(t *testing.T) {
	t.Parallel()
	c := newDelivered(t)
	kettle := c.order(t, "k1", "kettle")
	list, _, err := c.ListDeliveries(t.Context(), c.Programme, benefits.DeliveriesQuery{Operator: "egret", State: benefits.DeliveryOrdered, Limit: 10})
	if err != nil || len(list) != 1 || list[0].DeliverTo != "addr-1" || list[0].Claim != kettle {
		t.Fatalf("%+v, %v", list, err)
	}
	c.wantDelivered(t, "egret", "r1", kettle, benefits.Shipped, benefits.DeliveryShipped)
	c.owed(t, "egret", "12")
	_, err = c.CancelRedemption(t.Context(), c.Programme, "ann", kettle, ledger.Request{Client: "app", Key: "c1"})
	wantRefusal(t, err, ledger.VoucherUsed)
	c.wantDelivered(t, "egret", "r2", kettle, benefits.Delivered, benefits.DeliveryDelivered)
	if d, known, err := c.deliver(t, "egret", "r1", kettle, benefits.Shipped); err != nil || !known || d.State != benefits.DeliveryDelivered || len(d.Reports) != 2 {
		t.Errorf("reported again: %+v, %v, %v", d, known, err)
	}
	c.owed(t, "egret", "12")
	late := c.order(t, "k2", "kettle") // whose shipment nobody reported
	c.wantDelivered(t, "egret", "r3", late, benefits.Delivered, benefits.DeliveryDelivered)
	c.owed(t, "egret", "24")
	c.wantStock(t, "kettle", " 1/3")
}

func TestWhatComesBackIsRefundedAndInStock(t *testing.T) {
	t.Parallel()
	c := newDelivered(t)
	one, two, three := c.order(t, "k1", "kettle"), c.order(t, "k2", "kettle"), c.order(t, "k3", "kettle")
	c.wantDelivered(t, "egret", "r1", one, benefits.Shipped, benefits.DeliveryShipped)
	c.wantDelivered(t, "egret", "r2", one, benefits.CameBack, benefits.DeliveryRefunded)
	c.wantDelivered(t, "egret", "r3", two, benefits.CameBack, benefits.DeliveryRefunded) // it could not be sent
	c.wantStock(t, "kettle", " 2/3")
	c.wantDelivered(t, "egret", "r4", three, benefits.Delivered, benefits.DeliveryDelivered)
	c.wantDelivered(t, "egret", "r5", three, benefits.Lost, benefits.DeliveryRefunded)
	c.wantDelivered(t, "egret", "r6", three, benefits.Lost, benefits.DeliveryRefunded) // said twice
	c.wantStock(t, "kettle", " 2/2")
	c.owed(t, "egret", "0")
	c.WantBalance(t, "wallet", "points", decimal.NewFromInt(1000))
	_, _, err := c.deliver(t, "egret", "r7", one, benefits.Shipped)
	wantRefusal(t, err, ledger.VoucherUsed)
}

func TestWhatIsNotRefundedIsDeliveredAgain(t *testing.T) {
	t.Parallel()
	c := newDelivered(t)
	data := c.order(t, "d1", "data")
	c.wantDelivered(t, "network", "r1", data, benefits.Shipped, benefits.DeliveryShipped)
	c.wantDelivered(t, "network", "r2", data, benefits.Lost, benefits.DeliveryOrdered)
	c.wantDelivered(t, "network", "r3", data, benefits.CameBack, benefits.DeliveryOrdered)
	c.wantDelivered(t, "network", "r4", data, benefits.Shipped, benefits.DeliveryShipped)
	c.wantDelivered(t, "network", "r5", data, benefits.Delivered, benefits.DeliveryDelivered)
	c.WantBalance(t, "wallet", "points", decimal.NewFromInt(900))
	canceled := c.order(t, "d2", "data")
	if _, err := c.CancelRedemption(t.Context(), c.Programme, "ann", canceled, ledger.Request{Client: "app", Key: "c1"}); err != nil {
		t.Fatal(err)
	}
	_, _, err := c.deliver(t, "network", "r6", canceled, benefits.Shipped)
	wantRefusal(t, err, ledger.VoucherUsed)
	found, err := c.Deliveries(t.Context(), c.Programme, []uuid.UUID{canceled})
	if err != nil || found[canceled].State != benefits.DeliveryCanceled || len(found[canceled].Reports) != 1 {
		t.Errorf("%+v, %v", found[canceled], err)
	}
}

func TestADeliveryThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	c := newDelivered(t)
	_, err := c.redeem(t, "k0", "ann", "kettle", benefits.WithPoints)
	wantRefusal(t, err, ledger.InvalidField) // where to?
	kettle, data := c.order(t, "k1", "kettle"), c.order(t, "d1", "data")
	_, err = c.RedeemBenefit(t.Context(), c.Programme, benefits.Wanted{Member: "ann", Benefit: "kettle", DeliverTo: "addr-2"}, ledger.Request{Client: "app", Key: "k1"})
	wantRefusal(t, err, ledger.IdempotencyKeyReused)
	_, _, err = c.deliver(t, "network", "r1", kettle, benefits.Shipped)
	wantRefusal(t, err, ledger.NotFoundReason)
	_, _, err = c.deliver(t, "egret", "r1", uuid.New(), benefits.Shipped)
	wantRefusal(t, err, ledger.NotFoundReason)
	_, _, err = c.deliver(t, "egret", "", kettle, benefits.Shipped)
	wantRefusal(t, err, ledger.InvalidField)
	late := benefits.DeliveryRecord{Operator: "egret", Record: "r2", Claim: kettle, What: benefits.Shipped, At: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	_, _, err = c.ReportDelivery(t.Context(), c.Programme, late, ledger.Request{})
	wantRefusal(t, err, ledger.InvalidField)
	c.wantDelivered(t, "egret", "r3", kettle, benefits.Shipped, benefits.DeliveryShipped)
	_, _, err = c.deliver(t, "egret", "r3", kettle, benefits.Delivered)
	wantRefusal(t, err, ledger.ReferenceUsed)
	other := c.order(t, "k2", "kettle")
	_, _, err = c.deliver(t, "egret", "r3", other, benefits.Shipped)
	wantRefusal(t, err, ledger.ReferenceUsed)
	c.Post(t, ledger.Freeze("ann", ledger.Request{Client: "test", Key: "f1", Reason: "arrears"}))
	_, _, err = c.deliver(t, "network", "r4", data, benefits.Shipped)
	wantRefusal(t, err, ledger.MemberFrozen)
	c.Post(t, ledger.Unfreeze("ann", ledger.Request{Client: "test", Key: "f2", Reason: "paid"}))
	c.wantDelivered(t, "network", "r4", data, benefits.Shipped, benefits.DeliveryShipped) // the record stayed
}

// TestAnAttemptThatIsOverIsNotShippedLater: a report that was refused, and tried again after the attempt had ended, moves nothing.
func TestAnAttemptThatIsOverIsNotShippedLater(t *testing.T) {
	t.Parallel()
	c := newDelivered(t)
	data := c.order(t, "d1", "data")
	c.Post(t, ledger.Freeze("ann", ledger.Request{Client: "test", Key: "f1", Reason: "arrears"}))
	_, _, err := c.deliver(t, "network", "r1", data, benefits.Shipped)
	wantRefusal(t, err, ledger.MemberFrozen)
	c.wantDelivered(t, "network", "r2", data, benefits.CameBack, benefits.DeliveryOrdered)
	c.Post(t, ledger.Unfreeze("ann", ledger.Request{Client: "test", Key: "f2", Reason: "paid"}))
	c.wantDelivered(t, "network", "r1", data, benefits.Shipped, benefits.DeliveryOrdered)
	c.wantDelivered(t, "network", "r3", data, benefits.Shipped, benefits.DeliveryShipped)
	c.wantDelivered(t, "network", "r4", data, benefits.CameBack, benefits.DeliveryOrdered)
}

// TestReportsOfOneAttemptAtOnceLeaveNothingUsed races a shipment and its return over two servers: whoever is first, the right is back.
func TestReportsOfOneAttemptAtOnceLeaveNothingUsed(t *testing.T) {
	t.Parallel()
	c := newDelivered(t)
	other := benefits.New(c.Another(t), c.Pool, c.vouchers)
	for round := range 20 {
		c.Accrue(t, fmt.Sprint("a-", round), "ann", "points", 100)
		data := c.order(t, fmt.Sprint("d", round), "data")
		report := func(catalog *benefits.Catalog, what benefits.DeliveryEvent) func() {
			return func() {
				w := benefits.DeliveryRecord{Operator: "network", Record: fmt.Sprint(what, round), Claim: data, What: what}
				if _, _, err := catalog.ReportDelivery(t.Context(), c.Programme, w, ledger.Request{}); err != nil {
					wantRefusal(t, err, ledger.VoucherUsed)
				}
			}
		}
		race(report(c.Catalog, benefits.Shipped), report(other, benefits.CameBack))
		found, err := c.Deliveries(t.Context(), c.Programme, []uuid.UUID{data})
		if err != nil {
			t.Fatal(err)
		}
		d := found[data]
		if later := d.Reports[len(d.Reports)-1]; later.What == benefits.Shipped && later.Attempt == 1 {
			continue // it was heard of after the return, and is the next attempt
		}
		if d.State != benefits.DeliveryOrdered {
			t.Errorf("round %d: %s after %+v", round, d.State, d.Reports)
		}
	}
}

// TestAnOrderIsShippedOrGivenBackAndNeverBoth races the member and two servers of the operator.
func TestAnOrderIsShippedOrGivenBackAndNeverBoth(t *testing.T) {
	t.Parallel()
	c := newDelivered(t)
	other := benefits.New(c.Another(t), c.Pool, c.vouchers)
	var ships, cancels int64
	for round := range 20 {
		c.Accrue(t, fmt.Sprint("a-", round), "ann", "points", 100)
		data := c.order(t, fmt.Sprint("d", round), "data")
		var shipped, canceled atomic.Int64
		ship := func(catalog *benefits.Catalog, record string) func() {
			return func() {
				w := benefits.DeliveryRecord{Operator: "network", Record: record, Claim: data, What: benefits.Shipped}
				if _, _, err := catalog.ReportDelivery(t.Context(), c.Programme, w, ledger.Request{}); err == nil {
					shipped.Add(1)
				} else {
					wantRefusal(t, err, ledger.VoucherUsed)
				}
			}
		}
		race(ship(c.Catalog, fmt.Sprint("a", round)), ship(other, fmt.Sprint("b", round)), func() {
			_, err := c.CancelRedemption(t.Context(), c.Programme, "ann", data, ledger.Request{Client: "app", Key: fmt.Sprint("c", round)})
			if err == nil {
				canceled.Add(1)
			} else {
				wantRefusal(t, err, ledger.VoucherUsed)
			}
		})
		if s, n := shipped.Load(), canceled.Load(); s+2*n != 2 { // both servers say the same
			t.Fatalf("round %d: %d servers shipped it, and it was given back %d times", round, s, n)
		}
		ships, cancels = ships+shipped.Load()/2, cancels+canceled.Load()
	}
	t.Logf("%d were shipped, %d were given back", ships, cancels)
}

func TestAFileOfDeliveriesIsTakenLineByLineOnce(t *testing.T) {
	t.Parallel()
	c := newDelivered(t)
	one, two := c.order(t, "k1", "kettle").String(), c.order(t, "k2", "kettle").String()
	file := "key,claim,what,at,carrier,number\n" +
		"1," + one + ",shipped,2026-02-28,SF,7\n" +
		"2," + one + ",delivered,,,\n" +
		"3," + two + ",sent,,,\n" +
		"4,x,shipped,,,\n" +
		"5," + two + ",shipped,soon,,\n" +
		"1," + two + ",shipped,,,\n" +
		"6," + uuid.NewString() + ",shipped,,,\n" +
		"7," + two + ",shipped,2027-01-01,,\n"
	as := func(ctx context.Context, programme uuid.UUID, f benefits.SourceFile, r ledger.Request) (benefits.Import, error) {
		r.Client = "egret"
		return c.ImportDeliveries(ctx, programme, f, r)
	}
	done, rejected, err := c.importingBy(t.Context(), t, as, file, quiet)
	if want := (benefits.Import{Read: 8, Recorded: 2, Rejected: 6}); err != nil || done != want {
		t.Errorf("%+v, %v, want %+v", done, err, want)
	}
	columns := []string{"4 3 what", "5 4 claim", "6 5 at", "7 1 key", "8 6 claim", "9 7 at"}
	for i, column := range columns {
		if len(rejected) != len(columns) || !strings.HasPrefix(rejected[i], column+": ") {
			t.Errorf("rejected: %q, want the %dth to begin with %q", rejected, i, column)
			break
		}
	}
	done, _, err = c.importingBy(t.Context(), t, as, file+"8,"+two+",shipped,,,\n", quiet)
	if want := (benefits.Import{Read: 9, Recorded: 1, Known: 2, Rejected: 6}); err != nil || done != want {
		t.Errorf("a longer file: %+v, %v, want %+v", done, err, want)
	}
}

func TestMistakesOfADeliverySayWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	club := newDelivered(t)
	for old, c := range map[string]struct{ with, want string }{
		"{by: egret, refund":       {"{by: egert, refund", `delivery.by: there is no partner "egert"; use egret`},
		"{by: network}":            {"{by: egret}", "delivery.by: egret does not honour it; list it under honours of the partner"},
		"- {code: data, kind: r":   {"- {code: data, expiry: m, kind: r", "its rights expire by m, also while it is on its way; give the unit no expiry"},
		"delivery: {by: network}}": {"delivery: {by: network}, choose: [kettle]}", "a seat, a visit, a choice or a bundle is not delivered"},
	} {
		text := strings.Replace(strings.Replace(deliveredDocument, old, c.with, 1), "units:", "expiry: {m: {kind: rolling, months: 1}}\nunits:", 1)
		if _, err := club.ApplyProgramme(t.Context(), ledgertest.Application(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", old, err, c.want)
		}
	}
}

func TestVerifyCatchesDeliveriesThatNobodyClaimedOrReported(t *testing.T) {
	t.Parallel()
	c := newDelivered(t)
	owner := devdb.Open(t, c.Database.OwnerURL, db.Options{})
	kettle := c.order(t, "k1", "kettle")
	c.wantDelivered(t, "egret", "r1", kettle, benefits.Shipped, benefits.DeliveryShipped)
	for name, sql := range map[string][2]string{
		"another member":    {`UPDATE deliveries SET member = 'eve'`, `UPDATE deliveries SET member = 'ann'`},
		"another benefit":   {`UPDATE deliveries SET benefit = 'data'`, `UPDATE deliveries SET benefit = 'kettle'`},
		"another operator":  {`UPDATE deliveries SET operator = 'network'`, `UPDATE deliveries SET operator = 'egret'`},
		"a lost report":     {`UPDATE delivery_reports SET claim_id = gen_random_uuid()`, `UPDATE delivery_reports SET claim_id = '` + kettle.String() + `'`},
		"another attempt":   {`UPDATE delivery_reports SET attempt = 1`, `UPDATE delivery_reports SET attempt = 0`},
		"something else":    {`UPDATE delivery_reports SET what = 'lost'`, `UPDATE delivery_reports SET what = 'shipped'`},
		"a claim elsewhere": {`UPDATE deliveries SET claim_id = gen_random_uuid()`, `UPDATE deliveries SET claim_id = '` + kettle.String() + `'`},
	} {
		if _, err := owner.Exec(t.Context(), sql[0]); err != nil {
			t.Fatal(err)
		}
		var report ledger.Report
		if err := benefits.Verify(t.Context(), owner, &report); err != nil || report.OK() {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
		if _, err := owner.Exec(t.Context(), sql[1]); err != nil {
			t.Fatal(err)
		}
	}
}
