package ledger

import (
	"testing"
)

func because(d *desk, reason string) Request {
	r := d.next()
	r.Reason = reason
	return r
}

func TestAForfeitureTakesAllThatAMemberHasAndNothingComesAfter(t *testing.T) {
	d := newDesk(t)
	bill := d.accrue("ann", "100", "2026-06-01")
	bought := d.redeem("ann", "10")
	hold := d.reserve("ann", "20", hour)
	pending := d.must(Accrual{Member: "ann", Unit: "points", Amount: amount("7"), ActivateAt: day("2026-02-01")}.Into(d.book.programme.ID, d.next()))
	d.refuse(ReasonRequired, Forfeit("ann", d.next()))
	end := d.must(Forfeit("ann", because(d, "left")))
	if len(end.Legs) != 3 {
		t.Fatalf("legs: %+v", end.Legs)
	}
	d.wantLots("ann", "points")
	d.wantBalance(programmeAccount("points", Breakage), "97")
	for name, r := range map[string]Request{
		"a late bill":     Accrual{Member: "ann", Unit: "points", Amount: amount("1")}.Into(d.book.programme.ID, d.next()),
		"a redemption":    Redeem("ann", "points", amount("1"), d.next()),
		"a hold":          Reserve(d.book.programme.ID, "ann", "points", amount("1"), hour, d.next()),
		"a capture":       Capture(hold.ID, amount("1"), false, d.next()),
		"a credit":        Adjust("ann", "points", amount("1"), day("2026-06-01"), because(d, "sorry")),
		"a refund":        Reverse(bought.ID, amount("0"), d.next()),
		"a freeze":        Freeze("ann", because(d, "fraud")),
		"an unfreeze":     Unfreeze("ann", because(d, "fine")),
		"another of them": Forfeit("ann", because(d, "again")),
		"a merge":         Merge(d.book.programme, "ann", "bob", d.next()),
	} {
		o := d.apply(Item{Requests: []Request{r}})[0]
		if reasonOf(o) != MemberTerminated || o.tx == nil {
			t.Errorf("%s: %q, recorded %t", name, reasonOf(o), o.tx != nil)
		}
	}
	d.accrue("bob", "5", "2026-06-01")
	d.refuse(MemberTerminated, Transfer("bob", "ann", "points", amount("1"), d.next()))
	d.refuse(MemberTerminated, Merge(d.book.programme, "bob", "ann", d.next()))
	d.refuse(HoldClosed, Void(hold.ID, d.next()))
	d.refuse(NotPending, Request{Kind: KindActivation, Client: "test", Key: "activate", Original: pending.ID})
	d.reverse(bill, "30") // a return is a return: what was forfeited is owed
	d.wantDebt("ann", "points", "30")
}

func TestAForfeitureOfNothingEndsTheMembershipAllTheSame(t *testing.T) {
	d := newDesk(t)
	d.must(Freeze("ann", because(d, "fraud")))
	if end := d.must(Forfeit("ann", because(d, "left"))); len(end.Legs) != 0 {
		t.Errorf("legs: %+v", end.Legs)
	}
	o := d.apply(Item{Requests: []Request{Accrual{Member: "ann", Unit: "points", Amount: amount("1")}.Into(d.book.programme.ID, d.next())}})[0]
	if reasonOf(o) != MemberTerminated {
		t.Errorf("answer %q", reasonOf(o))
	}
}

func TestARefusedForfeitureLeavesTheMember(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	wantReasons(t, d.reasons(Forfeit("ann", because(d, "left")), Redeem("bob", "points", amount("1"), d.next())),
		AtomicBatchRejected, InsufficientPoints)
	d.redeem("ann", "10")
}

func TestVouchersAreForfeitedUnlessTheDocumentKeepsThem(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		line := ""
		if keeps {
			line = "termination: {keeps_vouchers: true}"
		}
		d := newDesk(t, line)
		d.accrue("ann", "10", "2026-06-01")
		r := d.next()
		voucher := Account{Unit: "lounge", Owner: Member("ann"), Place: Voucher, Of: TransactionID(d.book.programme.ID, r.Client, r.Key)}
		d.must(RedeemLegs("ann", []Leg{redemptionLeg("ann", "points", amount("10")), {
			From: programmeAccount("lounge", Issuance), To: voucher, Unit: "lounge", Amount: amount("1"),
		}}, r))
		d.must(Forfeit("ann", because(d, "left")))
		use := Use("ann", []Leg{{
			From: voucher, To: Account{Unit: "lounge", Owner: Partner("bay"), Place: Redeemed}, Unit: "lounge", Amount: amount("1"),
		}}, d.next())
		if !keeps {
			d.wantBalance(voucher, "0")
			d.refuse(MemberTerminated, use)
			continue
		}
		d.wantBalance(voucher, "1")
		d.reverse(d.must(use), "0")
		d.wantBalance(voucher, "1")
	}
}

func TestAMergeMovesLotsAndDebtAndIsTakenBackWhole(t *testing.T) {
	d := newDesk(t)
	lost := d.accrue("ann", "30", "2026-05-01")
	d.redeem("ann", "30")
	d.reverse(lost, "0") // ann owes 30
	d.must(Accrual{Member: "ann", Unit: "miles", Amount: amount("4"), ExpiresAt: day("2026-09-01"), Fund: "bank@1"}.Into(d.book.programme.ID, d.next()))
	d.accrue("bob", "100", "2026-06-01")
	before := d.next()
	d.refuse(SameAccount, Merge(d.book.programme, "ann", "ann", before))
	merge := d.must(Merge(d.book.programme, "ann", "bob", d.next()))
	d.wantLots("bob", "points", "2026-06-01 70")
	d.wantDebt("ann", "points", "0")
	d.wantLots("ann", "miles")
	d.refuse(NothingToMerge, Merge(d.book.programme, "ann", "bob", d.next()))

	d.refuse(NotReversibleInParts, Reverse(merge.ID, amount("1"), d.next()))
	back := d.must(Reverse(merge.ID, amount("0"), d.next()))
	d.wantDebt("ann", "points", "30")
	d.wantDebt("bob", "points", "0")
	d.wantLots("bob", "points", "2026-06-01 100")
	d.wantLots("bob", "miles")
	d.refuse(AlreadyReversed, Reverse(merge.ID, amount("0"), d.next()))
	d.refuse(NotReversible, Reverse(back.ID, amount("0"), d.next()))
}

func TestAMergeIsNotTakenBackFromWhoeverSpentIt(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "30", "2026-05-01")
	merge := d.must(Merge(d.book.programme, "ann", "bob", d.next()))
	d.redeem("bob", "1")
	d.refuse(InsufficientPoints, Reverse(merge.ID, amount("0"), d.next()))
	d.accrue("bob", "5", "2026-06-01")
	d.must(Reverse(merge.ID, amount("0"), d.next()))
	d.wantLots("bob", "points", "2026-06-01 4")
}

func TestAFrozenMemberIsNotMergedAway(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "30", "2026-05-01")
	d.must(Freeze("ann", because(d, "fraud")))
	d.refuse(MemberFrozen, Merge(d.book.programme, "ann", "bob", d.next()))
}

func TestADebtThatComesBackWithAnUnmergeIsPaidAtOnce(t *testing.T) {
	d := newDesk(t)
	lost := d.accrue("ann", "30", "2026-05-01")
	d.redeem("ann", "30")
	d.reverse(lost, "0")
	d.accrue("bob", "100", "2026-06-01")
	merge := d.must(Merge(d.book.programme, "ann", "bob", d.next()))
	d.accrue("ann", "40", "2026-07-01")
	d.must(Reverse(merge.ID, amount("0"), d.next()))
	d.wantLots("ann", "points", "2026-07-01 10")
	d.wantDebt("ann", "points", "0")
	d.wantLots("bob", "points", "2026-06-01 100")
}
