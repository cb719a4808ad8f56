package benefits_test

import (
	"testing"

	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/ledger"
)

// rate brings a member's tiers up to date.
func (c club) rate(t *testing.T, member string) {
	t.Helper()
	if _, err := c.Rate(t.Context(), c.Programme, member); err != nil {
		t.Fatal(err)
	}
}

func TestHistoryTellsEveryChangeOfTierOnceWithItsCause(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.Accrue(t, "a1", "ann", "points", 250)
	c.rate(t, "ann")
	accrual := c.Accrue(t, "a2", "ann", "points", 400)
	c.rate(t, "ann")
	c.rate(t, "ann") // nothing moved
	c.Post(t, ledger.Reverse(accrual.ID, decimal.NewFromInt(400), ledger.Request{Client: "test", Key: "back", Reason: "returned"}))
	c.rate(t, "ann")

	got, err := c.TierHistory(t.Context(), c.Programme, "ann")
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		from, to string
		cause    benefits.Cause
	}{{"gold", "silver", benefits.Corrected}, {"silver", "gold", benefits.Rise}, {"", "silver", benefits.Rise}}
	if len(got) != len(want) {
		t.Fatalf("%d changes, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		if g := got[i]; g.From != w.from || g.To != w.to || g.Cause != w.cause || g.Source != benefits.ByPoints || g.Group != "club" || g.Later {
			t.Errorf("change %d: %+v, want %+v", i, g, w)
		}
		tx, err := c.Ledger.Transaction(t.Context(), c.Programme, got[i].Decision)
		if err != nil || tx.Reason != string(w.cause) {
			t.Errorf("change %d: transaction %v for %v: %v", i, got[i].Decision, tx, err)
		}
	}
	if none, err := c.TierHistory(t.Context(), c.Programme, "nobody"); err != nil || len(none) != 0 {
		t.Errorf("nobody: %+v, %v", none, err)
	}
}
