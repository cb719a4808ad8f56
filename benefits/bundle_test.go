package benefits_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
	"tallystick/partners"
)

const bundleDocument = `programme: test
zone: Asia/Shanghai
sandbox: true
units:
  - {code: points, kind: points}
  - {code: tea, kind: right}
  - {code: cake, kind: right}
  - {code: cup, kind: right}
  - {code: afternoon, kind: right}
partners:
  - code: leaf
    names: {en: Leaf, zh-Hans: 叶}
    honours: [{benefit: tea}, {benefit: cake}, {benefit: cup}]
limits:
  - {code: once-a-day, of: times, per: member, interval: day, most: 2}
benefits:
  - {code: tea, kind: offer, names: {en: Tea, zh-Hans: 茶}, prices: {points: 30}}
  - {code: cake, kind: offer, names: {en: Cake, zh-Hans: 蛋糕}, prices: {points: 50}, stock: {opening: 5}}
  - {code: cup, kind: gift, names: {en: Cup, zh-Hans: 杯}, prices: {points: 90}, delivery: {by: leaf}}
  - {code: afternoon, kind: offer, names: {en: Afternoon, zh-Hans: 下午茶}, prices: {points: 100}, bundle: [tea, cake, cup], limits: [once-a-day]}
`

func newBundles(t *testing.T) club {
	t.Helper()
	c := newClubOf(t, bundleDocument)
	c.Accrue(t, "a1", "ann", "points", 1000)
	return c
}

func (c club) afternoon(t *testing.T, key, member string) (benefits.Claim, error) {
	t.Helper()
	w := benefits.Wanted{Member: member, Benefit: "afternoon", DeliverTo: "addr-1"}
	return c.RedeemBenefit(t.Context(), c.Programme, w, ledger.Request{Client: "app", Key: key})
}

func TestABundleGivesEachRightForOnePrice(t *testing.T) {
	t.Parallel()
	c := newBundles(t)
	claim, err := c.afternoon(t, "b1", "ann")
	if err != nil || claim.Voucher.Benefit != "tea" || len(claim.Parts) != 2 || claim.Parts[0].Benefit != "cake" || claim.Parts[1].Benefit != "cup" {
		t.Fatalf("%+v, %v", claim, err)
	}
	c.wantWallet(t, "ann", "points 900")
	c.wantStock(t, "cake", " 4/5")
	list, _, err := c.ListDeliveries(t.Context(), c.Programme, benefits.DeliveriesQuery{Operator: "leaf", Limit: 10})
	if err != nil || len(list) != 1 || list[0].Claim != claim.Parts[1].ID {
		t.Errorf("to be delivered: %+v, %v", list, err)
	}
	c.apply(t, strings.Replace(bundleDocument, "prices: {points: 100}, bundle: [tea, cake, cup]", "prices: {points: 200}, bundle: [cake, tea]", 1))
	again, err := c.afternoon(t, "b1", "ann")
	if err != nil || !again.Replayed || again.Voucher.Code != claim.Voucher.Code || len(again.Parts) != 2 || again.Parts[1].Code != claim.Parts[1].Code {
		t.Errorf("a retry under other terms: %+v, %v", again, err)
	}
}

func TestABundleIsGivenBackWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	c := newBundles(t)
	one, err := c.afternoon(t, "b1", "ann")
	if err != nil {
		t.Fatal(err)
	}
	cancel := func(key string, v partners.Voucher) error {
		_, err := c.CancelRedemption(t.Context(), c.Programme, "ann", v.ID, ledger.Request{Client: "app", Key: key})
		return err
	}
	if tx, err := c.PreviewCancel(t.Context(), c.Programme, "ann", one.Parts[1].ID, ledger.Request{Client: "app", Key: "c0"}); err != nil || tx.Kind != ledger.KindReversal {
		t.Errorf("%+v, %v", tx, err)
	}
	if err := errors.Join(cancel("c1", one.Parts[1]), cancel("c1", one.Parts[1])); err != nil { // and a retry
		t.Fatal(err)
	}
	c.wantWallet(t, "ann", "points 1000")
	c.wantStock(t, "cake", " 5/5")
	two, err := c.afternoon(t, "b2", "ann")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.vouchers.RedeemVoucher(t.Context(), c.Programme, "leaf", "", string(two.Parts[0].Code), ledger.Request{Client: "till", Key: "u1"}); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, cancel("c2", two.Voucher), ledger.VoucherUsed)
	c.wantWallet(t, "ann", "points 900")
	alone, err := c.redeem(t, "t1", "ann", "tea", benefits.WithPoints)
	if err != nil {
		t.Fatal(err)
	}
	if err := cancel("c3", alone.Voucher); err != nil {
		t.Error(err)
	}
}

func TestABundleWithoutOneOfItsRightsIsNone(t *testing.T) {
	t.Parallel()
	c := newBundles(t)
	if _, err := c.PublishStock(t.Context(), c.Programme, benefits.Publishing{Benefit: "cake", Rights: -5}, ledger.Request{Client: "desk", Key: "p"}); err != nil {
		t.Fatal(err)
	}
	_, err := c.afternoon(t, "b1", "ann")
	wantRefusal(t, err, ledger.OutOfStock)
	_, err = c.afternoon(t, "b1", "ann")
	wantRefusal(t, err, ledger.OutOfStock)
	w := benefits.Wanted{Member: "ann", Benefit: "afternoon", DeliverTo: "addr-1"}
	_, err = c.PreviewRedemption(t.Context(), c.Programme, w, ledger.Request{Client: "app", Key: "b2"})
	wantRefusal(t, err, ledger.OutOfStock)
	list, err := c.ListBenefits(t.Context(), c.Programme, benefits.CatalogQuery{Member: "ann"})
	if err != nil || list[0].Code != "afternoon" || len(list[0].Refusals) != 1 || list[0].Refusals[0].Reason != ledger.OutOfStock {
		t.Errorf("%+v, %v", list, err)
	}
	c.wantWallet(t, "ann", "points 1000")
	w.DeliverTo = ""
	_, err = c.RedeemBenefit(t.Context(), c.Programme, w, ledger.Request{Client: "app", Key: "b3"})
	wantRefusal(t, err, ledger.InvalidField) // where is the cup to go?
}

// TestExactlyTheStockOfAPartIsBundled fires bundles and single claims at two servers: five cakes, whoever has them.
func TestExactlyTheStockOfAPartIsBundled(t *testing.T) {
	t.Parallel()
	c := newBundles(t)
	other := benefits.New(c.Another(t), c.Pool, c.vouchers)
	var bundles, cakes atomic.Int64
	var calls []func()
	for i := range 24 {
		member := fmt.Sprint("m", i)
		c.Accrue(t, "a-"+member, member, "points", 100)
		catalog := []*benefits.Catalog{c.Catalog, other}[i/2%2]
		w, won := benefits.Wanted{Member: member, Benefit: "cake"}, &cakes
		if i%2 == 0 {
			w, won = benefits.Wanted{Member: member, Benefit: "afternoon", DeliverTo: "a"}, &bundles
		}
		calls = append(calls, func() {
			if _, err := catalog.RedeemBenefit(t.Context(), c.Programme, w, ledger.Request{Client: "app", Key: "r-" + member}); err == nil {
				won.Add(1)
			} else {
				wantRefusal(t, err, ledger.OutOfStock)
			}
		})
	}
	race(calls...)
	if bundles.Load()+cakes.Load() != 5 {
		t.Errorf("%d bundles and %d cakes", bundles.Load(), cakes.Load())
	}
	c.WantBalance(t, "voucher", "tea", decimal.NewFromInt(bundles.Load()))
	c.WantBalance(t, "wallet", "points", decimal.NewFromInt(1000+2400-100*bundles.Load()-50*cakes.Load()))
}

func TestMistakesOfABundleSayWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	club := newBundles(t)
	for old, c := range map[string]struct{ with, want string }{
		"bundle: [tea, cake, cup]":    {"bundle: [tea]", "it bundles 1; use 2 to 8"},
		"[tea, cake, cup], limits":    {"[tea, cake, tea], limits", `"tea" is named twice`},
		"[tea, cake, cup], l":         {"[tea, cake, pie], l", `"pie" is no benefit above this one with a right of its own`},
		"delivery: {by: leaf}":        {"delivery: {by: leaf, refund: true}", `"cup" is refunded by itself when it comes back`},
		"bundle: [tea, cake, cup], l": {"bundle: [tea, cake, cup], stock: {a: 1}, l", "its stock is that of what it bundles"},
	} {
		text := strings.Replace(bundleDocument, old, c.with, 1)
		if _, err := club.ApplyProgramme(t.Context(), ledgertest.Application(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", old, err, c.want)
		}
	}
}
