package ledger

import (
	"testing"
	"time"
)

func TestReversalReturnsTheLastDrawnFirst(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-03-01")
	d.accrue("ann", "10", "2026-06-01")
	spent := d.redeem("ann", "18")
	d.reverse(spent, "5")
	d.wantLots("ann", "points", "2026-06-01 7")
	d.reverse(spent, "5")
	d.wantLots("ann", "points", "2026-03-01 2", "2026-06-01 10")
	d.reverse(spent, "0")
	d.wantLots("ann", "points", "2026-03-01 10", "2026-06-01 10")
}

func TestPartialReversalsNeverExceedTheOriginal(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	spent := d.redeem("ann", "10")
	d.reverse(spent, "6")
	d.refuse(ReversalExceedsRest, Reverse(spent.ID, amount("4.01"), d.next()))
	d.reverse(spent, "4")
	d.refuse(AlreadyReversed, Reverse(spent.ID, amount("1"), d.next()))
	d.refuse(AlreadyReversed, Reverse(spent.ID, amount("0"), d.next()))
}

func TestLotThatExpiredMeanwhileExpiresAgainOnReversal(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-02-01")
	d.accrue("ann", "10", "2026-06-01")
	spent := d.redeem("ann", "15")
	d.until("2026-02-01")
	d.reverse(spent, "0")
	d.wantLots("ann", "points", "2026-06-01 10")
	d.wantBalance(programmeAccount("points", Redeemed), "0")
	d.wantBalance(programmeAccount("points", Breakage), "10")
}

func TestRefundGraceKeepsALapsedLotAlive(t *testing.T) {
	d := newDesk(t, "refund_grace: 10d")
	d.accrue("ann", "10", "2026-02-01")
	d.accrue("ann", "10", "2026-06-01")
	spent := d.redeem("ann", "15")
	d.until("2026-02-01")
	d.reverse(spent, "0")
	// Ten days from 1 February, to the end of the local day: midnight in Shanghai is 16:00 in UTC.
	d.wantLots("ann", "points", "2026-02-11 10", "2026-06-01 10")
	if at := d.book.accounts[walletOf("ann", "points")].lots[0].ExpiresAt; !at.Equal(day("2026-02-11").Add(16 * hour)) {
		t.Fatalf("grace ends at %s", at)
	}
}

func TestCapturedPartGoesBackToTheWallet(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	hold := d.reserve("ann", "10", hour)
	d.refuse(NotReversible, Reverse(hold.ID, amount("0"), d.next()))
	capture := d.must(Capture(hold.ID, amount("6"), true, d.next()))
	d.reverse(capture, "2")
	d.wantLots("ann", "points", "2026-06-01 6")
	d.refuse(ReversalExceedsRest, Reverse(capture.ID, amount("5"), d.next()))
}

func TestClawbackTakesOwnLotFirstThenOthersThenDebt(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-03-01")
	late := d.accrue("ann", "30", "2026-12-01")
	d.accrue("ann", "10", "2026-09-01")
	d.redeem("ann", "5")
	d.must(Transfer("ann", "bob", "points", amount("5"), d.next()))

	d.reverse(late, "20")
	d.wantLots("ann", "points", "2026-09-01 10", "2026-12-01 10") // its own lot, although others expire sooner
	d.reserve("ann", "10", hour)                                  // the lot of September
	d.must(Redeem("ann", "points", amount("7"), d.next()))
	d.accrue("ann", "4", "2026-02-01")
	d.reverse(late, "10")
	d.wantLots("ann", "points")
	d.wantDebt("ann", "points", "3")
	d.refuse(NotReversible, Reverse(d.journal[len(d.journal)-1].ID, amount("0"), d.next()))
}

func TestCreditPaysDebtFirst(t *testing.T) {
	d := newDesk(t)
	a := d.accrue("ann", "10", "2026-06-01")
	spent := d.redeem("ann", "10")
	d.reverse(a, "0")
	d.wantDebt("ann", "points", "10")
	d.accrue("ann", "4", "2026-06-01")
	d.wantDebt("ann", "points", "6")
	d.wantLots("ann", "points")
	d.reverse(spent, "5")
	d.wantDebt("ann", "points", "1")
	d.accrue("bob", "4", "2026-06-01")
	d.must(Transfer("bob", "ann", "points", amount("3"), d.next()))
	d.wantDebt("ann", "points", "0")
	d.wantLots("ann", "points", "2026-06-01 2")
}

func TestVoidedHoldPaysDebtFirst(t *testing.T) {
	d := newDesk(t)
	a := d.accrue("ann", "10", "2026-06-01")
	hold := d.reserve("ann", "10", hour)
	d.reverse(a, "0")
	d.wantDebt("ann", "points", "10")
	d.must(Void(hold.ID, d.next()))
	d.wantDebt("ann", "points", "0")
	d.wantLots("ann", "points")
}

func TestClawbackStopsAtTheDebtLimit(t *testing.T) {
	d := newDesk(t)
	a := d.accrue("ann", "600", "2026-06-01")
	d.redeem("ann", "550")
	d.refuse(DebtLimitReached, Reverse(a.ID, amount("550.01"), d.next()))
	d.wantLots("ann", "points", "2026-06-01 50")
	d.reverse(a, "550")
	d.wantDebt("ann", "points", "500")
}

func TestReversedTransferTakesBackWhatItGave(t *testing.T) {
	d := newDesk(t)
	d.accrue("bob", "5", "2026-02-01")
	d.accrue("ann", "10", "2026-03-01")
	d.accrue("ann", "10", "2026-06-01")
	gift := d.must(Transfer("ann", "bob", "points", amount("20"), d.next()))
	d.reverse(gift, "10")
	d.wantLots("ann", "points", "2026-06-01 10") // the last given first, like every reversal in parts
	d.wantLots("bob", "points", "2026-02-01 5", "2026-03-01 10")
	d.redeem("bob", "8")
	d.refuse(InsufficientPoints, Reverse(gift.ID, amount("0"), d.next()))
	d.reverse(gift, "7")
	d.wantLots("ann", "points", "2026-03-01 7", "2026-06-01 10")
}

func TestReversedDebitByAdjustmentReturnsItsLots(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	r := d.next()
	r.Reason = "error"
	debit := d.must(Adjust("ann", "points", amount("-4"), time.Time{}, r))
	d.reverse(debit, "0")
	d.wantLots("ann", "points", "2026-06-01 10")
	d.wantBalance(programmeAccount("points", Issuance), "-10")
}

func TestClawbackOfSeveralLegsTakesEveryLegBack(t *testing.T) {
	d := newDesk(t)
	issue := func(unit string, n string) Leg {
		return Leg{From: programmeAccount(unit, Issuance), To: walletOf("ann", unit), Unit: unit, Amount: amount(n), ExpiresAt: day("2026-06-01")}
	}
	partner := Account{Unit: "cny", Owner: Partner("bank"), Place: Receivable}
	r := d.next()
	r.Kind, r.Member = KindAccrual, "ann"
	r.Legs = []Leg{
		issue("points", "10"), issue("status", "3"),
		{From: partner, To: programmeAccount("cny", Deferred), Unit: "cny", Amount: amount("1.5")},
	}
	bill := d.must(r)
	d.reverse(bill, "0")
	d.wantLots("ann", "points")
	d.wantLots("ann", "status")
	d.wantBalance(partner, "0")
	d.wantBalance(programmeAccount("cny", Deferred), "0")
}

func TestClawedBackGoodwillReturnsToItsBudget(t *testing.T) {
	d := newDesk(t)
	budget := Account{Unit: "points", Owner: Staff("li"), Place: Budget}
	move := func(from, to Account, n string) Request {
		r := d.next()
		r.Kind, r.Member, r.Reason = KindAdjustment, "ann", "goodwill"
		r.Legs = []Leg{{From: from, To: to, Unit: "points", Amount: amount(n), ExpiresAt: day("2026-06-01")}}
		return r
	}
	d.must(move(programmeAccount("points", Issuance), budget, "100"))
	d.refuse(BudgetExhausted, move(budget, walletOf("ann", "points"), "101"))
	gift := d.must(move(budget, walletOf("ann", "points"), "60"))
	d.redeem("ann", "50")
	d.reverse(gift, "0")
	d.wantBalance(budget, "100")
	d.wantDebt("ann", "points", "50")
}

func TestCancelledVoucherReturnsBothSides(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "300", "2026-06-01")
	d.must(Publish("lounge", amount("1"), d.next()))
	v := d.must(d.voucher("ann", "200", "2026-04-01"))
	d.refuse(NotReversibleInParts, Reverse(v.ID, amount("100"), d.next()))
	d.reverse(v, "0")
	d.wantLots("ann", "points", "2026-06-01 300")
	d.wantBalance(programmeAccount("lounge", Stock), "1")
}

func TestUsedVoucherCannotBeCancelledUntilItsUseIsReversed(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "300", "2026-06-01")
	d.must(Publish("lounge", amount("1"), d.next()))
	v := d.must(d.voucher("ann", "200", "2026-04-01"))
	used := d.must(d.use(v))
	d.refuse(VoucherUsed, Reverse(v.ID, amount("0"), d.next()))
	d.reverse(used, "0")
	d.reverse(v, "0")
	d.wantLots("ann", "points", "2026-06-01 300")
}

func TestLapsedVoucherCannotBeCancelled(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "300", "2026-06-01")
	d.must(Publish("lounge", amount("1"), d.next()))
	v := d.must(d.voucher("ann", "200", "2026-04-01"))
	d.until("2026-04-01")
	d.refuse(VoucherExpired, Reverse(v.ID, amount("0"), d.next()))
}

func TestAReversedUseOfALapsedVoucherExpiresAgain(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "300", "2026-06-01")
	d.must(Publish("lounge", amount("1"), d.next()))
	v := d.must(d.voucher("ann", "200", "2026-04-01"))
	used := d.must(d.use(v))
	d.until("2026-04-01")
	d.reverse(used, "0")
	d.wantBalance(v.Legs[1].To.Account, "0")
	d.wantBalance(programmeAccount("lounge", Breakage), "1")
}

func TestAVoucherKeepsItsTimeUnderARefundGrace(t *testing.T) {
	d := newDesk(t, "refund_grace: 10d")
	d.accrue("ann", "300", "2026-06-01")
	d.must(Publish("lounge", amount("1"), d.next()))
	v := d.must(d.voucher("ann", "200", "2026-04-01"))
	used := d.must(d.use(v))
	d.until("2026-04-01")
	d.reverse(used, "0")
	d.wantBalance(v.Legs[1].To.Account, "0")
	d.wantBalance(programmeAccount("lounge", Breakage), "1")
}

func TestACancelledRedemptionComesBackAsFarAsAnActivityReaches(t *testing.T) {
	d := newDesk(t)
	d.must(d.miles("ann", "10", time.Time{}))
	spent := d.must(Redeem("ann", "miles", amount("4"), d.next()))
	d.until("2026-05-20")
	d.must(d.miles("ann", "1", time.Time{}))
	d.until("2026-08-10") // what was spent would have expired at the end of July
	d.reverse(spent, "0")
	d.wantLots("ann", "miles", "2026-11-30 7", "2027-02-28 4")
}

func TestAReversedPartTakesOtherLegsInProportion(t *testing.T) {
	d := newDesk(t)
	bill := func() *Transaction {
		r := d.next()
		r.Kind, r.Member = KindAccrual, "ann"
		points := Leg{From: programmeAccount("points", Issuance), To: walletOf("ann", "points"), Unit: "points", Amount: amount("10"), ExpiresAt: day("2026-06-01")}
		status := points
		status.Unit, status.From.Unit, status.To.Unit, status.Amount = "status", "status", "status", amount("5")
		r.Legs = []Leg{points, status, {
			From: Account{Unit: "cny", Owner: Partner("bank"), Place: Receivable}, To: programmeAccount("cny", Deferred),
			Unit: "cny", Amount: amount("1.00"),
		}}
		return d.must(r)
	}()
	for _, want := range []struct{ status, money string }{{"4", "0.67"}, {"2", "0.34"}, {"0", "0"}} {
		part := "3.3"
		if want.status == "0" {
			part = "0"
		}
		d.reverse(bill, part)
		if got := d.book.account(walletOf("ann", "status")).balance; !got.Equal(amount(want.status)) {
			t.Errorf("status %s, want %s", got, want.status)
		}
		d.wantBalance(programmeAccount("cny", Deferred), want.money)
	}
	d.wantLots("ann", "points")
	d.refuse(AlreadyReversed, Reverse(bill.ID, amount("0"), d.next()))
}

func TestClawbackTakesTheSameFundWhenItsLotWasRedated(t *testing.T) {
	d := newDesk(t)
	d.accrueFund("ann", "10", "2026-06-01", "bank")
	own := d.accrueFund("ann", "10", "2026-07-01", "shop")
	d.must(Redate("ann", "points", day("2026-07-01"), day("2026-07-02"), day("2026-09-01"), d.next()))
	d.reverse(own, "4")
	d.wantLots("ann", "points", "2026-06-01 10 bank", "2026-09-01 6 shop")
}
