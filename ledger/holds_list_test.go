package ledger_test

import (
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

func TestHoldsAreListedWithWhatBecameOfThem(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	b.Accrue(t, "a", "m", "points", 1000)
	reserve := func(k string, timeout time.Duration) *ledger.Transaction {
		return b.Post(t, ledger.Reserve(b.Programme, "m", "points", amount(10), timeout, key(k)))
	}
	captured, part, voided, late := reserve("1", 9*time.Hour), reserve("2", 5*time.Hour), reserve("3", time.Hour), reserve("4", time.Minute)
	open := reserve("5", 2*time.Hour)
	b.Post(t, ledger.Capture(captured.ID, amount(4), true, key("c1")))
	b.Post(t, ledger.Capture(part.ID, amount(3), false, key("c2")))
	b.Post(t, ledger.Void(voided.ID, key("v")))
	b.Post(t, ledger.SetClock(day(1970, 1, 1).Add(10*time.Minute), key("clock")))

	states := func() map[string]ledger.HoldState {
		list, next, err := b.Ledger.HoldHistory(t.Context(), ledger.StatementQuery{Programme: b.Programme, Member: "m", Unit: "points"})
		if err != nil || next != nil || len(list) != 5 {
			t.Fatalf("%d holds, next %v, %v", len(list), next, err)
		}
		found := make(map[string]ledger.HoldState)
		for i, h := range list {
			found[string(rune('1'+i))] = h.State
			if !h.Amount.Equal(h.Captured.Add(h.Returned).Add(h.Remaining)) {
				t.Errorf("hold %d: %+v does not add up", i+1, h)
			}
		}
		return found
	}
	before := states()
	if err := b.Ledger.Sweep(t.Context(), b.Programme, nil); err != nil {
		t.Fatal(err)
	}
	after := states()

	for k, want := range map[string][2]ledger.HoldState{
		"1": {ledger.HoldCaptured, ledger.HoldCaptured}, "2": {ledger.HoldOpen, ledger.HoldOpen}, "3": {ledger.HoldVoided, ledger.HoldVoided},
		"4": {ledger.HoldPastDue, ledger.HoldTimedOut}, "5": {ledger.HoldOpen, ledger.HoldOpen},
	} {
		if before[k] != want[0] || after[k] != want[1] {
			t.Errorf("hold %s: %s, after the sweep %s, want %v", k, before[k], after[k], want)
		}
	}
	first, err := b.Ledger.Holds(t.Context(), ledger.HoldsQuery{Programme: b.Programme, Member: "m", Unit: "points", Limit: 1})
	if err != nil || first.Next == nil || first.Holds[0].Hold != open.ID {
		t.Fatalf("first open hold: %+v, %v", first, err)
	}
	second, err := b.Ledger.Holds(t.Context(), ledger.HoldsQuery{Programme: b.Programme, Member: "m", Unit: "points", Limit: 1, After: *first.Next})
	if err != nil || second.Next != nil || second.Holds[0].Hold != part.ID || !second.Holds[0].Remaining.Equal(amount(7)) {
		t.Fatalf("second open hold: %+v, %v", second, err)
	}
	_ = late
}

func TestFollowUpsTellWhatContinuedATransaction(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	b.Accrue(t, "a", "m", "points", 100)
	held := b.Post(t, ledger.Reserve(b.Programme, "m", "points", amount(10), time.Hour, key("h")))
	b.Post(t, ledger.Capture(held.ID, amount(4), false, key("c")))
	b.Post(t, ledger.Void(held.ID, key("v")))

	list, next, err := b.Ledger.FollowUps(t.Context(), ledger.FollowUpsQuery{Programme: b.Programme, Transaction: held.ID})
	if err != nil {
		t.Fatal(err)
	}
	amounts := make(map[ledger.Kind]decimal.Decimal)
	for _, f := range list {
		amounts[f.Kind] = f.Amount
	}
	if len(list) != 2 || next != nil || !amounts[ledger.KindCapture].Equal(amount(4)) || !amounts[ledger.KindVoid].Equal(amount(6)) {
		t.Errorf("follow-ups: %+v", list)
	}
}
