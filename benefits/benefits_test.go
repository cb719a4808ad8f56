package benefits_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/internal/db"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
	"tallystick/partners"
)

const document = `
programme: test
zone: Asia/Shanghai
sandbox: true
expiry:
  rolling: {kind: rolling, months: 12}
  calendar-year: {kind: natural_year}
  three-months: {kind: rolling, months: 3}
units:
  - {code: points, kind: points, expiry: rolling}
  - {code: visits, kind: allotment, expiry: calendar-year}
  - {code: lounge, kind: right, expiry: three-months}
  - {code: tea, kind: right, expiry: three-months}
  - {code: dinner, kind: right}
tiers:
  - code: club
    names: {en: Club, zh-Hans: 俱乐部}
    period: {kind: ever}
    validity: {until: end_of_period}
    points: points
    ladder:
      - {code: silver, from: {points: 200}, names: {en: Silver, zh-Hans: 银卡}}
      - {code: gold, from: {points: 500}, names: {en: Gold, zh-Hans: 金卡}}
      - {code: diamond, from: {points: 1000}, names: {en: Diamond, zh-Hans: 钻石卡}}
allotments:
  - {unit: visits, per: year, totals: {gold: 2, diamond: 6}}
benefits:
  - {code: lounge, kind: lounge, names: {en: Lounge, zh-Hans: 贵宾厅}, prices: {points: 300, visits: 1}}
  - {code: tea, kind: offer, names: {en: Tea, zh-Hans: 茶}, prices: {points: 300}, stock: {opening: 10}}
  - {code: dinner, kind: event, names: {en: Dinner, zh-Hans: 晚宴}, tier: gold, prices: {points: 100}, stock: {first: 1}}
`

// club is a catalog on books of their own.
type club struct {
	*ledgertest.Books
	*benefits.Catalog
	vouchers *partners.Vouchers
}

func newClub(t *testing.T) club {
	t.Helper()
	return newClubOf(t, document)
}

func newClubOf(t *testing.T, document string) club {
	t.Helper()
	books := ledgertest.New(t, document)
	vouchers := partners.New(books.Ledger, books.Pool, books.Keys)
	c := club{books, benefits.New(books.Ledger, books.Pool, vouchers), vouchers}
	c.apply(t, document)
	c.moveClock(t, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	t.Cleanup(func() { c.verify(t) })
	return c
}

// verify reports what the benefits' own checks find, as every test's end does.
func (c club) verify(t *testing.T) {
	t.Helper()
	var report ledger.Report
	for _, verify := range []func(context.Context, *db.Pool, *ledger.Report) error{benefits.Verify, partners.Verify} {
		if err := verify(context.Background(), c.Pool, &report); err != nil {
			t.Errorf("verify: %v", err)
		}
	}
	for _, f := range report.Failures {
		t.Errorf("verify: %s: %s: %s", f.Name, f.Row, f.Problem)
	}
}

func (c club) apply(t *testing.T, document string) {
	t.Helper()
	if _, err := c.ApplyProgramme(t.Context(), ledgertest.Application(document)); err != nil {
		t.Fatal(err)
	}
}

func (c club) moveClock(t *testing.T, to time.Time) {
	t.Helper()
	c.Post(t, ledger.SetClock(to, ledger.Request{Client: "test", Key: "clock-" + to.Format(time.RFC3339)}))
}

func (c club) redeem(t *testing.T, key, member, benefit string, with benefits.PayWith) (benefits.Claim, error) {
	t.Helper()
	return c.RedeemBenefit(t.Context(), c.Programme, benefits.Wanted{Member: member, Benefit: benefit, With: with}, ledger.Request{Client: "app", Key: key})
}

func (c club) mustRedeem(t *testing.T, key, member, benefit string, with benefits.PayWith) benefits.Claim {
	t.Helper()
	claim, err := c.redeem(t, key, member, benefit, with)
	if err != nil {
		t.Fatalf("redeem %s: %v", benefit, err)
	}
	return claim
}

// wantWallet compares available balances, written "points 20, visits 1"; zeros are left out.
func (c club) wantWallet(t *testing.T, member, want string) {
	t.Helper()
	wallet, err := c.Wallet(t.Context(), c.Programme, member)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range wallet.Balances {
		if !b.Available.IsZero() {
			got = append(got, b.Unit+" "+b.Available.String())
		}
	}
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("%s has %q, want %q", member, text, want)
	}
}

func wantRefusal(t *testing.T, err error, want ledger.Reason) {
	t.Helper()
	if !errors.Is(err, &ledger.Refusal{Reason: want}) {
		t.Errorf("answer: %v, want %s", err, want)
	}
}

func TestRedemptionPaysAndIssuesInOneTransaction(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.Accrue(t, "a1", "ann", "points", 320)
	claim := c.mustRedeem(t, "r1", "ann", "tea", benefits.WithPoints)
	if code, err := partners.ParseCode(string(claim.Voucher.Code)); err != nil || code != claim.Voucher.Code {
		t.Errorf("code %q: %v", claim.Voucher.Code, err)
	}
	if len(claim.Transaction.Legs) != 2 || claim.Transaction.Rule != "benefit/tea" {
		t.Errorf("claim: %+v", claim.Transaction)
	}
	want := partners.Voucher{
		ID: claim.Transaction.ID, Code: claim.Voucher.Code, Key: c.Keys.Current(), Member: "ann", Benefit: "tea", State: partners.Issued,
		IssuedAt:  time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		ExpiresAt: time.Date(2026, 6, 30, 16, 0, 0, 0, time.UTC),
	}
	if diff := cmp.Diff(want, claim.Voucher); diff != "" {
		t.Errorf("voucher (-want +got):\n%s", diff)
	}
	stored, err := c.vouchers.Voucher(t.Context(), c.Programme, claim.Transaction.ID)
	if diff := cmp.Diff(want, stored); err != nil || diff != "" {
		t.Errorf("voucher read back: %v (-want +got):\n%s", err, diff)
	}
	c.wantWallet(t, "ann", "points 20")
	c.WantBalance(t, "stock", "tea", decimal.NewFromInt(9))
	c.WantBalance(t, "voucher", "tea", decimal.NewFromInt(1))
	c.WantBalance(t, "redeemed", "points", decimal.NewFromInt(300))
}

func TestRightsWithoutALimitComeFromIssuance(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.Accrue(t, "a1", "ann", "points", 300)
	c.mustRedeem(t, "r1", "ann", "lounge", benefits.WithPoints)
	c.WantBalance(t, "issuance", "lounge", decimal.NewFromInt(-1))
}

func TestRedemptionIsRefusedForACause(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.Accrue(t, "a1", "ann", "points", 299)
	c.Accrue(t, "a2", "bob", "points", 499)
	c.Accrue(t, "a3", "gus", "points", 900)
	c.Accrue(t, "a4", "ice", "points", 900)
	c.mustRedeem(t, "dinner", "gus", "dinner", benefits.WithPoints)
	c.Post(t, ledger.Freeze("ice", ledger.Request{Client: "test", Key: "freeze", Reason: "check"}))
	for i, row := range []struct {
		member, benefit string
		with            benefits.PayWith
		want            ledger.Reason
	}{
		{"ann", "tea", benefits.WithPoints, ledger.InsufficientPoints},
		{"ann", "lounge", benefits.WithAllotment, ledger.InsufficientPoints},
		{"ann", "tea", benefits.WithAllotment, ledger.NotEligible},
		{"ann", "tea", "cash", ledger.NotEligible},
		{"ann", "yacht", benefits.WithPoints, ledger.NotFoundReason},
		{"bob", "dinner", benefits.WithPoints, ledger.NotEligible},
		{"gus", "dinner", benefits.WithPoints, ledger.OutOfStock},
		{"ice", "tea", benefits.WithPoints, ledger.MemberFrozen},
		{"nobody", "tea", benefits.WithPoints, ledger.InsufficientPoints},
	} {
		claim, err := c.redeem(t, fmt.Sprint("r", i), row.member, row.benefit, row.with)
		wantRefusal(t, err, row.want)
		if claim.Voucher != (partners.Voucher{}) {
			t.Errorf("%v: refused, with a voucher", row)
		}
		_, err = c.PreviewRedemption(t.Context(), c.Programme, benefits.Wanted{Member: row.member, Benefit: row.benefit, With: row.with}, ledger.Request{Client: "app", Key: fmt.Sprint("p", i)})
		wantRefusal(t, err, row.want)
	}
	c.WantBalance(t, "voucher", "tea", decimal.Zero)
	c.wantWallet(t, "ann", "points 299")
}

func TestARefusalStaysOneForItsKey(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.Accrue(t, "a1", "ann", "points", 299)
	_, err := c.redeem(t, "r1", "ann", "tea", benefits.WithPoints)
	wantRefusal(t, err, ledger.InsufficientPoints)
	c.Accrue(t, "a2", "ann", "points", 100)
	_, err = c.redeem(t, "r1", "ann", "tea", benefits.WithPoints)
	wantRefusal(t, err, ledger.InsufficientPoints)
	c.mustRedeem(t, "r2", "ann", "tea", benefits.WithPoints)
}

func TestRetryGetsTheFirstAnswerWhateverChanged(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	accrual := c.Accrue(t, "a1", "ann", "points", 500)
	first := c.mustRedeem(t, "r1", "ann", "dinner", benefits.WithPoints)
	retry := func(what string) {
		t.Helper()
		again, err := c.redeem(t, "r1", "ann", "dinner", benefits.WithPoints)
		if err != nil || !again.Replayed {
			t.Fatalf("after %s: %+v, %v", what, again, err)
		}
		if diff := cmp.Diff(first.Voucher, again.Voucher); diff != "" {
			t.Errorf("after %s, voucher (-first +again):\n%s", what, diff)
		}
	}
	retry("nothing")
	c.moveClock(t, time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC))
	retry("a week")
	c.apply(t, strings.Replace(document, "prices: {points: 100}", "prices: {points: 150}", 1))
	retry("a change of price")
	c.Post(t, ledger.Reverse(accrual.ID, decimal.NewFromInt(100), ledger.Request{Client: "test", Key: "claw"}))
	_, err := c.redeem(t, "r2", "ann", "dinner", benefits.WithPoints)
	wantRefusal(t, err, ledger.NotEligible)
	retry("the loss of the tier")
	_, err = c.redeem(t, "r1", "ann", "tea", benefits.WithPoints)
	wantRefusal(t, err, ledger.IdempotencyKeyReused)
}

func TestStockIsNeverOversold(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	other := benefits.New(c.Another(t), c.Pool, c.vouchers)
	for i := range 40 {
		c.Accrue(t, fmt.Sprint("a", i), fmt.Sprint("m", i), "points", 300)
	}
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			catalog := c.Catalog
			if i%2 == 0 {
				catalog = other
			}
			_, err := catalog.RedeemBenefit(t.Context(), c.Programme, benefits.Wanted{Member: fmt.Sprint("m", i), Benefit: "tea", With: benefits.WithPoints},
				ledger.Request{Client: "app", Key: fmt.Sprint("r", i)})
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, &ledger.Refusal{Reason: ledger.OutOfStock}) {
				t.Errorf("m%d got %v", i, err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 10 {
		t.Errorf("%d of 10 rights were claimed", won.Load())
	}
	c.WantBalance(t, "stock", "tea", decimal.Zero)
	c.WantBalance(t, "wallet", "points", decimal.NewFromInt(30*300))
}

func TestCancellationReturnsBothSides(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.Accrue(t, "a1", "ann", "points", 200)
	c.moveClock(t, time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC))
	c.Accrue(t, "a2", "ann", "points", 200)
	before, err := c.Wallet(t.Context(), c.Programme, "ann")
	if err != nil {
		t.Fatal(err)
	}
	claim := c.mustRedeem(t, "r1", "ann", "tea", benefits.WithPoints)
	c.wantWallet(t, "ann", "points 100")
	cancel := func(key, member string, voucher uuid.UUID) error {
		_, err := c.CancelRedemption(t.Context(), c.Programme, member, voucher, ledger.Request{Client: "app", Key: key})
		return err
	}
	wantRefusal(t, cancel("c0", "bob", claim.Voucher.ID), ledger.NotFoundReason)
	wantRefusal(t, cancel("c0", "ann", uuid.New()), ledger.NotFoundReason)
	for range 2 { // the second is a retry
		if err := cancel("c1", "ann", claim.Voucher.ID); err != nil {
			t.Fatal(err)
		}
	}
	after, err := c.Wallet(t.Context(), c.Programme, "ann")
	if diff := cmp.Diff(before.Balances, after.Balances); err != nil || diff != "" {
		t.Errorf("wallet: %v (-before +after):\n%s", err, diff)
	}
	c.WantBalance(t, "stock", "tea", decimal.NewFromInt(10))
	if v, err := c.vouchers.Voucher(t.Context(), c.Programme, claim.Voucher.ID); err != nil || v.State != partners.Canceled {
		t.Errorf("voucher: %+v, %v", v, err)
	}
	wantRefusal(t, cancel("c2", "ann", claim.Voucher.ID), ledger.AlreadyReversed)
}

func TestExpiredVoucherCannotBeCanceled(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.Accrue(t, "a1", "ann", "points", 300)
	claim := c.mustRedeem(t, "r1", "ann", "tea", benefits.WithPoints)
	c.moveClock(t, claim.Voucher.ExpiresAt)
	_, err := c.CancelRedemption(t.Context(), c.Programme, "ann", claim.Voucher.ID, ledger.Request{Client: "app", Key: "c1"})
	wantRefusal(t, err, ledger.VoucherExpired)
	c.wantWallet(t, "ann", "")
}

func TestAllotmentIsGrantedOnceAYear(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	qualify := func(want string) {
		t.Helper()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, err := c.Qualify(t.Context(), c.Programme, "ann"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		c.wantWallet(t, "ann", want)
	}
	c.Accrue(t, "a1", "ann", "points", 499)
	qualify("points 499")
	c.Accrue(t, "a2", "ann", "points", 1)
	qualify("points 500, visits 2")
	c.mustRedeem(t, "r1", "ann", "lounge", benefits.WithAllotment)
	qualify("points 500, visits 1")
	c.Accrue(t, "a3", "ann", "points", 500)
	qualify("points 1000, visits 5")
	c.apply(t, strings.Replace(document, "diamond: 6", "diamond: 8", 1))
	qualify("points 1000, visits 7") // what was granted grows to the new total
	c.moveClock(t, time.Date(2026, 12, 31, 16, 0, 0, 0, time.UTC))
	c.wantWallet(t, "ann", "points 1000")
	qualify("points 1000, visits 8")
}

func TestReachedTierPaysBeforeAnybodyGrants(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.Accrue(t, "a1", "ann", "points", 600)
	wallet, err := c.Wallet(t.Context(), c.Programme, "ann")
	if err != nil || !wallet.Due["visits"].Equal(decimal.NewFromInt(2)) || wallet.Standing.Groups[0].Tier().Code != "gold" {
		t.Errorf("wallet: %+v, %v", wallet, err)
	}
	claim := c.mustRedeem(t, "r1", "ann", "lounge", benefits.WithAllotment)
	c.wantWallet(t, "ann", "points 600, visits 1")
	_, err = c.CancelRedemption(t.Context(), c.Programme, "ann", claim.Voucher.ID, ledger.Request{Client: "app", Key: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	c.wantWallet(t, "ann", "points 600, visits 2")
}

func TestTierFollowsWhatWasAccrued(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	want := func(accrued int64, tier, next string) {
		t.Helper()
		s, err := c.Rate(t.Context(), c.Programme, "ann")
		if err != nil {
			t.Fatal(err)
		}
		code := func(tier *benefits.Tier) string {
			if tier == nil {
				return ""
			}
			return tier.Code
		}
		g := s.Groups[0]
		if !g.Value("points").Equal(decimal.NewFromInt(accrued)) || code(g.Tier()) != tier || code(g.Next()) != next {
			t.Errorf("accrued %s, tier %q, next %q; want %d, %q, %q", g.Value("points"), code(g.Tier()), code(g.Next()), accrued, tier, next)
		}
	}
	want(0, "", "silver")
	first := c.Accrue(t, "a1", "ann", "points", 199)
	want(199, "", "silver")
	c.Accrue(t, "a2", "ann", "points", 301)
	want(500, "gold", "diamond")
	c.mustRedeem(t, "r1", "ann", "tea", benefits.WithPoints)
	want(500, "gold", "diamond") // spending costs no status
	c.Post(t, ledger.Accrual{
		Member: "ann", Unit: "points", Amount: decimal.NewFromInt(700),
		ActivateAt: time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC),
	}.Into(c.Programme, ledger.Request{Client: "test", Key: "a3"}))
	want(500, "gold", "diamond")
	c.moveClock(t, time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC))
	if err := c.Ledger.Sweep(t.Context(), c.Programme, nil); err != nil {
		t.Fatal(err)
	}
	want(1200, "diamond", "")
	c.Post(t, ledger.Reverse(first.ID, decimal.Zero, ledger.Request{Client: "test", Key: "claw"}))
	want(1001, "diamond", "")
	c.moveClock(t, time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC))
	if err := c.Ledger.Sweep(t.Context(), c.Programme, nil); err != nil {
		t.Fatal(err)
	}
	want(1001, "diamond", "") // neither does expiry
}

func TestDebtTakesFromWhatWasAccrued(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	accrual := c.Accrue(t, "a1", "ann", "points", 500)
	c.mustRedeem(t, "r1", "ann", "tea", benefits.WithPoints)
	c.Post(t, ledger.Reverse(accrual.ID, decimal.Zero, ledger.Request{Client: "test", Key: "claw"}))
	c.Accrue(t, "a2", "ann", "points", 250) // pays 250 of the 300 owed
	s, err := c.Rate(t.Context(), c.Programme, "ann")
	if err != nil || !s.Groups[0].Value("points").Equal(decimal.NewFromInt(250)) {
		t.Errorf("accrued %+v, %v; want 250", s.Groups, err)
	}
}

func TestReversedAdjustmentLeavesTheTierAlone(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.Accrue(t, "a1", "ann", "points", 600)
	goodwill := c.Post(t, ledger.Adjust("ann", "points", decimal.NewFromInt(900), time.Time{}, ledger.Request{Client: "test", Key: "g1", Reason: "goodwill"}))
	c.wantStanding(t, "ann", 600, "gold")
	c.Post(t, ledger.Reverse(goodwill.ID, decimal.NewFromInt(400), ledger.Request{Client: "test", Key: "g2"}))
	c.Post(t, ledger.Reverse(goodwill.ID, decimal.Zero, ledger.Request{Client: "test", Key: "g3"}))
	c.wantStanding(t, "ann", 600, "gold")
	c.mustRedeem(t, "r1", "ann", "dinner", benefits.WithPoints)
	// Neither does one whose points were spent before, which leaves a debt.
	goodwill = c.Post(t, ledger.Adjust("ann", "points", decimal.NewFromInt(900), time.Time{}, ledger.Request{Client: "test", Key: "g4", Reason: "goodwill"}))
	for i := range 4 {
		c.mustRedeem(t, fmt.Sprint("s", i), "ann", "tea", benefits.WithPoints)
	}
	c.Post(t, ledger.Reverse(goodwill.ID, decimal.Zero, ledger.Request{Client: "test", Key: "g5"}))
	c.wantStanding(t, "ann", 600, "gold")
}

// wantStanding compares what a member accrued, and the tier.
func (c club) wantStanding(t *testing.T, member string, accrued int64, tier string) {
	t.Helper()
	s, err := c.Rate(t.Context(), c.Programme, member)
	if err != nil {
		t.Fatal(err)
	}
	if g := s.Groups[0]; !g.Value("points").Equal(decimal.NewFromInt(accrued)) || g.Tier() == nil || g.Tier().Code != tier {
		t.Errorf("%s accrued %s, tier %+v; want %d, %s", member, g.Value("points"), g.Tier(), accrued, tier)
	}
}

func TestListingSaysWhatABenefitCostsAndWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.Accrue(t, "a1", "ann", "points", 250)
	c.Accrue(t, "a2", "gus", "points", 900)
	c.mustRedeem(t, "r1", "gus", "dinner", benefits.WithPoints)
	got := func(member string) (lines []string) {
		t.Helper()
		list, err := c.ListBenefits(t.Context(), c.Programme, benefits.CatalogQuery{Member: member})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range list {
			line := l.Code
			for i, price := range l.Prices {
				line += fmt.Sprintf(" %s %s of %s", price.Unit, price.Amount, l.Spendable[i])
			}
			if l.Left.Valid {
				line += " left " + l.Left.Decimal.String()
			}
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
	want := []string{
		"dinner points 100 of 250 left 0 NOT_ELIGIBLE missing=250 tier=gold unit=points OUT_OF_STOCK",
		"lounge visits 1 of 0 points 300 of 250 INSUFFICIENT_POINTS missing=50 unit=points",
		"tea points 300 of 250 left 10 INSUFFICIENT_POINTS missing=50 unit=points",
	}
	if diff := cmp.Diff(want, got("ann")); diff != "" {
		t.Errorf("for ann (-want +got):\n%s", diff)
	}
	want = []string{
		"dinner points 100 of 800 left 0 OUT_OF_STOCK", "lounge visits 1 of 2 points 300 of 800", "tea points 300 of 800 left 10",
	}
	if diff := cmp.Diff(want, got("gus")); diff != "" {
		t.Errorf("for gus (-want +got):\n%s", diff)
	}
	c.Post(t, ledger.Freeze("gus", ledger.Request{Client: "test", Key: "freeze", Reason: "check"}))
	if lines := got("gus"); !strings.HasSuffix(lines[2], string(ledger.MemberFrozen)) {
		t.Errorf("for a frozen member: %v", lines)
	}
}

func TestPreviewRecordsNothing(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.Accrue(t, "a1", "ann", "points", 300)
	r := ledger.Request{Client: "app", Key: "r1"}
	tx, err := c.PreviewRedemption(t.Context(), c.Programme, benefits.Wanted{Member: "ann", Benefit: "tea", With: benefits.WithPoints}, r)
	if err != nil || len(tx.Legs) != 2 || len(tx.Legs[0].From.Draws) != 1 {
		t.Fatalf("preview: %+v, %v", tx, err)
	}
	c.wantWallet(t, "ann", "points 300")
	c.WantBalance(t, "stock", "tea", decimal.NewFromInt(10))
	c.mustRedeem(t, "r1", "ann", "tea", benefits.WithPoints)
}

func TestPreviewOfAYearsFirstPaymentByAllotmentSaysYes(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.Accrue(t, "a1", "gus", "points", 600)
	c.Accrue(t, "a2", "ann", "points", 300)
	try := func(member string) (*ledger.Transaction, error) {
		return c.PreviewRedemption(t.Context(), c.Programme, benefits.Wanted{Member: member, Benefit: "lounge", With: benefits.WithAllotment}, ledger.Request{Client: "app", Key: "p-" + member})
	}
	tx, err := try("gus")
	if err != nil || tx.Legs[0].Unit != "visits" || !tx.Legs[0].From.Balance.Equal(decimal.NewFromInt(1)) {
		t.Errorf("preview: %+v, %v", tx, err)
	}
	c.wantWallet(t, "gus", "points 600") // nothing is granted
	c.mustRedeem(t, "r1", "gus", "lounge", benefits.WithAllotment)
	c.mustRedeem(t, "r2", "gus", "lounge", benefits.WithAllotment)
	for _, member := range []string{"gus", "ann"} {
		_, err = try(member)
		wantRefusal(t, err, ledger.InsufficientPoints)
	}
}

func TestPreviewOfACancellationSaysWhatItWouldReturn(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.Accrue(t, "a1", "ann", "points", 300)
	claim := c.mustRedeem(t, "r1", "ann", "tea", benefits.WithPoints)
	r := ledger.Request{Client: "app", Key: "c1"}
	tx, err := c.PreviewCancel(t.Context(), c.Programme, "ann", claim.Voucher.ID, r)
	if err != nil || len(tx.Legs) != 2 {
		t.Fatalf("preview: %+v, %v", tx, err)
	}
	c.wantWallet(t, "ann", "")
	_, err = c.PreviewCancel(t.Context(), c.Programme, "bob", claim.Voucher.ID, r)
	wantRefusal(t, err, ledger.NotFoundReason)
	if _, err := c.CancelRedemption(t.Context(), c.Programme, "ann", claim.Voucher.ID, r); err != nil {
		t.Fatal(err)
	}
	r.Key = "c2"
	_, err = c.PreviewCancel(t.Context(), c.Programme, "ann", claim.Voucher.ID, r)
	wantRefusal(t, err, ledger.AlreadyReversed)
}
