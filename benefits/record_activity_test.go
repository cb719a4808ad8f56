package benefits_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/ledger"
	"tallystick/partners"
)

const earning = document + `
  # benefits end here
limits:
  - {code: monthly, of: points, per: member, interval: month, most: 100}
  - {code: budget, of: points, per: programme, interval: ever, most: 1000}
partners:
  - {code: bank, names: {en: Bank, zh-Hans: 银行}}
earning:
  activities:
    - {code: bill, names: {en: Bill, zh-Hans: 账单}, money: CNY, fields: {plan: text}}
    - {code: purchase, names: {en: Purchase, zh-Hans: 购物}, money: CNY, pending: 14d}
  rules:
    - code: bill-points
      names: {en: Points, zh-Hans: 积分}
      on: bill
      unit: points
      rate: {points: 1, per: 1, whole: true}
      coefficients: {gold: "2"}
    - code: bonus
      names: {en: Bonus, zh-Hans: 奖励}
      on: bill
      when: activity.amount >= 50
      unit: points
      points: 30
      limits: [monthly, budget]
      funded: {partner: bank, share: "0.5", unit: CNY, price: "0.02"}
    - {code: purchase, names: {en: Purchase, zh-Hans: 购物}, on: purchase, unit: points, rate: {points: 1, per: 1}}
`

func newEarningClub(t *testing.T) club {
	t.Helper()
	c := newClub(t)
	c.apply(t, strings.Replace(earning, "  - {code: dinner, kind: right}\n", "  - {code: dinner, kind: right}\n  - {code: CNY, kind: money, scale: 2}\n", 1))
	return c
}

func billOf(member, amount string) benefits.Activity {
	return benefits.Activity{Kind: "bill", Member: member, Amount: decimal.RequireFromString(amount)}
}

func (c club) record(t *testing.T, key string, a benefits.Activity) (benefits.Earned, error) {
	t.Helper()
	return c.RecordActivity(t.Context(), c.Programme, a, ledger.Request{Client: "billing", Key: key})
}

func (c club) mustRecord(t *testing.T, key string, a benefits.Activity) benefits.Earned {
	t.Helper()
	e, err := c.record(t, key, a)
	if err != nil {
		t.Fatalf("record %s: %v", key, err)
	}
	return e
}

// lots writes what was earned as "rule granted/points".
func lots(e benefits.Earned) string {
	var lines []string
	for _, l := range e.Lots {
		line := l.Rule + " " + l.Granted.String() + "/" + l.Points.String()
		if l.Why != "" {
			line = l.Rule + " " + l.Why
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, ", ")
}

func TestAnActivityAccruesWhatItsRulesGive(t *testing.T) {
	t.Parallel()
	c := newEarningClub(t)
	e := c.mustRecord(t, "b1", billOf("ann", "88.80"))
	if got := lots(e); got != "bill-points 88/88, bonus 30/30" {
		t.Errorf("earned %s", got)
	}
	if e.Transaction.Rule != "activity/bill" || e.Transaction.RuleVersion != 2 || e.Transaction.Legs[0].Rule != "bill-points" {
		t.Errorf("transaction: %+v", e.Transaction)
	}
	c.wantWallet(t, "ann", "points 118")
	c.WantBalance(t, "deferred", "CNY", decimal.RequireFromString("0.30"))
	c.WantBalance(t, "redeemed", "budget", decimal.NewFromInt(30))
}

func TestARetryOfAnActivityGetsItsFirstAnswer(t *testing.T) {
	t.Parallel()
	c := newEarningClub(t)
	first := c.mustRecord(t, "b1", billOf("ann", "600"))
	c.mustRecord(t, "b2", billOf("ann", "10")) // ann is gold by now, and every bill gives twice as much
	again := c.mustRecord(t, "b1", billOf("ann", "600.00"))
	if !again.Replayed || lots(again) != lots(first) || again.Transaction.ID != first.Transaction.ID {
		t.Errorf("first %s, then %s", lots(first), lots(again))
	}
	if diff := cmp.Diff(first.Transaction, again.Transaction); diff != "" {
		t.Errorf("the answers differ (-first +again):\n%s", diff)
	}
	_, err := c.record(t, "b1", billOf("ann", "601"))
	wantRefusal(t, err, ledger.IdempotencyKeyReused)
	c.apply(t, strings.Replace(document, "  - {code: dinner, kind: right}\n", "  - {code: dinner, kind: right}\n  - {code: CNY, kind: money, scale: 2}\n", 1)+`
limits:
  - {code: monthly, of: points, per: member, interval: month, most: 100}
  - {code: budget, of: points, per: programme, interval: ever, most: 1000}
`) // the document no longer knows bills
	if again = c.mustRecord(t, "b1", billOf("ann", "600")); lots(again) != lots(first) {
		t.Errorf("under another document: %s", lots(again))
	}
	_, err = c.record(t, "b3", billOf("ann", "600"))
	wantRefusal(t, err, ledger.NotFoundReason)
}

func TestAnActivityThatEarnsNothingIsHeard(t *testing.T) {
	t.Parallel()
	c := newEarningClub(t)
	for range 2 {
		if e := c.mustRecord(t, "b1", billOf("ann", "0.80")); e.Transaction.Rejection != ledger.NothingEarned || len(e.Lots) != 0 {
			t.Errorf("answer: %+v", e)
		}
	}
	c.wantWallet(t, "ann", "")
}

func TestLimitsCutWhatActivitiesEarn(t *testing.T) {
	t.Parallel()
	c := newEarningClub(t)
	var got []string
	for i := range 5 {
		got = append(got, lots(c.mustRecord(t, fmt.Sprint("b", i), billOf("ann", "50"))))
	}
	want := "bill-points 50/50, bonus 30/30|bill-points 50/50, bonus 30/30|bill-points 50/50, bonus 30/30|bill-points 50/50, bonus 10/30|bill-points 50/50, bonus 0/30"
	if text := strings.Join(got, "|"); text != want {
		t.Errorf("earned %s", text)
	}
}

func TestAnEstimateIsWhatWouldBeEarned(t *testing.T) {
	t.Parallel()
	c := newEarningClub(t)
	for i := range 3 {
		c.mustRecord(t, fmt.Sprint("b", i), billOf("ann", "50"))
	}
	estimate := func(a benefits.Activity) string {
		e, err := c.EstimateActivity(t.Context(), c.Programme, a)
		if err != nil {
			t.Fatal(err)
		}
		return lots(e)
	}
	first := estimate(billOf("ann", "70"))
	if first != "bill-points 70/70, bonus 10/30" || first != lots(c.mustRecord(t, "b9", billOf("ann", "70"))) {
		t.Errorf("estimate %s", first)
	}
	if got := estimate(billOf("", "70")); got != "bill-points 70/70, bonus 30/30" {
		t.Errorf("for nobody: %s", got)
	}
	if got := estimate(billOf("ann", "0.50")); got != "bill-points rounds_to_none, bonus not_met" {
		t.Errorf("of nothing: %s", got)
	}
}

func TestReturnsClawBackInProportion(t *testing.T) {
	t.Parallel()
	c := newEarningClub(t)
	e := c.mustRecord(t, "b1", billOf("ann", "99.90"))
	back := func(key, amount string) error {
		r, err := c.Return(t.Context(), c.Programme, e.Transaction.ID, decimal.RequireFromString(amount), ledger.Request{Client: "billing", Key: key})
		if err != nil {
			return err
		}
		_, err = c.Ledger.Post(t.Context(), c.Programme, r)
		return err
	}
	for i := range 3 {
		if err := back(fmt.Sprint("r", i), "33.30"); err != nil {
			t.Fatal(err)
		}
		c.wantWallet(t, "ann", []string{"points 86", "points 43", ""}[i])
	}
	wantRefusal(t, back("r3", "0.01"), ledger.AlreadyReversed)
	c.WantBalance(t, "deferred", "CNY", decimal.Zero)
	c.WantBalance(t, "cap", "budget", decimal.Zero)
	_, err := c.Return(t.Context(), c.Programme, c.Accrue(t, "a", "bob", "points", 5).ID, decimal.Zero, ledger.Request{Client: "billing", Key: "r4"})
	wantRefusal(t, err, ledger.NotFoundReason)
}

func TestWhatAPurchaseEarnsWaits(t *testing.T) {
	t.Parallel()
	c := newEarningClub(t)
	purchase := benefits.Activity{Kind: "purchase", Member: "ann", Amount: decimal.NewFromInt(40), At: time.Date(2026, 2, 20, 0, 0, 0, 0, time.UTC)}
	c.mustRecord(t, "p1", purchase)
	late := purchase
	late.At = late.At.AddDate(0, 0, -10) // what it earned had waited long enough before it came
	c.mustRecord(t, "p2", late)
	c.wantWallet(t, "ann", "points 40")
	c.WantBalance(t, "pending", "points", decimal.NewFromInt(40))
}

func TestActivitiesThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	c := newEarningClub(t)
	for i, row := range []struct {
		change func(*benefits.Activity)
		want   ledger.Reason
	}{
		{func(a *benefits.Activity) { a.Kind = "dance" }, ledger.NotFoundReason},
		{func(a *benefits.Activity) { a.Amount = decimal.RequireFromString("1.005") }, ledger.InvalidField},
		{func(a *benefits.Activity) { a.Gifted = decimal.NewFromInt(-1) }, ledger.InvalidField},
		{func(a *benefits.Activity) { a.Fields = map[string]any{"colour": "red"} }, ledger.InvalidField},
		{func(a *benefits.Activity) { a.Fields = map[string]any{"plan": true} }, ledger.InvalidField},
		{func(a *benefits.Activity) { a.At = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) }, ledger.EffectiveInFuture},
		{func(a *benefits.Activity) { a.Amount = decimal.New(1, 12) }, ""},
	} {
		a := billOf("ann", "10")
		row.change(&a)
		_, err := c.record(t, fmt.Sprint("b", i), a)
		if row.want == "" {
			if err != nil {
				t.Errorf("%+v: %v", a, err)
			}
			continue
		}
		wantRefusal(t, err, row.want)
	}
}

// TestExactlyABudgetIsGrantedByTwoServers: 32 callers on two servers earn a bonus of which there is less than they ask.
func TestExactlyABudgetIsGrantedByTwoServers(t *testing.T) {
	t.Parallel()
	c := newEarningClub(t)
	other := c.Another(t)
	catalogs := []*benefits.Catalog{c.Catalog, benefits.New(other, c.Pool, partners.New(other, c.Pool, c.Keys))}
	var all sync.WaitGroup
	for n := range 32 {
		all.Go(func() {
			for i := range 6 {
				member := fmt.Sprint("m", (n*6+i)%48) // 192 bonuses of 30 for 48 members who may have 100 each, and 1000 together
				_, err := catalogs[n%2].RecordActivity(context.Background(), c.Programme, billOf(member, "50"), ledger.Request{Client: "billing", Key: fmt.Sprint(n, "-", i)})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	c.WantBalance(t, "cap", "budget", decimal.NewFromInt(-1000))
	c.WantBalance(t, "issuance", "points", decimal.NewFromInt(-192*50-1000))
}
