package partners_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

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
  three-months: {kind: rolling, months: 3}
units:
  - {code: points, kind: points, expiry: rolling}
  - {code: lounge, kind: right, expiry: three-months}
  - {code: tea, kind: right}
  - {code: CNY, kind: money, scale: 2}
partners:
  - code: harbour
    names: {en: Harbour, zh-Hans: 海港}
    outlets: [t1, t3]
    honours:
      - {benefit: lounge, unit: CNY, price: "80.00"}
  - code: leaf
    names: {en: Leaf, zh-Hans: 叶}
    outlets: [lakeside]
    honours:
      - {benefit: tea}
`

// market is vouchers on books of their own.
type market struct {
	*ledgertest.Books
	*partners.Vouchers
}

func newMarket(t *testing.T) market {
	t.Helper()
	books := ledgertest.New(t, document)
	return market{Books: books, Vouchers: partners.New(books.Ledger, books.Pool, books.Keys)}
}

// issue gives a member a voucher for a benefit and returns its id.
func (m market) issue(t *testing.T, member, benefit string) uuid.UUID {
	t.Helper()
	return m.issueAs(t, uuid.NewString(), member, benefit)
}

// issueAs is issue under a key.
func (m market) issueAs(t *testing.T, key, member, benefit string) uuid.UUID {
	t.Helper()
	id := ledger.TransactionID(m.Programme, "test", key)
	place := partners.PlaceOf(member, benefit, id)
	m.Post(t, m.Issuing(m.Programme, ledger.RedeemLegs(member, []ledger.Leg{{
		From: ledger.Account{Unit: benefit, Owner: ledger.ProgrammeOwner, Place: ledger.Issuance}, To: place,
		Unit: benefit, Amount: decimal.NewFromInt(1),
	}}, ledger.Request{Client: "test", Key: key})))
	return id
}

// code reads what the member shows at a till.
func (m market) code(t *testing.T, voucher uuid.UUID) string {
	t.Helper()
	v, err := m.Voucher(t.Context(), m.Programme, voucher)
	if err != nil {
		t.Fatal(err)
	}
	return string(v.Code)
}

// RotatingAt is what the member's screen shows at a time.
func (m market) RotatingAt(t *testing.T, voucher uuid.UUID, at time.Time) string {
	t.Helper()
	v, err := m.Voucher(t.Context(), m.Programme, voucher)
	if err != nil {
		t.Fatal(err)
	}
	return m.Vouchers.RotatingAt(v, at)
}

func (m market) redeem(t *testing.T, key, partner, code string) (partners.Use, error) {
	t.Helper()
	return m.RedeemVoucher(t.Context(), m.Programme, partner, "", code, ledger.Request{Client: "till", Key: key})
}

func (m market) mustRedeem(t *testing.T, key, partner string, voucher uuid.UUID) partners.Use {
	t.Helper()
	use, err := m.redeem(t, key, partner, m.code(t, voucher))
	if err != nil {
		t.Fatalf("redeem voucher: %v", err)
	}
	return use
}

func (m market) wantPayable(t *testing.T, partner string, want ...string) {
	t.Helper()
	owed, err := m.Payable(t.Context(), m.Programme, partner)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, price := range owed {
		got = append(got, price.Amount.StringFixed(2)+" "+price.Unit)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("payable to %s (-want +got):\n%s", partner, diff)
	}
}

func (m market) wantState(t *testing.T, voucher uuid.UUID, want partners.State) {
	t.Helper()
	v, err := m.Voucher(t.Context(), m.Programme, voucher)
	if err != nil {
		t.Fatal(err)
	}
	if v.State != want {
		t.Errorf("voucher is in state %d, want %d", v.State, want)
	}
}

func (m market) moveClock(t *testing.T, to time.Time) {
	t.Helper()
	m.Post(t, ledger.SetClock(to, ledger.Request{Client: "test", Key: "clock-" + to.Format(time.RFC3339)}))
}

func (m market) transactions(t *testing.T) (n int) {
	t.Helper()
	if err := m.Pool.QueryRow(t.Context(), `SELECT count(*) FROM transactions`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func wantRefusal(t *testing.T, err error, want ledger.Reason) {
	t.Helper()
	if !errors.Is(err, &ledger.Refusal{Reason: want}) {
		t.Errorf("answer: %v, want %s", err, want)
	}
}

func TestUseMovesTheRightAndOwesThePrice(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	voucher := m.issue(t, "ann", "lounge")
	use := m.mustRedeem(t, "u1", "harbour", voucher)
	if use.Benefit != "lounge" || use.Payable.Unit != "CNY" || !use.Payable.Amount.Equal(decimal.NewFromInt(80)) {
		t.Errorf("receipt: %+v", use)
	}
	m.WantBalance(t, "voucher", "lounge", decimal.Zero)
	m.WantBalance(t, "redeemed", "lounge", decimal.NewFromInt(1))
	m.WantBalance(t, "benefit_cost", "CNY", decimal.NewFromInt(-80))
	m.wantPayable(t, "harbour", "80.00 CNY")
	m.wantPayable(t, "leaf")
	m.wantState(t, voucher, partners.Redeemed)
}

func TestVoucherIsUsedOnce(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	voucher := m.issue(t, "ann", "lounge")
	first := m.mustRedeem(t, "u1", "harbour", voucher)
	again := m.mustRedeem(t, "u1", "harbour", voucher)
	if !again.Replayed || again.Transaction.ID != first.Transaction.ID || again.Payable.Unit != "CNY" {
		t.Errorf("a retry got %+v", again)
	}
	_, err := m.redeem(t, "u2", "harbour", m.code(t, voucher))
	wantRefusal(t, err, ledger.VoucherUsed)
	m.wantPayable(t, "harbour", "80.00 CNY")
}

func TestManyTillsUseOneVoucherOnce(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	other := partners.New(m.Another(t), m.Pool, m.Keys)
	for round := range 5 {
		code := m.code(t, m.issue(t, "ann", "lounge"))
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for till := range 32 {
			wg.Go(func() {
				vouchers := m.Vouchers
				if till%2 == 0 {
					vouchers = other
				}
				_, err := vouchers.RedeemVoucher(t.Context(), m.Programme, "harbour", "t1", code,
					ledger.Request{Client: "till", Key: fmt.Sprintf("r%d-%d", round, till)})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, &ledger.Refusal{Reason: ledger.VoucherUsed}) {
					t.Errorf("a loser got %v", err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("%d tills used one voucher", won)
		}
	}
	m.wantPayable(t, "harbour", "400.00 CNY")
}

func TestBenefitWithoutPriceOwesNothing(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	use := m.mustRedeem(t, "u1", "leaf", m.issue(t, "ann", "tea"))
	if use.Payable != (partners.Price{}) {
		t.Errorf("payable %+v", use.Payable)
	}
	m.wantPayable(t, "leaf")
}

func TestForeignAndUnknownVouchersLookTheSame(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	foreign := m.code(t, m.issue(t, "ann", "lounge"))
	for _, code := range []string{foreign, strings.Repeat("0", 16)} {
		_, validateErr := m.ValidateVoucher(t.Context(), m.Programme, "leaf", code)
		_, redeemErr := m.redeem(t, "u-"+code, "leaf", code)
		_, nobodyErr := m.redeem(t, "n-"+code, "nobody", code)
		for _, err := range []error{validateErr, redeemErr, nobodyErr} {
			if diff := cmp.Diff(error(&ledger.Refusal{Reason: ledger.NotFoundReason}), err); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		}
	}
	elsewhere := ledger.ProgrammeID("another")
	if _, err := m.Ledger.ApplyProgramme(t.Context(), ledgertest.Application(strings.Replace(document, "programme: test", "programme: another", 1))); err != nil {
		t.Fatal(err)
	}
	_, err := m.ValidateVoucher(t.Context(), elsewhere, "harbour", foreign)
	wantRefusal(t, err, ledger.NotFoundReason)
}

func TestOutletMustBeThePartnersOwn(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	voucher := m.code(t, m.issue(t, "ann", "lounge"))
	r := ledger.Request{Client: "till", Key: "u1"}
	_, err := m.RedeemVoucher(t.Context(), m.Programme, "harbour", "lakeside", voucher, r)
	wantRefusal(t, err, ledger.InvalidField)
	use, err := m.RedeemVoucher(t.Context(), m.Programme, "harbour", "t3", voucher, r)
	if err != nil || use.Transaction.Channel != "outlet/t3" {
		t.Errorf("use at t3: %+v, %v", use.Transaction, err)
	}
	_, err = m.RedeemVoucher(t.Context(), m.Programme, "harbour", "t1", voucher, r)
	wantRefusal(t, err, ledger.IdempotencyKeyReused)
}

func TestCodeIsReadAsPeopleTypeIt(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	plain := m.code(t, m.issue(t, "ann", "lounge"))
	mistaken := strings.NewReplacer("0", "o", "1", "l").Replace(plain)
	for _, code := range []string{
		plain, strings.ToLower(plain), " " + plain[:4] + " " + plain[4:9] + "-" + plain[9:], mistaken, strings.ReplaceAll(mistaken, "l", "I"),
	} {
		if _, err := m.ValidateVoucher(t.Context(), m.Programme, "harbour", code); err != nil {
			t.Errorf("code %q: %v", code, err)
		}
	}
	for _, code := range []string{"", "-", plain[:15], plain + "0", plain[:15] + "U", plain[:15] + "_", plain[:14] + "é", uuid.NewString()} {
		_, err := m.ValidateVoucher(t.Context(), m.Programme, "harbour", code)
		wantRefusal(t, err, ledger.CodeMalformed)
		_, err = m.redeem(t, "u1", "harbour", code)
		wantRefusal(t, err, ledger.CodeMalformed)
	}
}

func TestValidationSaysYesOrWhyNotAndChangesNothing(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	issued, used, canceled, frozen := m.issue(t, "ann", "lounge"), m.issue(t, "ann", "lounge"), m.issue(t, "ann", "lounge"), m.issue(t, "bob", "lounge")
	m.mustRedeem(t, "u1", "harbour", used)
	m.Post(t, ledger.Reverse(canceled, decimal.Zero, ledger.Request{Client: "test", Key: "cancel"}))
	m.Post(t, ledger.Freeze("bob", ledger.Request{Client: "test", Key: "freeze", Reason: "check"}))
	check := func(voucher uuid.UUID, state partners.State, why ledger.Reason) {
		t.Helper()
		before := m.transactions(t)
		answer, err := m.ValidateVoucher(t.Context(), m.Programme, "harbour", m.code(t, voucher))
		if err != nil {
			t.Fatal(err)
		}
		var got ledger.Reason
		if answer.Refusal != nil {
			got = answer.Refusal.Reason
		}
		if got != why || answer.Voucher.State != state {
			t.Errorf("state %d, refusal %q; want %d, %q", answer.Voucher.State, got, state, why)
		}
		if after := m.transactions(t); after != before {
			t.Errorf("validation recorded %d transactions", after-before)
		}
	}
	check(issued, partners.Issued, "")
	check(used, partners.Redeemed, ledger.VoucherUsed)
	check(canceled, partners.Canceled, ledger.VoucherCanceled)
	check(frozen, partners.Issued, ledger.MemberFrozen)
	m.moveClock(t, time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC))
	check(issued, partners.Expired, ledger.VoucherExpired)
	if err := m.Ledger.Sweep(t.Context(), m.Programme, nil); err != nil {
		t.Fatal(err)
	}
	check(issued, partners.Expired, ledger.VoucherExpired)
	check(used, partners.Redeemed, ledger.VoucherUsed)
	m.WantBalance(t, "breakage", "lounge", decimal.NewFromInt(2))
}

func TestExpiredVoucherCannotBeUsedSweptOrNot(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.moveClock(t, time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC))
	unswept, swept := m.issue(t, "ann", "lounge"), m.issue(t, "ann", "lounge")
	v, err := m.Voucher(t.Context(), m.Programme, swept)
	if want := time.Date(2026, 4, 30, 16, 0, 0, 0, time.UTC); err != nil || !v.ExpiresAt.Equal(want) {
		t.Fatalf("voucher expires at %v, %v; want %v", v.ExpiresAt, err, want)
	}
	m.moveClock(t, v.ExpiresAt)
	_, err = m.redeem(t, "u1", "harbour", m.code(t, unswept))
	wantRefusal(t, err, ledger.VoucherExpired)
	if err := m.Ledger.Sweep(t.Context(), m.Programme, nil); err != nil {
		t.Fatal(err)
	}
	if _, err = m.redeem(t, "u2", "harbour", m.code(t, swept)); err == nil {
		t.Error("a swept voucher was used")
	}
	m.wantPayable(t, "harbour")
}

func TestReversedUseCanBeUsedAgain(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	voucher := m.issue(t, "ann", "lounge")
	use := m.mustRedeem(t, "u1", "harbour", voucher)
	r := ledger.Request{Client: "till", Key: "rev1", Reason: "slip"}
	answer, err := m.ReverseVoucher(t.Context(), m.Programme, "harbour", use.Transaction.ID, r)
	if err != nil {
		t.Fatal(err)
	}
	m.wantState(t, voucher, partners.Issued)
	m.wantPayable(t, "harbour", "0.00 CNY")
	retry, err := m.ReverseVoucher(t.Context(), m.Programme, "harbour", use.Transaction.ID, r)
	if err != nil || retry.Transaction.ID != answer.Transaction.ID {
		t.Errorf("a retry got %+v, %v", retry, err)
	}
	r.Key = "rev2"
	_, err = m.ReverseVoucher(t.Context(), m.Programme, "harbour", use.Transaction.ID, r)
	wantRefusal(t, err, ledger.AlreadyReversed)
	m.mustRedeem(t, "u2", "harbour", voucher)
	m.wantPayable(t, "harbour", "80.00 CNY")
}

func TestAUseReversedAfterTheVouchersTimeLeavesItExpired(t *testing.T) {
	for name, grace := range map[string]string{"without a grace": "", "under a refund grace": "refund_grace: 10d\n"} {
		t.Run(name, func(t *testing.T) {
			books := ledgertest.New(t, grace+document)
			m := market{Books: books, Vouchers: partners.New(books.Ledger, books.Pool, books.Keys)}
			voucher := m.issue(t, "m1", "lounge")
			use := m.mustRedeem(t, "u1", "harbour", voucher)
			m.moveClock(t, time.Now().AddDate(1, 0, 0))
			if _, err := m.ReverseVoucher(t.Context(), m.Programme, "harbour", use.Transaction.ID, ledger.Request{Client: "till", Key: "r1"}); err != nil {
				t.Fatal(err)
			}
			m.wantState(t, voucher, partners.Expired)
			no, err := m.ValidateVoucher(t.Context(), m.Programme, "harbour", m.code(t, voucher))
			if err != nil {
				t.Fatal(err)
			}
			wantRefusal(t, no.Refusal, ledger.VoucherExpired)
			if lag, err := m.Ledger.SweepLag(t.Context(), m.Programme); err != nil || lag != 0 {
				t.Errorf("the sweep lags by %s (%v)", lag, err)
			}
			m.wantPayable(t, "harbour", "0.00 CNY")
		})
	}
}

func TestPreviewsOfAMerchantRecordNothing(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	voucher := m.issue(t, "ann", "lounge")
	code, r := m.code(t, voucher), ledger.Request{Client: "till", Key: "k1"}
	try := func(outlet string) (partners.Use, error) {
		return m.PreviewUse(t.Context(), m.Programme, "harbour", outlet, code, r)
	}
	before := m.transactions(t)
	use, err := try("t1")
	if err != nil || use.Benefit != "lounge" || use.Payable.Unit != "CNY" || use.Transaction.Channel != "outlet/t1" {
		t.Errorf("preview of a use: %+v, %v", use, err)
	}
	_, err = try("lakeside")
	wantRefusal(t, err, ledger.InvalidField)
	if after := m.transactions(t); after != before {
		t.Errorf("a preview recorded %d transactions", after-before)
	}
	m.wantState(t, voucher, partners.Issued)
	used := m.mustRedeem(t, "u1", "harbour", voucher).Transaction.ID
	_, err = try("t1")
	wantRefusal(t, err, ledger.VoucherUsed)

	tx, err := m.PreviewReverse(t.Context(), m.Programme, "harbour", used, r)
	if err != nil || len(tx.Legs) != 2 {
		t.Errorf("preview of a reversal: %+v, %v", tx, err)
	}
	m.wantState(t, voucher, partners.Redeemed)
	_, err = m.PreviewReverse(t.Context(), m.Programme, "leaf", used, r)
	wantRefusal(t, err, ledger.NotFoundReason)
}

func TestOnlyOwnUsesAreReversed(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	voucher := m.issue(t, "ann", "lounge")
	use := m.mustRedeem(t, "u1", "harbour", voucher)
	refused, _ := m.redeem(t, "u2", "harbour", m.code(t, voucher))
	for name, id := range map[string]uuid.UUID{
		"unknown": uuid.New(), "a claim": voucher, "a refused use": refused.Transaction.ID,
	} {
		_, err := m.ReverseVoucher(t.Context(), m.Programme, "harbour", id, ledger.Request{Client: "till", Key: "r-" + name})
		if !errors.Is(err, &ledger.Refusal{Reason: ledger.NotFoundReason}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := m.ReverseVoucher(t.Context(), m.Programme, "leaf", use.Transaction.ID, ledger.Request{Client: "till", Key: "r"})
	wantRefusal(t, err, ledger.NotFoundReason)
}

func TestRetryOfAUseKeepsItsPriceAndItsAgreement(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	first, second := m.issue(t, "ann", "lounge"), m.issue(t, "ann", "lounge")
	use := m.mustRedeem(t, "u1", "harbour", first)
	apply := func(old, replacement string) {
		t.Helper()
		if _, err := m.Ledger.ApplyProgramme(t.Context(), ledgertest.Application(strings.Replace(document, old, replacement, 1))); err != nil {
			t.Fatal(err)
		}
	}
	apply(`"80.00"`, `"95.50"`)
	if again := m.mustRedeem(t, "u1", "harbour", first); again.Transaction.ID != use.Transaction.ID {
		t.Errorf("a retry made %s, the first was %s", again.Transaction.ID, use.Transaction.ID)
	}
	_, err := m.redeem(t, "u1", "harbour", m.code(t, second))
	wantRefusal(t, err, ledger.IdempotencyKeyReused)
	m.mustRedeem(t, "u2", "harbour", second)
	m.wantPayable(t, "harbour", "175.50 CNY")

	apply(`{benefit: lounge, unit: CNY, price: "80.00"}`, `{benefit: tea}`)
	if again := m.mustRedeem(t, "u1", "harbour", first); !again.Replayed {
		t.Error("a retry was posted anew")
	}
	_, err = m.redeem(t, "u3", "harbour", m.code(t, m.issue(t, "ann", "lounge")))
	wantRefusal(t, err, ledger.NotFoundReason)
}

func TestVouchersAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	var want []uuid.UUID
	for day := range 5 {
		m.moveClock(t, time.Date(2026, 1, 1+day, 0, 0, 0, 0, time.UTC))
		want = append([]uuid.UUID{m.issue(t, "ann", "lounge")}, want...)
		m.issue(t, "bob", "lounge")
	}
	var got []uuid.UUID
	var after partners.Cursor
	for {
		page, err := m.ListVouchers(t.Context(), m.Programme, "ann", after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page {
			got = append(got, v.ID)
			after = partners.Cursor{IssuedAt: v.IssuedAt, ID: v.ID}
		}
		if len(page) < 2 {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("vouchers (-want +got):\n%s", diff)
	}
}

func TestAgreementsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"no code":           {"code: harbour", "code: ''"},
		"same code":         {"code: leaf", "code: harbour"},
		"one language":      {"{en: Harbour, zh-Hans: 海港}", "{en: Harbour}"},
		"not a right":       {"benefit: lounge", "benefit: points"},
		"honoured twice":    {"- {benefit: lounge,", "- {benefit: lounge}\n      - {benefit: lounge,"},
		"no amount":         {`"80.00"`, `"eighty"`},
		"below zero":        {`"80.00"`, `"-1"`},
		"too many decimals": {`"80.00"`, `"80.001"`},
		"not money":         {"unit: CNY", "unit: points"},
		"no list":           {"partners:\n", "partners: x\nrest:\n"},
	} {
		changed := strings.Replace(document, change[0], change[1], 1)
		p, err := ledger.ParseProgramme([]byte(changed), 1)
		if err != nil {
			continue // the whole document was not read: nothing of it can be applied
		}
		if _, err := partners.Parse(p); err == nil || changed == document {
			t.Errorf("%s: accepted", name)
		}
	}
}
