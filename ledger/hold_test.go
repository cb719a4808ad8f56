package ledger

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

const hour = time.Hour

// followUp is a request about an earlier transaction that only the ledger itself makes.
func (d *desk) followUp(kind Kind, original uuid.UUID) Request {
	r := d.next()
	r.Kind, r.Original = kind, original
	return r
}

func TestHeldPointsCannotBeSpent(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	hold := d.reserve("ann", "7", hour)
	d.refuse(InsufficientPoints, Redeem("ann", "points", amount("4"), d.next()))
	d.wantBalance(hold.Legs[0].To.Account, "7")
}

func TestHoldTakenInTimeCanBeCapturedAfterItsLotsExpired(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-02-01")
	d.until("2026-01-31")
	hold := d.reserve("ann", "10", 72*hour)
	d.until("2026-02-02")
	d.must(Capture(hold.ID, amount("0"), false, d.next()))
	d.wantBalance(programmeAccount("points", Redeemed), "10")
	d.wantBalance(programmeAccount("points", Breakage), "0")
}

func TestVoidedHoldLosesWhatLapsedMeanwhile(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-02-01")
	d.accrue("ann", "10", "2026-06-01")
	hold := d.reserve("ann", "15", 72*24*hour)
	d.until("2026-02-01")
	d.must(Void(hold.ID, d.next()))
	d.wantLots("ann", "points", "2026-06-01 10")
	d.wantBalance(programmeAccount("points", Breakage), "10")
}

func TestHoldIsCapturedInPartsSoonestExpiryFirst(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-03-01")
	d.accrue("ann", "10", "2026-06-01")
	hold := d.reserve("ann", "20", hour)
	d.must(Capture(hold.ID, amount("12"), false, d.next()))
	d.refuse(CaptureExceedsHold, Capture(hold.ID, amount("9"), false, d.next()))
	d.must(Void(hold.ID, d.next()))
	d.wantLots("ann", "points", "2026-06-01 8")
	d.refuse(HoldClosed, Capture(hold.ID, amount("1"), false, d.next()))
	d.refuse(HoldClosed, Void(hold.ID, d.next()))
}

func TestCaptureWithReleaseReturnsTheRest(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-03-01")
	hold := d.reserve("ann", "10", hour)
	capture := d.must(Capture(hold.ID, amount("4"), true, d.next()))
	d.wantLots("ann", "points", "2026-03-01 6")
	if !capture.Amount.Equal(amount("4")) {
		t.Fatalf("a capture's amount is what it took, not %s", capture.Amount)
	}
}

func TestHoldEndsAtItsTimeout(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-03-01")
	hold := d.reserve("ann", "10", hour)
	d.refuse(HoldNotDue, d.followUp(KindTimeout, hold.ID))
	d.book.now = d.book.now.Add(hour)
	d.refuse(HoldExpired, Capture(hold.ID, amount("4"), false, d.next()))
	d.must(d.followUp(KindTimeout, hold.ID))
	d.wantLots("ann", "points", "2026-03-01 10")
}

func TestHoldCanBeVoidedAfterItsTimeout(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-03-01")
	hold := d.reserve("ann", "10", hour)
	d.book.now = d.book.now.Add(2 * hour)
	d.must(Void(hold.ID, d.next()))
	d.wantLots("ann", "points", "2026-03-01 10")
}

func TestAHoldNeedsATimeout(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-03-01")
	d.refuse(InvalidField, Reserve(d.book.programme.ID, "ann", "points", amount("1"), 0, d.next()))
}

func TestCaptureBeyondTheUnitsScaleOrBoundsIsMalformed(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-03-01")
	hold := d.reserve("ann", "10", hour)
	for _, text := range []string{"-1", "0.001", "1e30"} {
		d.refuse(AmountOutOfRange, Capture(hold.ID, amount(text), false, d.next()))
		d.refuse(AmountOutOfRange, Reverse(d.byID[d.journal[0].ID].ID, amount(text), d.next()))
	}
}

func TestWhatFollowsAnUnknownTransactionIsNotFound(t *testing.T) {
	d := newDesk(t)
	for _, kind := range []Kind{KindCapture, KindVoid, KindTimeout, KindReversal, KindActivation, KindExpiry} {
		d.refuse(NotFoundReason, d.followUp(kind, uuid.MustParse("11111111-1111-4111-8111-111111111111")))
		d.refuse(NotFoundReason, d.followUp(kind, uuid.Nil))
	}
}

func TestWhatFollowsATransactionOfAnotherKindIsNotFound(t *testing.T) {
	d := newDesk(t)
	accrual := d.accrue("ann", "10", "2026-03-01")
	for _, kind := range []Kind{KindCapture, KindVoid, KindTimeout, KindActivation, KindExpiry} {
		d.refuse(NotFoundReason, d.followUp(kind, accrual.ID))
	}
}

func TestAVoucherLapsesByTheRedemptionThatMadeIt(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "300", "2026-06-01")
	d.must(Publish("lounge", amount("1"), d.next()))
	v := d.must(d.voucher("ann", "200", "2026-04-01"))
	back := d.reverse(d.must(d.use(v)), "0") // its leg leads into the voucher, too
	d.refuse(NotFoundReason, d.followUp(KindExpiry, back.ID))
	d.until("2026-04-01")
	d.must(d.followUp(KindExpiry, v.ID))
}

func TestAnotherMembersHoldIsNotFound(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-03-01")
	hold := d.reserve("ann", "10", hour)
	for _, r := range []Request{Capture(hold.ID, amount("1"), false, d.next()), Void(hold.ID, d.next())} {
		r.Member = "bob"
		d.refuse(NotFoundReason, r)
	}
}

func TestPendingPointsWaitForTheirTime(t *testing.T) {
	d := newDesk(t)
	a := Accrual{Member: "ann", Unit: "points", Amount: amount("10"), ActivateAt: day("2026-02-01")}
	d.refuse(TimeNotInFuture, Accrual{
		Member: "ann", Unit: "points", Amount: amount("1"), ActivateAt: d.book.now,
	}.Into(d.book.programme.ID, d.next()))
	pending := d.must(a.Into(d.book.programme.ID, d.next()))
	d.refuse(InsufficientPoints, Redeem("ann", "points", amount("1"), d.next()))
	d.refuse(HoldNotDue, d.followUp(KindActivation, pending.ID))
	d.until("2026-02-01")
	d.must(d.followUp(KindActivation, pending.ID))
	d.refuse(NotPending, d.followUp(KindActivation, pending.ID))
	d.wantLots("ann", "points", "2027-02-28 10") // twelve months from activation, to the month's end in Shanghai
}

func TestPartOfPendingPointsCanBeTakenBackBeforeTheyActivate(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "5", "2026-06-01")
	a := Accrual{Member: "ann", Unit: "points", Amount: amount("10"), ActivateAt: day("2026-02-01"), ExpiresAt: day("2026-09-01")}
	pending := d.must(a.Into(d.book.programme.ID, d.next()))
	back := d.reverse(pending, "4")
	if back.Kind != KindClawback {
		t.Fatalf("an accrual is clawed back, not %s", back.Kind)
	}
	d.until("2026-02-01")
	d.must(d.followUp(KindActivation, pending.ID))
	d.wantLots("ann", "points", "2026-06-01 5", "2026-09-01 6")
}
