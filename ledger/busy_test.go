package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

// busy is a journal with every kind of transaction, posted and rejected, and every kind of place, open and closed.
type busy struct {
	*ledgertest.Books
	t       testing.TB
	n       int
	kinds   map[ledger.Kind]int
	refused int
}

func newBusy(t testing.TB) *busy {
	t.Helper()
	b := &busy{Books: ledgertest.New(t, ledgertest.Document), t: t, kinds: make(map[ledger.Kind]int)}
	b.clock(1997, 1, 15)
	for i := range 6 {
		b.year(fmt.Sprint("m", i), fmt.Sprint("p", i))
	}
	b.clock(1997, 7, 15)
	b.vouchers()
	b.control()
	b.clock(1998, 3, 2)
	b.sweep()
	for _, m := range []string{"m0", "m1", "m5"} {
		b.accrue(m, "points", 40)
		b.do(ledger.Reserve(b.Programme, m, "points", amount(7), 24*time.Hour, b.next()))
		b.do(ledger.Accrual{Member: "m1", Unit: "points", Amount: amount(9), ActivateAt: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)}.
			Into(b.Programme, b.next()))
	}
	return b
}

// next is a request with a key of its own, and now and then a reference, a reason and a channel.
func (b *busy) next() ledger.Request {
	b.n++
	r := ledger.Request{Client: "till", Key: fmt.Sprint("k", b.n), Actor: "anna", Channel: "app", Reason: "because"}
	if b.n%3 == 0 {
		r.Reference = fmt.Sprint("order-", b.n)
	}
	if b.n%4 == 0 {
		r.Client, r.Rule = "bank", "double-points"
	}
	return r
}

func (b *busy) do(r ledger.Request) *ledger.Transaction {
	b.t.Helper()
	tx := b.Post(b.t, r)
	b.kinds[tx.Kind]++
	return tx
}

func (b *busy) refuse(r ledger.Request) {
	b.t.Helper()
	if answer, err := b.Ledger.Post(b.t.Context(), b.Programme, r); err == nil || answer.Transaction == nil {
		b.t.Fatalf("%s %s: got %v, want a recorded rejection", r.Kind, r.Key, err)
	}
	b.refused++
}

func (b *busy) accrue(member, unit string, n int64) *ledger.Transaction {
	b.t.Helper()
	return b.do(ledger.Accrual{Member: member, Unit: unit, Amount: amount(n)}.Into(b.Programme, b.next()))
}

func (b *busy) clock(year int, month time.Month, day int) {
	b.t.Helper()
	b.do(ledger.SetClock(time.Date(year, month, day, 0, 0, 0, 0, time.UTC), b.next()))
}

// year is what happens to one member: accruals, spending, holds, corrections and what is taken back.
func (b *busy) year(m, other string) {
	b.t.Helper()
	first := b.accrue(m, "points", 100)
	b.accrue(m, "points", 50)
	b.do(ledger.Accrual{Member: m, Unit: "points", Amount: amount(30), Fund: "partner/bank@3"}.Into(b.Programme, b.next()))
	b.do(ledger.Accrual{
		Member: m, Unit: "points", Amount: amount(20), ActivateAt: time.Date(1997, 3, 1, 0, 0, 0, 0, time.UTC),
	}.Into(b.Programme, b.next()))
	b.accrue(m, "active", 12)
	spent := b.do(ledger.Redeem(m, "points", amount(35), b.next()))
	b.do(ledger.Redeem(m, "active", amount(2), b.next()))
	b.do(ledger.Reverse(spent.ID, amount(10), b.next()))
	b.do(ledger.Reverse(spent.ID, amount(5), b.next()))
	b.refuse(ledger.Reverse(spent.ID, amount(21), b.next()))
	held := b.do(ledger.Reserve(b.Programme, m, "points", amount(60), 48*time.Hour, b.next()))
	part := b.do(ledger.Capture(held.ID, amount(25), false, b.next()))
	b.do(ledger.Capture(held.ID, amount(5), true, b.next()))
	b.do(ledger.Reverse(part.ID, amount(4), b.next()))
	voided := b.do(ledger.Reserve(b.Programme, m, "points", amount(3), time.Hour, b.next()))
	b.do(ledger.Void(voided.ID, b.next()))
	b.refuse(ledger.Capture(voided.ID, decimal.Zero, false, b.next()))
	b.do(ledger.Reserve(b.Programme, m, "points", amount(2), time.Hour, b.next()))
	b.do(ledger.Adjust(m, "points", amount(8), time.Time{}, b.next()))
	b.do(ledger.Adjust(m, "points", amount(-6), time.Time{}, b.next()))
	gift := b.do(ledger.Transfer(m, other, "points", amount(15), b.next()))
	b.do(ledger.Reverse(gift.ID, amount(5), b.next()))
	b.do(ledger.Redate(m, "points", time.Time{}, ledger.Never, time.Date(1998, 6, 1, 0, 0, 0, 0, time.UTC), b.next()))
	b.accrue(m, "points", 33)
	b.do(ledger.GrantAllotment(m, "visits", amount(6), time.Date(1998, 1, 1, 0, 0, 0, 0, time.UTC), b.next()))
	b.refuse(ledger.Redeem(m, "points", amount(100_000), b.next()))
	strict := b.accrue(m, "strict", 40)
	b.do(ledger.Redeem(m, "strict", amount(30), b.next()))
	b.do(ledger.Reverse(strict.ID, decimal.Zero, b.next())) // a debt of 30
	b.accrue(m, "strict", 4)                                // goes to the debt
	if m == "m3" {
		b.do(ledger.Reverse(first.ID, decimal.Zero, b.next()))
	}
}

// vouchers publishes rights, sells some of them and uses, gives back, or forgets them.
func (b *busy) vouchers() {
	b.t.Helper()
	b.do(ledger.Publish("lounge", amount(10), b.next()))
	for i := range 5 {
		r := b.next()
		voucher := ledger.Account{
			Unit: "lounge", Owner: ledger.Member("m1"), Place: ledger.Voucher, Of: ledger.TransactionID(b.Programme, r.Client, r.Key),
		}
		stock := ledger.Account{Unit: "lounge", Owner: ledger.ProgrammeOwner, Place: ledger.Stock}
		sold := b.do(ledger.RedeemLegs("m1", []ledger.Leg{
			{
				From: ledger.Account{Unit: "visits", Owner: ledger.Member("m1"), Place: ledger.Wallet},
				To:   ledger.Account{Unit: "visits", Owner: ledger.ProgrammeOwner, Place: ledger.Redeemed}, Unit: "visits", Amount: amount(1),
			},
			{From: stock, To: voucher, Unit: "lounge", Amount: amount(1), ExpiresAt: time.Date(1997, 12, 1, 0, 0, 0, 0, time.UTC)},
		}, r))
		legs := []ledger.Leg{
			{From: voucher, To: ledger.Account{Unit: "lounge", Owner: ledger.Partner("spa"), Place: ledger.Redeemed}, Unit: "lounge", Amount: amount(1)},
			{
				From: ledger.Account{Unit: "cny", Owner: ledger.ProgrammeOwner, Place: ledger.BenefitCost},
				To:   ledger.Account{Unit: "cny", Owner: ledger.Partner("spa"), Place: ledger.Payable}, Unit: "cny", Amount: decimal.RequireFromString("12.50"),
			},
		}
		switch i {
		case 0, 1:
			used := b.do(ledger.Use("m1", legs, b.next()))
			if i == 1 {
				b.do(ledger.Reverse(used.ID, decimal.Zero, b.next()))
			}
		case 2:
			b.do(ledger.Reverse(sold.ID, decimal.Zero, b.next()))
		}
	}
}

// farewells has one membership end, and one merged into another and taken back.
func (b *busy) farewells() {
	b.t.Helper()
	p, err := b.Ledger.Programme(b.t.Context(), b.Programme)
	if err != nil {
		b.t.Fatal(err)
	}
	b.accrue("left", "points", 70)
	b.do(ledger.Reserve(b.Programme, "left", "points", amount(20), time.Hour, b.next()))
	b.do(ledger.Freeze("left", b.next()))
	b.do(ledger.Forfeit("left", b.next()))
	b.refuse(ledger.Accrual{Member: "left", Unit: "points", Amount: amount(1)}.Into(b.Programme, b.next()))
	owed := b.accrue("double", "strict", 30)
	b.do(ledger.Redeem("double", "strict", amount(30), b.next()))
	b.do(ledger.Reverse(owed.ID, decimal.Zero, b.next()))
	b.accrue("double", "points", 12)
	b.accrue("single", "strict", 40)
	merged := b.do(ledger.Merge(p, "double", "single", b.next()))
	b.do(ledger.Reverse(merged.ID, decimal.Zero, b.next()))
	b.do(ledger.Merge(p, "double", "single", b.next()))
}

func (b *busy) control() {
	b.t.Helper()
	b.farewells()
	b.do(ledger.Freeze("m2", b.next()))
	b.refuse(ledger.Redeem("m2", "points", amount(1), b.next()))
	b.do(ledger.Unfreeze("m2", b.next()))
	b.do(ledger.Freeze("m2", b.next()))
	b.do(ledger.Freeze("m4", b.next()))
	b.do(ledger.SetOpenPeriod(time.Date(1997, 6, 1, 0, 0, 0, 0, time.UTC), b.next()))
	b.refuse(ledger.SetOpenPeriod(time.Date(1997, 5, 1, 0, 0, 0, 0, time.UTC), b.next()))
	back := b.next()
	back.EffectiveAt = time.Date(1997, 6, 10, 12, 0, 0, 0, time.UTC)
	b.do(ledger.Accrual{Member: "m0", Unit: "points", Amount: amount(11)}.Into(b.Programme, back))
}

func (b *busy) sweep() {
	b.t.Helper()
	if err := b.Ledger.Sweep(b.t.Context(), b.Programme, func(d ledger.Due) { b.kinds[d.Kind]++ }); err != nil {
		b.t.Fatal(err)
	}
}

func (b *busy) id(unit, member string, place ledger.Place) uuid.UUID {
	return ledger.Account{Unit: unit, Owner: ledger.Member(member), Place: place}.ID(b.Programme)
}
