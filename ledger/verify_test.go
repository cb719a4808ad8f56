package ledger_test

import (
	"testing"

	"tallystick/ledger"
)

func TestVerifyFindsNothingInBooksThatAreRight(t *testing.T) {
	b := newBusy(t)

	var last int64
	report, err := ledger.Verify(t.Context(), b.Pool, func(done, total int64) {
		if done < last || done > total {
			t.Errorf("progress went from %d to %d of %d", last, done, total)
		}
		last = done
	})
	if err != nil {
		t.Fatal(err)
	}

	for _, f := range report.Failures {
		t.Errorf("%s %s: %s: %s", f.Invariant, f.Name, f.Row, f.Problem)
	}
	for _, c := range report.Checks {
		if c.Count == 0 {
			t.Errorf("%s %s: checked nothing", c.Invariant, c.Name)
		}
	}
	t.Logf("%d entries, %d transactions, %d refused, %v", report.Entries, report.Transactions, b.refused, b.kinds)
}
