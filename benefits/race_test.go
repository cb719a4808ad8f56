package benefits_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/ledger"
)

// TestTierLostWhileItIsClaimedWithIsNotEnough (E58) fires a clawback and the rating that takes the tier for it against a claim
// that needs the tier, on two ledgers. Whichever is first, no claim is sealed after the tier was gone.
func TestTierLostWhileItIsClaimedWithIsNotEnough(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.apply(t, strings.Replace(document, "prices: {points: 100}, stock: {first: 1}", "prices: {points: 100}", 1))
	rival := benefits.New(c.Another(t), c.Pool, c.vouchers)
	for round := range 60 {
		member := fmt.Sprint("m", round)
		accrual := c.Accrue(t, "a-"+member, member, "points", 500)
		var claim benefits.Claim
		var claimErr, backErr error
		race(
			func() { claim, claimErr = c.redeem(t, "r-"+member, member, "dinner", benefits.WithPoints) },
			func() { backErr = c.takeTier(t, rival, accrual) },
		)
		switch {
		case backErr != nil:
			t.Fatal(backErr)
		case claimErr != nil:
			wantRefusal(t, claimErr, ledger.NotEligible)
		case c.sealedAt(t, claim.Transaction.ID).After(c.lostAt(t, member)):
			t.Fatalf("round %d: the tier was lost, then claimed with", round)
		}
	}
}

// TestAllotmentOfATierThatIsLostMeanwhileIsNotGranted is the same race for the grant that a tier entitles to.
func TestAllotmentOfATierThatIsLostMeanwhileIsNotGranted(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	rival := benefits.New(c.Another(t), c.Pool, c.vouchers)
	for round := range 60 {
		member := fmt.Sprint("m", round)
		accrual := c.Accrue(t, "a-"+member, member, "points", 500)
		var qualifyErr, backErr error
		race(
			func() { _, qualifyErr = c.Qualify(t.Context(), c.Programme, member) },
			func() { backErr = c.takeTier(t, rival, accrual) },
		)
		if err := errors.Join(qualifyErr, backErr); err != nil {
			t.Fatal(err)
		}
		id := ledger.TransactionID(c.Programme, "tallystick", "allotment/visits/"+member+"/2026-01-01/0")
		if granted := c.sealedAt(t, id); !granted.IsZero() && granted.After(c.lostAt(t, member)) {
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

// takeTier claws a part of an accrual back, and rates the member.
func (c club) takeTier(t *testing.T, rival *benefits.Catalog, accrual *ledger.Transaction) error {
	t.Helper()
	r := ledger.Request{Client: "test", Key: "claw-" + accrual.Member}
	_, err := c.Ledger.Post(t.Context(), c.Programme, ledger.Reverse(accrual.ID, decimal.NewFromInt(100), r))
	if err == nil {
		_, err = rival.Rate(t.Context(), c.Programme, accrual.Member)
	}
	return err
}

// lostAt is when gold was lost, at the latest now; never for who never had it.
func (c club) lostAt(t *testing.T, member string) time.Time {
	t.Helper()
	if _, err := c.Rate(t.Context(), c.Programme, member); err != nil {
		t.Fatal(err)
	}
	var id uuid.UUID
	err := c.Pool.QueryRow(t.Context(), `SELECT d.transaction_id FROM tier_decisions AS d WHERE d.member = $1 AND d.tier_before = 'gold'`, member).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	return c.sealedAt(t, id)
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

// sealedAt is the real time that was read under the locks of a transaction; zero when it is not posted.
func (c club) sealedAt(t *testing.T, id uuid.UUID) (at time.Time) {
	t.Helper()
	err := c.Pool.QueryRow(t.Context(), `SELECT s.sealed_at FROM seals AS s WHERE $1 = ANY(s.transaction_ids)`, id).Scan(&at)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
	return at
}

// TestExactlyALimitOfClaimsIsGrantedByTwoServers: of one member a day, of one member ever, and of all together; nothing else
// bounds the claims, and what is refused is paid for by nothing.
func TestExactlyALimitOfClaimsIsGrantedByTwoServers(t *testing.T) {
	t.Parallel()
	const limits = `limits:
  - {code: tea-a-day, of: times, per: member, interval: day, most: 3}
  - {code: tea-ever, of: times, per: member, interval: ever, most: 5}
  - {code: tea-together, of: tea, per: programme, interval: month, most: 7}
`
	for name, row := range map[string]struct {
		limit         string
		members, want int64
	}{
		"a member's of a day":  {"tea-a-day", 1, 3},
		"a member's for ever":  {"tea-ever", 1, 5},
		"each of two members'": {"tea-a-day", 2, 6},
		"of all together":      {"tea-together", 4, 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(document, "tiers:\n", limits+"tiers:\n", 1)
			text = strings.Replace(text, "prices: {points: 300}, stock: {opening: 10}", "prices: {points: 10}, limits: ["+row.limit+"]", 1)
			c := newClubOf(t, text)
			catalogs := []*benefits.Catalog{c.Catalog, benefits.New(c.Another(t), c.Pool, c.vouchers)}
			for m := range row.members {
				c.Accrue(t, fmt.Sprint("a", m), fmt.Sprint("m", m), "points", 1000)
			}
			var won atomic.Int64
			var calls []func()
			for i := range int64(32) {
				w := benefits.Wanted{Member: fmt.Sprint("m", i%row.members), Benefit: "tea"}
				calls = append(calls, func() {
					_, err := catalogs[i/row.members%2].RedeemBenefit(t.Context(), c.Programme, w, ledger.Request{Client: "app", Key: fmt.Sprint("r", i)})
					if err == nil {
						won.Add(1)
						return
					}
					wantRefusal(t, err, ledger.LimitReached)
				})
			}
			race(calls...)
			if won.Load() != row.want {
				t.Errorf("%d won, want %d", won.Load(), row.want)
			}
			c.WantBalance(t, "wallet", "points", decimal.NewFromInt(1000*row.members-10*row.want))
		})
	}
}
