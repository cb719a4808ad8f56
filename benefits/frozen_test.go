package benefits_test

import (
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/ledger"
)

// TestASuspendedMemberIsRatedAndSpendsNothing: what is earned counts, up and down, and allotments are granted; it is only that
// nothing is paid for and nothing leaves, until the suspension ends.
func TestASuspendedMemberIsRatedAndSpendsNothing(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.Post(t, ledger.Freeze("ann", ledger.Request{Client: "desk", Key: "f1", Reason: "arrears"}))
	accrual := c.Accrue(t, "a1", "ann", "points", 600)
	if _, err := c.Qualify(t.Context(), c.Programme, "ann"); err != nil {
		t.Fatal(err)
	}
	c.wantWallet(t, "ann", "points 600, visits 2")
	_, err := c.redeem(t, "r1", "ann", "tea", benefits.WithPoints)
	wantRefusal(t, err, ledger.MemberFrozen)
	c.Post(t, ledger.Reverse(accrual.ID, decimal.NewFromInt(400), ledger.Request{Client: "billing", Key: "back"}))
	standing, err := c.Rate(t.Context(), c.Programme, "ann")
	if err != nil || standing.Groups[0].Rank != 1 {
		t.Fatalf("after a clawback: %+v, %v", standing, err)
	}
	c.moveClock(t, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) // the year's visits lapse all the same
	if _, err := c.Qualify(t.Context(), c.Programme, "ann"); err != nil {
		t.Fatal(err)
	}
	c.wantWallet(t, "ann", "points 200")
	c.Post(t, ledger.Unfreeze("ann", ledger.Request{Client: "desk", Key: "f2", Reason: "paid"}))
	_, err = c.redeem(t, "r2", "ann", "tea", benefits.WithPoints)
	wantRefusal(t, err, ledger.InsufficientPoints) // 200 of 300: the suspension stands no longer in the way
}
