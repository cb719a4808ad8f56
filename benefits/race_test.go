package benefits_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/ledger"
)

// TestTierLostWhileItIsClaimedWithIsNotEnough (E58) fires a clawback, which takes the tier, against a claim that needs it, on
// two ledgers. Whichever is first, no claim may stand behind the clawback in the wallet.
func TestTierLostWhileItIsClaimedWithIsNotEnough(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.apply(t, strings.Replace(document, "prices: {points: 100}, stock: {first: 1}", "prices: {points: 100}", 1))
	other := c.Another(t)
	for round := range 60 {
		member := fmt.Sprint("m", round)
		accrual := c.Accrue(t, "a-"+member, member, "points", 500)
		var claim benefits.Claim
		var back ledger.Answer
		var claimErr, backErr error
		race(
			func() { claim, claimErr = c.redeem(t, "r-"+member, member, "dinner", benefits.WithPoints) },
			func() {
				r := ledger.Request{Client: "test", Key: "claw-" + member}
				back, backErr = other.Post(t.Context(), c.Programme, ledger.Reverse(accrual.ID, decimal.NewFromInt(100), r))
			},
		)
		switch {
		case backErr != nil:
			t.Fatal(backErr)
		case claimErr != nil:
			wantRefusal(t, claimErr, ledger.NotEligible)
		case seqIn(claim.Transaction) > seqIn(back.Transaction):
			t.Fatalf("round %d: the tier was lost, then claimed with", round)
		}
	}
}

// TestAllotmentOfATierThatIsLostMeanwhileIsNotGranted is the same race for the grant that a tier entitles to.
func TestAllotmentOfATierThatIsLostMeanwhileIsNotGranted(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	other := c.Another(t)
	for round := range 60 {
		member := fmt.Sprint("m", round)
		accrual := c.Accrue(t, "a-"+member, member, "points", 500)
		var back ledger.Answer
		var qualifyErr, backErr error
		race(
			func() { _, qualifyErr = c.Qualify(t.Context(), c.Programme, member) },
			func() {
				r := ledger.Request{Client: "test", Key: "claw-" + member}
				back, backErr = other.Post(t.Context(), c.Programme, ledger.Reverse(accrual.ID, decimal.NewFromInt(100), r))
			},
		)
		if err := errors.Join(qualifyErr, backErr); err != nil {
			t.Fatal(err)
		}
		id := ledger.TransactionID(c.Programme, "tallystick", "allotment/visits/"+member+"/2026-01-01/0")
		if granted := c.sealedAt(t, id); granted.After(c.sealedAt(t, back.Transaction.ID)) {
			t.Fatalf("round %d: the tier was lost, then its allotment granted", round)
		}
		// What was refused is granted once the tier is reached again.
		c.Accrue(t, "b-"+member, member, "points", 100)
		if _, err := c.Qualify(t.Context(), c.Programme, member); err != nil {
			t.Fatal(err)
		}
		c.wantWallet(t, member, "points 500, visits 2")
	}
}

// race calls all at once and waits for them.
func race(calls ...func()) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for _, call := range calls {
		all.Go(func() {
			<-start
			call()
		})
	}
	close(start)
	all.Wait()
}

// seqIn is the place of a transaction among those that moved its member's points.
func seqIn(tx *ledger.Transaction) int64 {
	for _, leg := range tx.Legs {
		for _, e := range []ledger.Entry{leg.From, leg.To} {
			if e.Account.Place == ledger.Wallet && e.Account.Unit == "points" {
				return e.Seq
			}
		}
	}
	return 0
}

// sealedAt is the real time that was read under the locks of a transaction; zero when it is not posted.
func (c club) sealedAt(t *testing.T, id uuid.UUID) (at time.Time) {
	t.Helper()
	err := c.Pool.QueryRow(t.Context(), `SELECT s.sealed_at FROM seals AS s WHERE $1 = ANY(s.transaction_ids)`, id).Scan(&at)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
	return at
}
