package ledger_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

func TestTrialBalanceSumsToZeroInEveryUnitAndAtEveryTime(t *testing.T) {
	b := newBusy(t)
	now, err := b.Ledger.TrialBalance(t.Context(), b.Programme, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if len(now.Totals) != 6 {
		t.Errorf("units with a balance: %v, want all 6", now.Totals)
	}
	for _, at := range []time.Time{day(1996, 1, 1), day(1997, 1, 14), day(1997, 1, 15), day(1997, 7, 15), day(1998, 3, 1)} {
		then, err := b.Ledger.TrialBalance(t.Context(), b.Programme, at)
		if err != nil {
			t.Fatal(err)
		}
		for unit, total := range then.Totals {
			if !total.IsZero() {
				t.Errorf("%s at %s: %s", unit, at, total)
			}
		}
	}
	b.clock(1998, 3, 3)
	then, err := b.Ledger.TrialBalance(t.Context(), b.Programme, day(1998, 3, 2))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(now.Lines, then.Lines, sameDecimal); diff != "" {
		t.Errorf("the projection and the journal differ:\n%s", diff)
	}
	spa := decimal.Zero
	for _, line := range now.Lines {
		if line.Owner == "partner/spa" && line.Place == ledger.Payable {
			spa = line.Balance
		}
	}
	if want := decimal.RequireFromString("12.50"); !spa.Equal(want) { // one voucher used, one use taken back
		t.Errorf("payable to the spa: %s, want %s", spa, want)
	}
	_, err = b.Ledger.TrialBalance(t.Context(), b.Programme, day(1998, 3, 3))
	wantRefusal(t, err, ledger.AsOfTooRecent)
}

func TestRollForwardReAddsAndJoinsUp(t *testing.T) {
	b := newBusy(t)
	cuts := []time.Time{{}, day(1997, 1, 15), day(1997, 3, 1), day(1997, 6, 10).Add(12 * time.Hour), day(1998, 2, 1), day(1998, 3, 3)}
	for _, unit := range []string{"points", "active", "strict", "visits", "lounge"} {
		opening := decimal.Zero
		for i := 1; i < len(cuts); i++ {
			f, err := b.Ledger.RollForward(t.Context(), ledger.RollQuery{Programme: b.Programme, Unit: unit, From: cuts[i-1], To: cuts[i]})
			if err != nil {
				t.Fatal(err)
			}
			if !f.Opening.Equal(opening) {
				t.Errorf("%s: opens with %s, the last period closed with %s", unit, f.Opening, opening)
			}
			if open := day(1997, 6, 1); f.Complete != !cuts[i].After(open) {
				t.Errorf("%s to %s: complete %t", unit, cuts[i], f.Complete)
			}
			opening = f.Closing
		}
		held := decimal.Zero
		books, err := b.Ledger.TrialBalance(t.Context(), b.Programme, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range books.Lines {
			if line.Unit == unit && line.Owner == "member" {
				held = held.Add(line.Balance)
			}
		}
		if !held.Equal(opening) {
			t.Errorf("%s: the last period closes with %s, members hold %s", unit, opening, held)
		}
	}
}

func TestEveryLineOfARollForwardIsTraceable(t *testing.T) {
	b := newBusy(t)
	q := ledger.RollQuery{Programme: b.Programme, Unit: "points", From: day(1997, 1, 1), To: day(1999, 1, 1)}
	f, err := b.Ledger.RollForward(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if !f.Expired.IsNegative() || !f.Accrued.IsPositive() || !f.Redeemed.IsNegative() || f.Reversed.IsZero() || f.Adjusted.IsZero() ||
		!f.Transferred.IsPositive() {
		t.Errorf("a cause is missing: %+v", f)
	}
	for _, line := range f.Lines {
		sum := decimal.Zero
		ids := make(map[uuid.UUID]bool)
		legs, err := b.Ledger.RollForwardLegs(t.Context(), q, line, uuid.Nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, leg := range legs {
			sum = sum.Add(leg.Amount)
			ids[leg.Transaction] = true
		}
		if !sum.Equal(line.Moved) || int64(len(ids)) != line.Transactions || int64(len(legs)) != line.Legs {
			t.Errorf("%s %s to %s: legs sum to %s of %s", line.Kind, line.From, line.To, sum, line.Moved)
		}
	}
	_, err = b.Ledger.RollForward(t.Context(), ledger.RollQuery{Programme: b.Programme, Unit: "points", From: q.To, To: q.From})
	wantRefusal(t, err, ledger.InvalidField)
}
