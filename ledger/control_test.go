package ledger

import (
	"testing"
	"time"
)

func TestReplayAnswersTheFirstOutcome(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	yes, no := Redeem("ann", "points", amount("6"), d.next()), Redeem("ann", "points", amount("5"), d.next())
	first := d.must(yes)
	d.refuse(InsufficientPoints, no)
	d.accrue("ann", "100", "2026-06-01")
	if again := d.must(yes); again != first {
		t.Errorf("the replay of a yes is another transaction")
	}
	d.refuse(InsufficientPoints, no) // a retry never turns a no into a yes
	d.wantLots("ann", "points", "2026-06-01 104")
}

func TestAKeyBelongsToOneRequest(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	r := d.next()
	d.must(Redeem("ann", "points", amount("6"), r))
	other := Redeem("ann", "points", amount("1"), r)
	if o := d.apply(Item{Requests: []Request{other}})[0]; o.tx != nil || reasonOf(o) != IdempotencyKeyReused {
		t.Fatalf("the answer is %+v", o)
	}
	other.Client = "another"
	d.must(other)
}

func TestAReferenceIsUniquePerClientAndKind(t *testing.T) {
	d := newDesk(t)
	accrual := func(client string) Request {
		r := d.next()
		r.Client, r.Reference = client, "order-1"
		return Accrual{Member: "ann", Unit: "points", Amount: amount("10")}.Into(d.book.programme.ID, r)
	}
	first := d.must(accrual("shop"))
	again := accrual("shop")
	d.refuse(ReferenceUsed, again)
	id := TransactionID(d.book.programme.ID, again.Client, again.Key)
	if named := d.byID[id].Detail["transaction_id"]; named != first.ID.String() {
		t.Errorf("the refusal names %s, not the first", named)
	}
	d.must(accrual("till"))
	r := d.next()
	r.Client, r.Reference = "shop", "order-1"
	d.must(Redeem("ann", "points", amount("1"), r))
}

func TestARejectedRequestTakesNoReference(t *testing.T) {
	d := newDesk(t)
	r := d.next()
	r.Reference = "order-1"
	d.refuse(InsufficientPoints, Redeem("ann", "points", amount("1"), r))
	d.accrue("ann", "10", "2026-06-01")
	r.Key = "other"
	d.must(Redeem("ann", "points", amount("1"), r))
}

// reasons applies an atomic item and returns the reason of each outcome.
func (d *desk) reasons(requests ...Request) []Reason {
	var reasons []Reason
	for _, o := range d.apply(Item{Requests: requests, Atomic: true}) {
		reasons = append(reasons, reasonOf(o))
	}
	return reasons
}

func wantReasons(t *testing.T, got []Reason, want ...Reason) {
	t.Helper()
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("reasons are %q, want %q", got, want)
		}
	}
}

func TestAnAtomicItemPostsAllOrNothing(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	ok, tooMuch := Redeem("ann", "points", amount("6"), d.next()), Redeem("ann", "points", amount("5"), d.next())
	wantReasons(t, d.reasons(ok, tooMuch), AtomicBatchRejected, InsufficientPoints)
	d.wantLots("ann", "points", "2026-06-01 10")
	d.accrue("ann", "10", "2026-06-01")
	wantReasons(t, d.reasons(ok, tooMuch), AtomicBatchRejected, InsufficientPoints)

	wantReasons(t, d.reasons(ok, Redeem("ann", "points", amount("1"), d.next())), IdempotencyKeyReused, IdempotencyKeyReused)
	wantReasons(t, d.reasons(Redeem("ann", "points", amount("6"), d.next()), Redeem("ann", "points", amount("5"), d.next())), "", "")
	d.wantLots("ann", "points", "2026-06-01 9")
}

func TestAnAtomicItemWithAMalformedRequestIsNotRecorded(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	wantReasons(t, d.reasons(Redeem("ann", "points", amount("6"), d.next()), Redeem("ann", "stars", amount("5"), d.next())), AtomicBatchRejected, UnknownUnit)
	if len(d.journal) != 1 {
		t.Fatalf("%d transactions are recorded", len(d.journal))
	}
}

func TestAnAtomicItemNamesEachKeyOnce(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	r := Redeem("ann", "points", amount("1"), d.next())
	wantReasons(t, d.reasons(r, r), InvalidField, InvalidField)
	d.wantLots("ann", "points", "2026-06-01 10")
	if len(d.journal) != 1 {
		t.Fatalf("%d transactions are recorded", len(d.journal))
	}
}

func TestAFrozenMemberOnlyGains(t *testing.T) {
	d := newDesk(t)
	a := d.accrue("ann", "20", "2026-06-01")
	spent := d.redeem("ann", "5")
	hold, second := d.reserve("ann", "5", hour), d.reserve("ann", "5", hour)
	why := d.next()
	d.refuse(ReasonRequired, Freeze("ann", why))
	why.Reason = "fraud"
	d.must(Freeze("ann", why))
	why.Key = "again"
	d.refuse(AlreadyFrozen, Freeze("ann", why))

	d.refuse(MemberFrozen, Redeem("ann", "points", amount("1"), d.next()))
	d.refuse(MemberFrozen, Reserve(d.book.programme.ID, "ann", "points", amount("1"), hour, d.next()))
	d.refuse(MemberFrozen, Capture(hold.ID, amount("1"), false, d.next()))
	d.refuse(MemberFrozen, Transfer("ann", "bob", "points", amount("1"), d.next()))
	d.must(Void(hold.ID, d.next()))
	d.accrue("ann", "1", "2026-06-01")
	d.reverse(spent, "0")
	d.reverse(a, "1")
	d.accrue("bob", "1", "2026-06-01")
	d.must(Transfer("bob", "ann", "points", amount("1"), d.next()))

	why.Key = "thaw"
	d.must(Unfreeze("ann", why))
	why.Key = "thaw again"
	d.refuse(NotFrozen, Unfreeze("ann", why))
	d.must(Capture(second.ID, amount("0"), false, d.next()))
}

func TestNothingCountsInTheFutureOrInAClosedPeriod(t *testing.T) {
	d := newDesk(t)
	d.must(SetOpenPeriod(day("2026-01-01"), d.next()))
	accrueAt := func(at time.Time) Request {
		r := d.next()
		r.EffectiveAt = at
		return Accrual{Member: "ann", Unit: "points", Amount: amount("1")}.Into(d.book.programme.ID, r)
	}
	d.refuse(EffectiveInFuture, accrueAt(d.book.now.Add(time.Microsecond)))
	d.must(accrueAt(d.book.now))
	d.must(accrueAt(day("2026-01-01")))
	d.refuse(PeriodClosed, accrueAt(day("2026-01-01").Add(-time.Microsecond)))
	d.refuse(PeriodBackwards, SetOpenPeriod(day("2026-01-01"), d.next()))
	d.refuse(EffectiveInFuture, SetOpenPeriod(d.book.now.Add(time.Microsecond), d.next()))
}

func TestBackDatingHasALimitExceptInASandbox(t *testing.T) {
	for _, sandbox := range []string{"false", "true"} {
		d := newDesk(t, "sandbox: "+sandbox, "back_dating: 10d")
		accrueAt := func(at time.Time) Request {
			r := d.next()
			r.EffectiveAt = at
			return Accrual{Member: "ann", Unit: "points", Amount: amount("1")}.Into(d.book.programme.ID, r)
		}
		d.must(accrueAt(day("2026-01-05")))
		if sandbox == "true" {
			d.must(accrueAt(day("1997-01-01")))
		} else {
			d.refuse(BackDatingLimit, accrueAt(day("2026-01-05").Add(-time.Microsecond)))
		}
	}
}

func TestOnlyASandboxesClockMovesAndOnlyForward(t *testing.T) {
	d := newDesk(t)
	d.refuse(NotSandbox, SetClock(day("2026-02-01"), d.next()))
	d = newDesk(t, "sandbox: true")
	d.must(SetClock(day("2026-02-01"), d.next()))
	d.refuse(ClockBackwards, SetClock(day("2026-01-31"), d.next()))
	if !d.book.now.Equal(day("2026-02-01")) {
		t.Fatalf("the clock stands at %s", d.book.now)
	}
}

func TestARolledBackPeriodChangeKeepsTheEarlierOne(t *testing.T) {
	d := newDesk(t)
	d.applyOnly(Item{Requests: []Request{SetOpenPeriod(day("2026-01-01"), d.next())}})
	d.applyOnly(Item{Atomic: true, Requests: []Request{
		SetOpenPeriod(day("2026-01-10"), d.next()), Redeem("ann", "points", amount("1"), d.next()),
	}})
	if got := d.book.out.openFrom; !got.Equal(day("2026-01-01")) {
		t.Fatalf("the batch saves %s as the open period", got)
	}
}

func TestNobodySpendsFromAnothersWallet(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	r := Redeem("ann", "points", amount("1"), d.next())
	r.Member = "bob"
	d.refuse(InvalidField, r)
}
