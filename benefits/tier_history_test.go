package benefits_test

import (
	"testing"

	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/internal/db"
	"tallystick/internal/devdb"
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

func TestVerifyCatchesAChangeOfTierThatWasNotDecidedSo(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.Accrue(t, "a1", "ann", "points", 250)
	c.rate(t, "ann")
	accrual := c.Accrue(t, "a2", "ann", "points", 400)
	c.rate(t, "ann")
	c.Post(t, ledger.Reverse(accrual.ID, decimal.NewFromInt(400), ledger.Request{Client: "test", Key: "back", Reason: "returned"}))
	c.rate(t, "ann")
	owner := devdb.Open(t, c.Database.OwnerURL, db.Options{})
	verify := func() ledger.Report {
		var report ledger.Report
		if err := benefits.Verify(t.Context(), owner, &report); err != nil {
			t.Fatal(err)
		}
		return report
	}
	if report := verify(); !report.OK() {
		t.Fatalf("the books as they are: %+v", report)
	}
	for name, sql := range map[string][2]string{
		"another cause":  {`UPDATE tier_decisions SET cause = 'override' WHERE n = 1`, `UPDATE tier_decisions SET cause = 'rise' WHERE n = 1`},
		"another tier":   {`UPDATE tier_decisions SET tier = 'diamond' WHERE n = 2`, `UPDATE tier_decisions SET tier = 'gold' WHERE n = 2`},
		"another source": {`UPDATE tier_decisions SET source = 'override' WHERE n = 2`, `UPDATE tier_decisions SET source = 'points' WHERE n = 2`},
		"another member": {`UPDATE tier_decisions SET member = 'eve' WHERE n = 3`, `UPDATE tier_decisions SET member = 'ann' WHERE n = 3`},
		"no decision": {
			`UPDATE tier_decisions SET transaction_id = programme_id WHERE n = 3`,
			`UPDATE tier_decisions SET transaction_id = (SELECT t.id FROM transactions AS t WHERE t.kind = 'tier' AND t.reason = 'corrected') WHERE n = 3`,
		},
	} {
		if _, err := owner.Exec(t.Context(), sql[0]); err != nil {
			t.Fatal(err)
		}
		if verify().OK() {
			t.Errorf("%s: it verifies", name)
		}
		if _, err := owner.Exec(t.Context(), sql[1]); err != nil {
			t.Fatal(err)
		}
	}
	if report := verify(); !report.OK() {
		t.Fatalf("the books as they were: %+v", report)
	}
}
