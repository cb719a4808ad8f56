package ledger_test

import (
	"testing"
	"time"

	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

// TestAMemberIsToldOnceWhatWillExpire: thirty days before, in the programme's time, whatever runs how often.
func TestAMemberIsToldOnceWhatWillExpire(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document+"expiry_notice: 30d\n")
	clock := func(k, at string) {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		b.Post(t, ledger.SetClock(when, key(k)))
	}
	clock("c1", "2026-01-15T00:00:00Z")
	b.Accrue(t, "a1", "ann", "points", 50) // until 2027-02-01 00:00 in Shanghai
	b.Accrue(t, "a2", "bob", "points", 20)
	notify := func(want int64) {
		t.Helper()
		if got, err := b.Ledger.Notify(t.Context(), b.Programme); err != nil || got != want {
			t.Errorf("%d notices, %v, want %d", got, err, want)
		}
	}
	clock("c2", "2027-01-01T15:59:59Z")
	notify(0)
	clock("c3", "2027-01-01T16:00:00Z")
	b.Post(t, ledger.Redeem("bob", "points", amount(20), key("r1")))
	notify(1)
	b.Post(t, ledger.Accrual{Member: "ann", Unit: "points", Amount: amount(5), ExpiresAt: time.Date(2027, 1, 31, 16, 0, 0, 0, time.UTC)}.Into(b.Programme, key("a3")))
	notify(0)
	id := ledger.TransactionID(b.Programme, "tallystick", "expiring/points/ann/"+"1801411200000000")
	tx, err := b.Ledger.Transaction(t.Context(), b.Programme, id)
	if err != nil || tx.Kind != ledger.KindNotice || !tx.Amount.Equal(amount(50)) || tx.Member != "ann" || !tx.DueAt.Equal(time.Date(2027, 1, 31, 16, 0, 0, 0, time.UTC)) {
		t.Errorf("notice %+v, %v", tx, err)
	}
	clock("c4", "2027-01-31T16:00:00Z")
	notify(0)
}

func TestNoticesAreLookedForOnceADay(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document+"expiry_notice: 400d\n")
	b.Accrue(t, "a1", "ann", "points", 50)
	for range 2 {
		if err := b.Ledger.NotifyToday(t.Context(), b.Programme); err != nil {
			t.Fatal(err)
		}
	}
	b.Accrue(t, "a2", "bob", "points", 50)
	if err := b.Ledger.NotifyToday(t.Context(), b.Programme); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Ledger.Notify(t.Context(), b.Programme); err != nil || n != 1 {
		t.Errorf("%d were left for another day, %v", n, err)
	}
}
