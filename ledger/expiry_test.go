package ledger

import (
	"testing"
	"time"
)

func TestALotIsExpiredAtItsExpiresAt(t *testing.T) {
	for _, c := range []struct {
		name   string
		before time.Duration
		reason Reason
	}{
		{"a microsecond before", time.Microsecond, ""},
		{"at", 0, InsufficientPoints},
		{"a microsecond after", -time.Microsecond, InsufficientPoints},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			d.accrue("ann", "10", "2026-02-01")
			d.book.now = day("2026-02-01").Add(-c.before)
			if got := reasonOf(d.apply(Item{Requests: []Request{Redeem("ann", "points", amount("1"), d.next())}})[0]); got != c.reason {
				t.Fatalf("spending is refused with %q, want %q", got, c.reason)
			}
		})
	}
}

func TestExpiryOnTouchIsATransactionOfItsOwn(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-02-01")
	d.accrueFund("ann", "5", "2026-02-01", "bank@1")
	d.until("2026-02-05")
	d.refuse(InsufficientPoints, Redeem("ann", "points", amount("1"), d.next()))
	if n := len(d.journal); n != 5 {
		t.Fatalf("two accruals, two expiries and a rejection are recorded, not %d", n)
	}
	for _, tx := range d.journal[2:4] {
		if tx.Kind != KindExpiry || tx.Client != systemClient || tx.Member != "ann" || !tx.EffectiveAt.Equal(day("2026-02-01")) {
			t.Errorf("not an expiry of ann's lot: %+v", tx)
		}
	}
	d.wantBalance(programmeAccount("points", Breakage), "15")
}

func TestATouchExpiresAndIsNoTransaction(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-02-01")
	d.until("2026-02-01")
	wallet := walletOf("ann", "points")
	r := Request{Client: systemClient, Key: "touch", Kind: touch, Member: "ann", Legs: []Leg{{From: wallet, To: wallet, Unit: "points"}}}
	d.apply(Item{Requests: []Request{r}})
	d.apply(Item{Requests: []Request{r}})
	if len(d.journal) != 2 || d.journal[1].Kind != KindExpiry {
		t.Fatalf("an accrual and one expiry are recorded, not %d", len(d.journal))
	}
}

func TestExpiryCountsInTheOpenPeriod(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-02-01")
	d.until("2026-03-10")
	d.must(SetOpenPeriod(day("2026-03-01"), d.next()))
	d.accrue("ann", "1", "2026-06-01")
	if tx := d.journal[2]; tx.Kind != KindExpiry || !tx.EffectiveAt.Equal(day("2026-03-01")) {
		t.Fatalf("%s counts at %s", tx.Kind, tx.EffectiveAt)
	}
}

func TestALotLargerThanOneLegStillExpires(t *testing.T) {
	d := newDesk(t)
	for range 2 {
		d.accrue("ann", "1000000000000", "2026-02-01")
	}
	d.until("2026-02-01")
	d.refuse(InsufficientPoints, Redeem("ann", "points", amount("1"), d.next()))
	d.wantBalance(programmeAccount("points", Breakage), "2000000000000")
}

func TestABackDatedAccrualThatIsOverExpiresOnArrival(t *testing.T) {
	d := newDesk(t, "sandbox: true")
	r := d.next()
	r.EffectiveAt = day("2024-06-15")
	d.must(Accrual{Member: "ann", Unit: "points", Amount: amount("10")}.Into(d.book.programme.ID, r))
	d.wantLots("ann", "points")
	d.wantBalance(programmeAccount("points", Breakage), "10")
}

func TestExpiryFollowsTheUnitsPolicyUnlessTheRequestSaysOtherwise(t *testing.T) {
	d := newDesk(t)
	accrue := func(a Accrual) Request {
		a.Member, a.Unit, a.Amount = "ann", "points", amount("1")
		return a.Into(d.book.programme.ID, d.next())
	}
	d.must(accrue(Accrual{}))
	d.must(accrue(Accrual{Policy: "active"}))
	d.must(accrue(Accrual{Policy: "active", ExpiresAt: day("2026-03-05")}))
	d.refuse(UnknownPolicy, accrue(Accrual{Policy: "none"}))
	d.refuse(TimeNotInFuture, accrue(Accrual{ExpiresAt: d.book.now}))
	d.wantLots("ann", "points", "2026-03-05 1", "2026-07-31 1", "2027-01-31 1")
}

func TestRedatingExtendsTheChosenLotsAndKeepsTheirFunds(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "1", "2026-02-01")
	d.accrue("ann", "2", "2026-03-01")
	d.accrueFund("ann", "4", "2026-03-01", "bank@1")
	d.accrue("ann", "8", "2026-04-01")
	tx := d.must(Redate("ann", "points", day("2026-03-01"), day("2026-04-01"), day("2026-09-01"), d.next()))
	d.wantLots("ann", "points", "2026-02-01 1", "2026-04-01 8", "2026-09-01 4 bank@1", "2026-09-01 2")
	if !tx.Amount.Equal(amount("6")) {
		t.Errorf("a redating's amount is what it moved, not %s", tx.Amount)
	}
	d.refuse(NothingToRedate, Redate("ann", "points", day("2026-03-01"), day("2026-04-01"), day("2026-09-01"), d.next()))
	d.refuse(InvalidField, Redate("ann", "points", day("2026-03-01"), day("2027-04-01"), time.Time{}, d.next()))
}

func TestMassExpiryIsARedatingToNow(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "1", "2026-02-01")
	d.accrue("ann", "2", "2026-03-01")
	d.must(Redate("ann", "points", day("2026-01-01"), day("2026-03-01"), d.book.now, d.next()))
	d.wantLots("ann", "points", "2026-03-01 2")
	d.wantBalance(programmeAccount("points", Breakage), "1")
}

func (d *desk) miles(member, n string, effective time.Time) Request {
	r := d.next()
	r.EffectiveAt = effective
	return Accrual{Member: member, Unit: "miles", Amount: amount(n)}.Into(d.book.programme.ID, r)
}

func TestActivityKeepsAllLotsOfTheUnitAlive(t *testing.T) {
	d := newDesk(t)
	d.must(d.miles("ann", "10", time.Time{}))
	d.wantLots("ann", "miles", "2026-07-31 10")
	d.until("2026-03-20")
	d.must(d.miles("ann", "5", time.Time{}))
	d.wantLots("ann", "miles", "2026-09-30 15")
	d.until("2026-05-20")
	d.must(Redeem("ann", "miles", amount("3"), d.next()))
	d.wantLots("ann", "miles", "2026-11-30 12")
}

func TestWhatAnActivityBringsKeepsTheExpiryChosenForIt(t *testing.T) {
	d := newDesk(t)
	d.must(d.miles("ann", "10", time.Time{}))
	d.until("2026-03-20")
	short := Accrual{Member: "ann", Unit: "miles", Amount: amount("5"), ExpiresAt: day("2026-04-30")}
	d.must(short.Into(d.book.programme.ID, d.next()))
	d.wantLots("ann", "miles", "2026-04-30 5", "2026-09-30 10")
	kept := d.book.account(walletOf("ann", "miles")).lots[1].ExpiresAt
	d.until("2026-04-10")
	short.Amount, short.ExpiresAt = amount("2"), kept // joins a lot that was there: its own part stays behind
	d.must(short.Into(d.book.programme.ID, d.next()))
	d.wantLots("ann", "miles", "2026-09-30 2", "2026-10-31 15")
}

func TestActivationsAndCapturesAreActivity(t *testing.T) {
	d := newDesk(t)
	d.must(d.miles("ann", "10", time.Time{}))
	r := d.next()
	waiting := d.must(Accrual{Member: "ann", Unit: "miles", Amount: amount("5"), ActivateAt: day("2026-03-10")}.Into(d.book.programme.ID, r))
	d.wantLots("ann", "miles", "2026-07-31 10")
	d.until("2026-03-20")
	d.must(d.followUp(KindActivation, waiting.ID))
	d.wantLots("ann", "miles", "2026-09-30 15")
	held := d.must(Reserve(d.book.programme.ID, "ann", "miles", amount("4"), 90*24*time.Hour, d.next()))
	d.until("2026-05-20")
	d.must(Capture(held.ID, amount("3"), true, d.next()))
	d.wantLots("ann", "miles", "2026-11-30 12")
}

func TestBackDatedActivityExtendsFromWhenItCounts(t *testing.T) {
	d := newDesk(t)
	d.must(d.miles("ann", "10", time.Time{}))
	d.until("2026-03-02")
	d.must(d.miles("ann", "5", day("2026-02-25")))
	d.wantLots("ann", "miles", "2026-08-31 15")
}

func TestAnAdjustmentIsNoActivity(t *testing.T) {
	d := newDesk(t)
	d.must(d.miles("ann", "10", time.Time{}))
	d.until("2026-03-20")
	r := d.next()
	r.Reason = "error"
	d.must(Adjust("ann", "miles", amount("5"), time.Time{}, r))
	d.wantLots("ann", "miles", "2026-07-31 10", "2026-09-30 5")
}

func TestAllotmentExpiresWithItsPeriod(t *testing.T) {
	d := newDesk(t)
	grant := d.must(GrantAllotment("ann", "visit", amount("6"), day("2026-12-31"), d.next()))
	d.must(Redeem("ann", "visit", amount("1"), d.next()))
	d.wantLots("ann", "visit", "2026-12-31 5")
	d.reverse(grant, "0")
	d.wantDebt("ann", "visit", "1")
	d.refuse(FlowNotAllowed, GrantAllotment("ann", "points", amount("6"), day("2026-12-31"), d.next()))
}

// fill gives ann as much as an account may hold.
func (d *desk) fill(expires string) {
	d.Helper()
	for range 1000 {
		d.accrue("ann", "1000000000000", expires)
	}
}

// onAnother lets the next batches be written on another stripe.
func (d *desk) onAnother(stripe int16) {
	d.book.stripe = stripe
	for _, place := range []Place{Issuance, Breakage, Redeemed} {
		d.book.add(programmeAccount("points", place))
	}
}

func TestABalanceHasACap(t *testing.T) {
	d := newDesk(t)
	d.fill("2026-06-01")
	a := Accrual{Member: "ann", Unit: "points", Amount: amount("0.01")}
	d.refuse(BalanceCapReached, a.Into(d.book.programme.ID, d.next()))
	d.wantBalance(walletOf("ann", "points"), "1000000000000000")
}

func TestALotThatBreakageCannotTakeStaysUnspendable(t *testing.T) {
	d := newDesk(t)
	d.fill("2026-02-01")
	d.until("2026-02-01")
	d.refuse(InsufficientPoints, Redeem("ann", "points", amount("1"), d.next())) // breakage is full now
	d.onAnother(8)
	d.accrue("ann", "5", "2026-03-01")
	d.onAnother(7)
	d.until("2026-03-01")
	d.refuse(InsufficientPoints, Redeem("ann", "points", amount("1"), d.next()))
	d.wantLots("ann", "points", "2026-03-01 5")
	d.onAnother(8)
	d.refuse(InsufficientPoints, Redeem("ann", "points", amount("1"), d.next()))
	d.wantLots("ann", "points")
}
