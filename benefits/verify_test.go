package benefits_test

import (
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
)

// soldDocument has a way to pay of every kind, an activity that earns, and a limit that cuts it.
const soldDocument = `programme: test
zone: Asia/Shanghai
sandbox: true
expiry:
  rolling: {kind: rolling, months: 12}
  this-year: {kind: natural_year, years: 0}
units:
  - {code: points, kind: points, expiry: rolling}
  - {code: visits, kind: allotment, expiry: this-year}
  - {code: tea, kind: right, expiry: rolling}
  - {code: cup, kind: right, expiry: rolling}
  - {code: CNY, kind: money, scale: 2}
limits:
  - {code: a-day, of: points, per: member, interval: day, most: 450}
tiers:
  - code: club
    names: {en: Club, zh-Hans: 俱乐部}
    period: {kind: ever}
    validity: {until: end_of_period}
    points: points
    ladder:
      - {code: gold, from: {points: 400}, names: {en: Gold, zh-Hans: 金卡}}
allotments:
  - {unit: visits, per: year, totals: {gold: 2}}
earning:
  activities:
    - {code: bill, names: {en: Bill, zh-Hans: 账单}, money: CNY}
  rules:
    - {code: bill-points, names: {en: Points, zh-Hans: 积分}, on: bill, unit: points, rate: {points: 1, per: 1, whole: true}, limits: [a-day]}
benefits:
  - {code: tea, kind: offer, names: {en: Tea, zh-Hans: 茶}, prices: {points: 30, visits: 1, CNY: "8.00"}, mix: {unit: CNY, per_point: "0.50", least: 10, step: 5}, stock: {opening: 10}}
  - {code: cup, kind: gift, names: {en: Cup, zh-Hans: 杯}, prices: {points: 20}}
`

// sold is a club in which a member earned 450 of 500 points and bought a tea in every way and a cup, and gave one tea back.
func sold(t *testing.T) club {
	t.Helper()
	c := newClubOf(t, soldDocument)
	at := time.Date(2026, 2, 28, 16, 0, 0, 0, time.UTC)
	earned, err := c.RecordActivity(t.Context(), c.Programme, benefits.Activity{Kind: "bill", Member: "ann", At: at, Amount: decimal.NewFromInt(500)},
		ledger.Request{Client: "billing", Key: "b1"})
	if err != nil || len(earned.Lots) != 1 || !earned.Lots[0].Points.Equal(decimal.NewFromInt(500)) {
		t.Fatalf("%+v, %v", earned, err)
	}
	buy := func(key string, w benefits.Wanted) benefits.Claim {
		w.Member = "ann"
		claim, err := c.RedeemBenefit(t.Context(), c.Programme, w, ledger.Request{Client: "app", Key: key, Channel: "app", Reference: "pay-" + key})
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		return claim
	}
	buy("points", benefits.Wanted{Benefit: "tea", With: benefits.WithPoints})
	buy("visit", benefits.Wanted{Benefit: "tea", With: benefits.WithAllotment})
	buy("cash", benefits.Wanted{Benefit: "tea", With: benefits.WithCash, Cash: benefits.Cash{Unit: "CNY", Amount: decimal.RequireFromString("8")}})
	buy("mix", benefits.Wanted{Benefit: "tea", With: benefits.WithPointsAndCash, Cash: benefits.Cash{Unit: "CNY", Amount: decimal.RequireFromString("10")}})
	buy("cup", benefits.Wanted{Benefit: "cup", With: benefits.WithPoints})
	back := buy("back", benefits.Wanted{Benefit: "tea", With: benefits.WithAllotment})
	c.Post(t, ledger.Reverse(back.Transaction.ID, decimal.Zero, ledger.Request{Client: "app", Key: "undo", Reason: "changed my mind"}))
	return c
}

func TestVerifyCatchesClaimsAndActivitiesThatDoNotFollowFromTheirVersion(t *testing.T) {
	t.Parallel()
	c := sold(t)
	owner := devdb.Open(t, c.Database.OwnerURL, db.Options{})
	of := func(key string) string {
		return "= (SELECT t.id FROM transactions AS t WHERE t.idempotency_key = '" + key + "')"
	}
	leg := func(key, place string) string {
		return " WHERE transaction_id " + of(key) + " AND to_place LIKE '" + place + "%'"
	}
	for name, change := range map[string][3]string{
		"cheaper": {
			`UPDATE legs SET amount = 29` + leg("points", "redeemed"), `UPDATE legs SET amount = 30` + leg("points", "redeemed"), "it is no price",
		},
		"less money": {
			`UPDATE legs SET amount = 7.99` + leg("cash", "deferred"), `UPDATE legs SET amount = 8` + leg("cash", "deferred"), "it is no price",
		},
		"a mix in another step": {
			`UPDATE legs SET amount = 11` + leg("mix", "redeemed"), `UPDATE legs SET amount = 10` + leg("mix", "redeemed"), "it is no price",
		},
		"two rights": {
			`UPDATE legs SET amount = 2` + leg("points", "voucher"), `UPDATE legs SET amount = 1` + leg("points", "voucher"), "it gives 2 rights",
		},
		"another's right": {
			`UPDATE legs SET unit = 'cup'` + leg("points", "voucher"), `UPDATE legs SET unit = 'tea'` + leg("points", "voucher"), "its version gives no right to cup",
		},
		"a stock that there is not": {
			`UPDATE legs SET from_place = 'stock/gold'` + leg("points", "voucher"), `UPDATE legs SET from_place = 'stock'` + leg("points", "voucher"),
			"its version gives no right to tea out of stock/gold",
		},
		"past the stock": {
			`UPDATE legs SET from_place = 'issuance'` + leg("points", "voucher"), `UPDATE legs SET from_place = 'stock'` + leg("points", "voucher"),
			"its version gives no right to tea out of issuance",
		},
		"a benefit that there is not": {
			`UPDATE transactions SET rule = 'benefit/beer' WHERE id ` + of("points"), `UPDATE transactions SET rule = 'benefit/tea' WHERE id ` + of("points"),
			"its version has no such benefit",
		},
		"a payment to somebody else": {
			`UPDATE legs SET to_place = 'payable'` + leg("points", "redeemed"), `UPDATE legs SET to_place = 'redeemed'` + leg("points", "payable"),
			"a claim moves nothing from wallet to payable",
		},
		"a lost activity": {
			`UPDATE activities SET transaction_id = programme_id`, `UPDATE activities SET transaction_id ` + of("b1"), "no accrual was posted for it",
		},
		"another activity": {
			`UPDATE activities SET kind = 'recharge'`, `UPDATE activities SET kind = 'bill'`, "no accrual was posted for it",
		},
		"another rule": {
			`UPDATE legs SET rule = 'gift-points' WHERE transaction_id ` + of("b1") + ` AND rule <> ''`,
			`UPDATE legs SET rule = 'bill-points' WHERE transaction_id ` + of("b1") + ` AND rule <> ''`, `no rule "gift-points"`,
		},
		"a smaller yield": {
			`UPDATE activities SET yields = replace(yields, '500', '400')`, `UPDATE activities SET yields = replace(yields, '400', '500')`,
			`rule "bill-points" did not yield so much`,
		},
		"a use that is no claim": {
			`UPDATE transactions SET rule = 'present/tea' WHERE id ` + of("visit"), `UPDATE transactions SET rule = 'benefit/tea' WHERE id ` + of("visit"),
			"1 uses are used, but claims paid 0",
		},
		"a use more": {
			`UPDATE accounts SET balance = balance + 1 WHERE unit = 'visits' AND place = 'wallet'`,
			`UPDATE accounts SET balance = balance - 1 WHERE unit = 'visits' AND place = 'wallet'`, "2 uses were granted, but 1 are used, 0 expired and 2 left",
		},
		"a right less in stock": {
			`UPDATE accounts SET balance = balance - 1 WHERE unit = 'tea' AND place = 'stock'`,
			`UPDATE accounts SET balance = balance + 1 WHERE unit = 'tea' AND place = 'stock'`, "10 rights were issued, but 4 are held",
		},
		"a right where rights are not": {
			`UPDATE accounts SET place = 'suspense' WHERE unit = 'tea' AND place = 'stock'`,
			`UPDATE accounts SET place = 'stock' WHERE unit = 'tea' AND place = 'suspense'`, "and 0 in stock",
		},
	} {
		tag, err := owner.Exec(t.Context(), change[0])
		if err != nil || tag.RowsAffected() == 0 {
			t.Fatalf("%s: %v, %v", name, tag, err)
		}
		var report ledger.Report
		if err := benefits.Verify(t.Context(), owner, &report); err != nil {
			t.Fatal(err)
		}
		found := false
		for _, f := range report.Failures {
			found = found || strings.Contains(f.Problem, change[2])
		}
		if !found {
			t.Errorf("%s: found %+v, want %q", name, report.Failures, change[2])
		}
		if _, err := owner.Exec(t.Context(), change[1]); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUsesThatASystemRecordsByItselfVerify: LedgerService takes and holds uses of an allotment as it does points.
func TestUsesThatASystemRecordsByItselfVerify(t *testing.T) {
	t.Parallel()
	c := sold(t)
	c.Post(t, ledger.Redeem("ann", "visits", decimal.NewFromInt(1), ledger.Request{Client: "partner", Key: "use"}))
	c.wantWallet(t, "ann", "points 390")
	c.verify(t)
}
