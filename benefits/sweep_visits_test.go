package benefits_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"tallystick/benefits"
	"tallystick/ledger"
)

// enterByPass claims a pass and enters with it.
func (c club) enterByPass(t *testing.T, key, member string) benefits.Visit {
	t.Helper()
	pass := c.mustRedeem(t, "pass-"+key, member, "lounge", benefits.WithPoints)
	w, r := atTheDoor(key, "", 0)
	w.Code = string(pass.Voucher.Code)
	v, err := c.CheckInVisit(t.Context(), c.Programme, w, r)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (c club) visit(t *testing.T, v benefits.Visit) benefits.Visit {
	t.Helper()
	now, err := c.Visit(t.Context(), c.Programme, v.ID)
	if err != nil {
		t.Fatal(err)
	}
	return now
}

func TestAPassAndMoneyOfAnUnreportedVisitGoBack(t *testing.T) {
	t.Parallel()
	c := newLounges(t)
	c.Accrue(t, "a-bob", "bob", "points", 300)
	paid := c.mustCheckIn(t, "v1", "eve", 2, upTo("CNY", 99)) // nothing but money
	pass := c.enterByPass(t, "v2", "bob")
	reported := c.mustCheckIn(t, "v3", "kim", 0, upTo("CNY", 99))
	c.mustReport(t, "r3", reported.ID, 0)
	wantVisit(t, paid, "pending: CNY 99 charged, CNY 60 charged")
	c.wantOwed(t, "160 CNY")
	c.moveClock(t, pass.ReleaseAt.Add(-time.Hour))
	if err := c.SweepVisits(t.Context(), c.Programme); err != nil {
		t.Fatal(err)
	}
	wantVisit(t, c.visit(t, paid), "pending: CNY 99 charged, CNY 60 charged")
	c.moveClock(t, pass.ReleaseAt.Add(time.Hour))
	other := benefits.New(c.Another(t), c.Pool, c.vouchers)
	var one, two error
	race(func() { one = c.SweepVisits(t.Context(), c.Programme) }, func() { two = other.SweepVisits(t.Context(), c.Programme) })
	if err := errors.Join(one, two); err != nil {
		t.Fatal(err)
	}
	wantVisit(t, c.visit(t, paid), "released: CNY 99 returned, CNY 60 returned")
	wantVisit(t, c.visit(t, pass), "released: lounge 1 returned")
	wantVisit(t, c.visit(t, reported), "reported: CNY 99 charged")
	c.wantOwed(t, "80 CNY")
	var left int
	if err := c.Pool.QueryRow(t.Context(), `SELECT count(*) FROM visit_dues`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d heads are still looked at, %v", left, err)
	}
	// A report that is late uses the pass again, and the money that was agreed to.
	wantVisit(t, c.mustReport(t, "r2", pass.ID, 0).Visit, "reported: lounge 1 charged")
	c.wantWallet(t, "bob", "")
	wantVisit(t, c.mustReport(t, "r1", paid.ID, 2).Visit, "reported: CNY 99 charged, CNY 60 charged")
	c.wantOwed(t, "400 CNY")
}

// TestAVisitIsReportedOrCanceledAndNeverBoth races the door and the operator's file over two servers, for visits that hold
// nothing: what decides is kept once.
func TestAVisitIsReportedOrCanceledAndNeverBoth(t *testing.T) {
	t.Parallel()
	c := newLounges(t)
	other := benefits.New(c.Another(t), c.Pool, c.vouchers)
	reports, cancels := 0, 0
	for round := range 24 {
		member := fmt.Sprint("m", round)
		var v benefits.Visit
		if round%2 == 0 {
			v = c.mustCheckIn(t, "v-"+member, member, 0, upTo("CNY", 99))
		} else {
			c.Accrue(t, "a-"+member, member, "points", 300)
			v = c.enterByPass(t, "v-"+member, member)
		}
		var reported, canceled error
		race(
			func() { _, reported = c.report(t, "r-"+member, v.ID, 0) },
			func() {
				_, canceled = other.CancelVisit(t.Context(), c.Programme, "jade", v.ID, ledger.Request{Client: "door", Key: "c-" + member})
			},
		)
		now := c.visit(t, v)
		switch {
		case reported == nil && canceled != nil:
			reports++
			wantRefusal(t, canceled, ledger.HoldClosed)
			if now.State != benefits.VisitReported || now.Heads[0].State != benefits.HeadCharged {
				t.Errorf("round %d: reported, and is %s with %s", round, now.State, now.Heads[0].State)
			}
		case reported != nil && canceled == nil:
			cancels++
			wantRefusal(t, reported, ledger.HoldClosed)
			if now.State != benefits.VisitCanceled || now.Heads[0].State != benefits.HeadReturned {
				t.Errorf("round %d: canceled, and is %s with %s", round, now.State, now.Heads[0].State)
			}
		default:
			t.Fatalf("round %d: reported %v, canceled %v", round, reported, canceled)
		}
	}
	c.wantOwed(t, fmt.Sprintf("%d CNY", 80*reports))
	t.Logf("%d reported, %d canceled", reports, cancels)
}
