package ledger

import (
	"testing"
	"time"
)

func TestSpendDrawsSoonestExpiryFirst(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "50", "2026-06-01")
	d.accrue("ann", "30", "2026-03-01")
	d.accrue("ann", "20", "2026-12-01")
	d.redeem("ann", "45")
	d.wantLots("ann", "points", "2026-06-01 35", "2026-12-01 20")
}

func TestLotsOfOneExpiryAreDrawnInOrderOfFund(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	d.accrueFund("ann", "10", "2026-06-01", "hotel@2")
	d.accrueFund("ann", "10", "2026-06-01", "bank@1")
	d.redeem("ann", "15")
	d.wantLots("ann", "points", "2026-06-01 5 hotel@2", "2026-06-01 10")
}

func TestAccrualsOfOneExpiryAndFundShareALot(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	d.accrue("ann", "0.5", "2026-06-01")
	d.wantLots("ann", "points", "2026-06-01 10.5")
}

func TestSpendingMoreThanIsThereIsRejectedWithWhatIsThere(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	r := Redeem("ann", "points", amount("10.01"), d.next())
	d.refuse(InsufficientPoints, r)
	tx := d.byID[TransactionID(d.book.programme.ID, r.Client, r.Key)]
	if tx.Detail["available"] != "10" || tx.Detail["required"] != "10.01" {
		t.Fatalf("detail is %v", tx.Detail)
	}
	d.wantLots("ann", "points", "2026-06-01 10")
}

func TestAmountsBeyondTheUnitsScaleOrBoundsAreMalformed(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	for _, text := range []string{"0", "-1", "0.001", "1000000000000.01", "1e30", "1e-30"} {
		d.refuse(AmountOutOfRange, Redeem("ann", "points", amount(text), d.next()))
	}
	d.refuse(UnknownUnit, Redeem("ann", "stars", amount("1"), d.next()))
}

func TestPointsPayForARightOfTheStock(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "300", "2026-06-01")
	d.must(Publish("lounge", amount("1"), d.next()))
	d.must(d.voucher("ann", "200", "2026-04-01"))
	d.wantBalance(programmeAccount("lounge", Stock), "0")
	d.wantBalance(programmeAccount("points", Redeemed), "200")

	d.refuse(OutOfStock, d.voucher("ann", "100", "2026-04-01"))
	d.wantLots("ann", "points", "2026-06-01 100") // the points leg went back with the refused one
}

func TestUnsoldRightsCanBeWithdrawn(t *testing.T) {
	d := newDesk(t)
	d.must(Publish("lounge", amount("5"), d.next()))
	d.must(Publish("lounge", amount("-3"), d.next()))
	d.wantBalance(programmeAccount("lounge", Stock), "2")
	d.refuse(OutOfStock, Publish("lounge", amount("-3"), d.next()))
}

// voucher is a redemption of points for one right to the lounge.
func (d *desk) voucher(member, points, expires string) Request {
	r := d.next()
	voucher := Account{
		Unit: "lounge", Owner: Member(member), Place: Voucher, Of: TransactionID(d.book.programme.ID, r.Client, r.Key),
	}
	return RedeemLegs(member, []Leg{
		redemptionLeg(member, "points", amount(points)),
		{From: programmeAccount("lounge", Stock), To: voucher, Unit: "lounge", Amount: amount("1"), ExpiresAt: day(expires)},
	}, r)
}

// use is a merchant's redemption of the right in a voucher.
func (d *desk) use(voucher *Transaction) Request {
	from := voucher.Legs[1].To.Account
	to := Account{Unit: "lounge", Owner: Partner("airport"), Place: Redeemed}
	return Use(voucher.Member, []Leg{{From: from, To: to, Unit: "lounge", Amount: amount("1")}}, d.next())
}

func TestVoucherIsUsedOnce(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "300", "2026-06-01")
	d.must(Publish("lounge", amount("1"), d.next()))
	v := d.must(d.voucher("ann", "200", "2026-04-01"))
	d.must(d.use(v))
	d.refuse(VoucherUsed, d.use(v))
}

func TestVoucherCannotBeUsedAtItsExpiry(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "300", "2026-06-01")
	d.must(Publish("lounge", amount("1"), d.next()))
	v := d.must(d.voucher("ann", "200", "2026-04-01"))
	lapse := func() Request {
		r := d.next()
		r.Kind, r.Original = KindExpiry, v.ID
		return r
	}
	d.refuse(HoldNotDue, lapse())
	d.until("2026-04-01")
	d.refuse(VoucherExpired, d.use(v))
	d.must(lapse())
	d.wantBalance(programmeAccount("lounge", Breakage), "1")
	d.refuse(VoucherUsed, lapse())
}

func TestTransferredLotsKeepExpiryAndFund(t *testing.T) {
	d := newDesk(t)
	d.accrueFund("ann", "10", "2026-03-01", "bank@1")
	d.accrue("ann", "10", "2026-06-01")
	d.must(Transfer("ann", "bob", "points", amount("15"), d.next()))
	d.wantLots("ann", "points", "2026-06-01 5")
	d.wantLots("bob", "points", "2026-03-01 10 bank@1", "2026-06-01 5")
	d.refuse(SameAccount, Transfer("ann", "ann", "points", amount("1"), d.next()))
}

func TestNegativeAdjustmentNeverMakesDebt(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	r := d.next()
	d.refuse(ReasonRequired, Adjust("ann", "points", amount("-1"), time.Time{}, r))
	r = d.next()
	r.Reason = "goodwill"
	d.refuse(InsufficientPoints, Adjust("ann", "points", amount("-11"), time.Time{}, r))
	r.Key = "other"
	d.must(Adjust("ann", "points", amount("-4"), time.Time{}, r))
	d.wantLots("ann", "points", "2026-06-01 6")
}

func TestARequestThatMovesNothingIsMalformed(t *testing.T) {
	d := newDesk(t)
	for _, kind := range []Kind{
		KindAccrual, KindRedemption, KindHold, KindAdjustment, KindRedating, KindTransfer, KindPublication, KindUse,
		KindAllotment,
	} {
		r := d.next()
		r.Kind, r.Member, r.Reason, r.Timeout = kind, "ann", "test", time.Hour
		d.refuse(InvalidField, r)
	}
}

func TestAFundThatCouldBeReadAsAnotherLotIsMalformed(t *testing.T) {
	d := newDesk(t)
	for _, fund := range []string{"a|b", "a;b", "x|5;2030-01-01T00:00:00Z|y"} {
		a := Accrual{Member: "ann", Unit: "points", Amount: amount("1"), ExpiresAt: day("2026-06-01"), Fund: fund}
		d.refuse(InvalidField, a.Into(d.book.programme.ID, d.next()))
	}
}
