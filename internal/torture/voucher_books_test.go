package torture_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/partners"
)

// line is where units of something are.
type line struct {
	unit, owner string
	place       ledger.Place
}

// wantVouchers compares every voucher of every member, and where the rights and the money are, with what was heard.
func (r *rig) wantVouchers(t *testing.T, h *heard, vouchers *partners.Vouchers, trial ledger.TrialBalance) {
	t.Helper()
	want, got := make(map[string]voucher), make(map[string]voucher)
	for id, v := range h.vouchers {
		want[id] = voucher{id: id, code: v.code, member: v.member, benefit: v.benefit, state: v.state}
	}
	for n := range members {
		list, err := vouchers.ListVouchers(t.Context(), r.programme, memberNamed(n), partners.Cursor{}, 1_000_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range list {
			id := v.ID.String()
			got[id] = voucher{id: id, code: string(v.Code), member: v.Member, benefit: v.Benefit, state: v.State}
		}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(voucher{}, wallet{})); diff != "" {
		t.Errorf("the vouchers are others than the clients were told of (-told +kept):\n%s", diff)
	}
	lines := make(map[line]string)
	for _, l := range trial.Lines {
		if _, right := partnersOf[l.Unit]; (right || l.Unit == "CNY") && !l.Balance.IsZero() {
			lines[line{l.Unit, l.Owner, l.Place}] = l.Balance.String()
		}
	}
	if diff := cmp.Diff(h.rightsAndMoney(), lines); diff != "" {
		t.Errorf("rights and money are elsewhere (-told +kept):\n%s", diff)
	}
}

// rightsAndMoney follows from what was heard: all rights that were published wait in the stock, are held in vouchers or
// were used (none has lapsed: they live for months), and what each partner is owed are its uses times its prices.
func (h *heard) rightsAndMoney() map[line]string {
	sums := make(map[line]decimal.Decimal)
	move := func(unit string, amount decimal.Decimal, from, to line) {
		from.unit, to.unit = unit, unit
		sums[from], sums[to] = sums[from].Sub(amount), sums[to].Add(amount)
	}
	one := decimal.NewFromInt(1)
	issuance, stock := line{owner: "programme", place: ledger.Issuance}, line{owner: "programme", place: ledger.Stock}
	move(seat, decimal.NewFromInt(seats), issuance, stock)
	for _, v := range h.vouchers {
		from := issuance
		if v.benefit == seat {
			from = stock
		}
		switch v.state {
		case partners.Issued:
			move(v.benefit, one, from, line{owner: "member", place: ledger.Voucher})
		case partners.Redeemed:
			owner := "partner/" + v.partner
			move(v.benefit, one, from, line{owner: owner, place: ledger.Redeemed})
			move("CNY", decimal.RequireFromString(prices[v.benefit]),
				line{owner: "programme", place: ledger.BenefitCost}, line{owner: owner, place: ledger.Payable})
		default: // the right is back where it came from
		}
	}
	lines := make(map[line]string)
	for l, sum := range sums {
		if !sum.IsZero() {
			lines[l] = sum.String()
		}
	}
	return lines
}
