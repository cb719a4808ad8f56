package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

func day(year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
}

func wantRefusal(t *testing.T, err error, reason ledger.Reason) {
	t.Helper()
	if !errors.Is(err, &ledger.Refusal{Reason: reason}) {
		t.Errorf("got %v, want %s", err, reason)
	}
}

func wantAmount(t *testing.T, what string, got decimal.Decimal, want int64) {
	t.Helper()
	if !got.Equal(amount(want)) {
		t.Errorf("%s is %s, want %d", what, got, want)
	}
}

func TestBalanceTellsPendingHeldAndDebtApart(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	b.Post(t, ledger.SetClock(day(1997, 1, 10), key("clock")))
	b.Accrue(t, "a1", "m", "points", 100)
	first := b.Accrue(t, "b1", "m", "strict", 40)
	b.Post(t, ledger.Redeem("m", "strict", amount(30), key("b2")))
	b.Post(t, ledger.Reverse(first.ID, decimal.Zero, key("b3")))
	b.Post(t, ledger.Reserve(b.Programme, "m", "points", amount(30), time.Hour, key("a2")))
	b.Post(t, ledger.Accrual{Member: "m", Unit: "points", Amount: amount(7), ActivateAt: day(1997, 2, 1)}.Into(b.Programme, key("a3")))

	list, err := b.Ledger.Balances(t.Context(), b.Programme, "m", "points", "strict")
	if err != nil {
		t.Fatal(err)
	}

	points, strict := list[0], list[1]
	wantAmount(t, "posted", points.Posted, 70)
	wantAmount(t, "available", points.Available, 70)
	wantAmount(t, "held", points.Held, 30)
	wantAmount(t, "pending", points.Pending, 7)
	wantAmount(t, "debt", strict.Debt, 30)
	wantAmount(t, "available in debt", strict.Available, 0)
	if next, expires := points.NextExpiry(); !expires || !next.Amount.Equal(amount(70)) || next.At.Before(day(1998, 1, 1)) {
		t.Errorf("next expiry: %v, %t", next, expires)
	}
}

func TestNothingLapsedIsAvailableSweptOrNot(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	b.Accrue(t, "a", "m", "points", 10) // at the sandbox's epoch: expires in 1971
	b.Post(t, ledger.SetClock(day(1971, 6, 1), key("clock")))

	before, err := b.Ledger.Balance(t.Context(), b.Programme, "m", "points")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Ledger.Sweep(t.Context(), b.Programme, nil); err != nil {
		t.Fatal(err)
	}
	after, err := b.Ledger.Balance(t.Context(), b.Programme, "m", "points")
	if err != nil {
		t.Fatal(err)
	}

	wantAmount(t, "posted before the sweep", before.Posted, 10)
	wantAmount(t, "available before the sweep", before.Available, 0)
	wantAmount(t, "posted after the sweep", after.Posted, 0)
	if len(before.Expiries) != 0 {
		t.Errorf("a lapsed lot is in the schedule: %v", before.Expiries)
	}
}

func TestBalanceOfAStrangerIsZeroAndOfAnUnknownUnitRefused(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)

	stranger, err := b.Ledger.Balance(t.Context(), b.Programme, "nobody", "points")
	if err != nil || !stranger.Posted.IsZero() || !stranger.Available.IsZero() {
		t.Errorf("stranger: %+v, %v", stranger, err)
	}
	_, err = b.Ledger.Balance(t.Context(), b.Programme, "m", "nothing")
	wantRefusal(t, err, ledger.UnknownUnit)
	_, err = b.Ledger.Balance(t.Context(), uuid.New(), "m", "points")
	wantRefusal(t, err, ledger.NotFoundReason)
}

func TestBalancesAddUpAgainstTheTrialBalance(t *testing.T) {
	b := newBusy(t)
	places := make(map[ledger.Place]decimal.Decimal)
	for i := range 6 {
		balance, err := b.Ledger.Balance(t.Context(), b.Programme, fmt.Sprint("m", i), "points")
		if err != nil {
			t.Fatal(err)
		}
		places[ledger.Wallet] = places[ledger.Wallet].Add(balance.Posted)
		places[ledger.Hold] = places[ledger.Hold].Add(balance.Held)
		places[ledger.Pending] = places[ledger.Pending].Add(balance.Pending)
		live := decimal.Zero
		for n, expiry := range balance.Expiries {
			live = live.Add(expiry.Amount)
			if n > 0 && !expiry.At.After(balance.Expiries[n-1].At) {
				t.Errorf("m%d: schedule out of order: %v", i, balance.Expiries)
			}
		}
		if !live.Sub(balance.Debt).Equal(balance.Available) && balance.Available.IsPositive() {
			t.Errorf("m%d: %s live, debt %s, available %s", i, live, balance.Debt, balance.Available)
		}
	}
	for _, m := range []string{"p0", "p1", "p2", "p3", "p4", "p5", "single", "double"} { // who got gifts, or was merged
		balance, err := b.Ledger.Balance(t.Context(), b.Programme, m, "points")
		if err != nil {
			t.Fatal(err)
		}
		places[ledger.Wallet] = places[ledger.Wallet].Add(balance.Posted)
	}
	for place, sum := range places {
		b.WantBalance(t, string(place), "points", sum)
	}
}

func TestGroupedReadsSeeWhatTheirCallerPostedBefore(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	var wg sync.WaitGroup
	for c := range 16 {
		wg.Go(func() {
			member := fmt.Sprint("m", c)
			for n := range 20 {
				_, err := b.Ledger.Post(context.Background(), b.Programme, ledger.Accrual{Member: member, Unit: "points", Amount: amount(1)}.
					Into(b.Programme, key(fmt.Sprint(member, "-", n))))
				if err != nil {
					t.Error(err)
					return
				}
				balance, err := b.Ledger.Balance(context.Background(), b.Programme, member, "points")
				if err != nil || !balance.Posted.Equal(amount(int64(n+1))) {
					t.Errorf("%s after %d postings: %s, %v", member, n+1, balance.Posted, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestBalanceAsOfRecordedTimeIsWhatWasKnownThen(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	for d := 1; d <= 3; d++ {
		b.Post(t, ledger.SetClock(day(1997, 1, d), key(fmt.Sprint("clock", d))))
		b.Accrue(t, fmt.Sprint("a", d), "m", "points", 10)
	}
	for _, c := range []struct {
		at   time.Time
		want int64
	}{
		{day(1996, 12, 31), 0}, {day(1997, 1, 1), 10}, {day(1997, 1, 2).Add(-time.Microsecond), 10}, {day(1997, 1, 2), 20},
	} {
		got, err := b.Ledger.BalanceAsOfRecorded(t.Context(), b.Programme, "m", "points", c.at)
		if err != nil {
			t.Fatal(err)
		}
		wantAmount(t, "balance at "+c.at.String(), got, c.want)
	}
	_, err := b.Ledger.BalanceAsOfRecorded(t.Context(), b.Programme, "m", "points", day(1997, 1, 3))
	wantRefusal(t, err, ledger.AsOfTooRecent) // the clock still stands there
	_, err = b.Ledger.BalanceAsOfRecorded(t.Context(), b.Programme, "m", "points", day(1997, 1, 4))
	wantRefusal(t, err, ledger.InvalidField)
}

func TestALiveProgrammeAnswersAsOfOnlyWhatNoPostingCanChange(t *testing.T) {
	b := ledgertest.New(t, `
programme: live
zone: Asia/Shanghai
units:
  - {code: points, kind: points}
`)
	posted := b.Accrue(t, "a", "m", "points", 10)

	_, err := b.Ledger.BalanceAsOfRecorded(t.Context(), b.Programme, "m", "points", posted.RecordedAt)
	wantRefusal(t, err, ledger.AsOfTooRecent)
	before, err := b.Ledger.BalanceAsOfRecorded(t.Context(), b.Programme, "m", "points", posted.RecordedAt.Add(-time.Minute))
	if err != nil || !before.IsZero() {
		t.Errorf("a minute before the first posting: %s, %v", before, err)
	}
}

func TestBalanceAsOfEffectiveTimeCountsWhatWasLearnedLater(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	b.Post(t, ledger.SetClock(day(1997, 1, 10), key("clock")))
	b.Accrue(t, "a", "m", "points", 10)
	late := key("late")
	late.EffectiveAt = day(1997, 1, 5)
	b.Post(t, ledger.Accrual{Member: "m", Unit: "points", Amount: amount(3)}.Into(b.Programme, late))

	for at, want := range map[time.Time]int64{day(1997, 1, 4): 0, day(1997, 1, 5): 3, day(1997, 1, 9): 3, day(1997, 1, 10): 13} {
		got, err := b.Ledger.BalanceAsOfEffective(t.Context(), b.Programme, "m", "points", at)
		if err != nil {
			t.Fatal(err)
		}
		wantAmount(t, "balance effective at "+at.String(), got, want)
	}
	_, err := b.Ledger.BalanceAsOfEffective(t.Context(), b.Programme, "m", "points", day(1997, 1, 11))
	wantRefusal(t, err, ledger.InvalidField)
}
