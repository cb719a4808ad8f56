package ledger_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tallystick/ledger"
)

// What changes the rules for other postings takes effect at one moment for every server: whatever the change forbids has
// been recorded before it, and can be seen once the change is acknowledged, or is refused.

const liveDocument = `
programme: live
zone: Asia/Shanghai
units:
  - {code: points, kind: points}
`

// race posts by many callers on both servers, until each has met a refusal, while change is made in their midst; by a
// third server, so that no posting shares its batch and thereby its locks. It returns how many were posted.
func (s *servers) race(t *testing.T, post func(caller, n int) (done bool), change func()) int {
	t.Helper()
	var posted atomic.Int64
	underway := make(chan struct{})
	begin := sync.OnceFunc(func() { close(underway) })
	together(17, func(c int) {
		if c == 0 {
			<-underway // the change meets postings, not an idle server
			change()
			return
		}
		defer begin()
		for n := 0; !post(c, n); n++ {
			if posted.Add(1) == 40 {
				begin()
			}
			if n > 10_000 {
				t.Error("the change has no effect")
				return
			}
		}
	})
	return int(posted.Load())
}

func TestNothingIsPostedIntoAPeriodAfterItClosed(t *testing.T) {
	s := twoServers(t, liveDocument)
	start := time.Now().Add(-100 * time.Hour)
	for round := range 15 * long {
		openFrom := start.Add(time.Duration(round+1) * 10 * time.Minute).Truncate(time.Microsecond)
		var closed *ledger.Transaction
		counted := 0
		posted := s.race(t, func(c, n int) bool {
			r := accrue(s.Books, named("m%d", c), 1, named("a%d.%d.%d", round, c, n))
			r.EffectiveAt = openFrom.Add(-time.Minute)
			_, err := s.of(c).Post(context.Background(), s.Programme, r)
			if err != nil && !refused(err, ledger.PeriodClosed) {
				t.Errorf("accrue: %v", err)
			}
			return err != nil
		}, func() {
			answer, err := s.Ledger.Post(context.Background(), s.Programme, ledger.SetOpenPeriod(openFrom, key(named("period%d", round))))
			if err != nil {
				t.Errorf("period: %v", err)
			}
			closed = answer.Transaction
			counted = one[int](t, s.Books, sqlIntoPeriod, s.Programme, openFrom.Add(-time.Minute), time.Time{})
		})
		if closed == nil {
			t.FailNow()
		}
		before := one[int](t, s.Books, sqlIntoPeriod, s.Programme, openFrom.Add(-time.Minute), time.Time{})
		after := one[int](t, s.Books, sqlIntoPeriod, s.Programme, openFrom.Add(-time.Minute), closed.RecordedAt)
		if after != 0 || before != posted {
			t.Errorf("round %d: %d of %d postings, %d acknowledged, were recorded after the period closed", round, after, before, posted)
		}
		if counted != before {
			t.Errorf("round %d: %d postings appeared in the closed period later", round, before-counted)
		}
	}
}

const sqlIntoPeriod = `
SELECT count(*) FROM transactions AS t
WHERE t.programme_id = $1 AND t.kind = 'accrual' AND t.rejection = '' AND t.effective_at = $2 AND t.recorded_at > $3`

func TestNothingIsRecordedInThePastOfAMovedClock(t *testing.T) {
	s := twoServers(t, clockDocument)
	clock := time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC)
	for round := range 25 * long {
		clock = clock.Add(time.Hour)
		counted := 0
		s.race(t, func(c, n int) bool {
			answer, err := s.of(c).Post(context.Background(), s.Programme, accrue(s.Books, named("m%d", c), 1, named("a%d.%d.%d", round, c, n)))
			if err != nil {
				t.Errorf("accrue: %v", err)
				return true
			}
			return !answer.Transaction.RecordedAt.Before(clock)
		}, func() {
			_, err := s.Ledger.Post(context.Background(), s.Programme, ledger.SetClock(clock, key(named("clock%d", round))))
			if err != nil {
				t.Errorf("clock: %v", err)
			}
			counted = one[int](t, s.Books, sqlRecordedBefore, s.Programme, clock)
		})
		if n := one[int](t, s.Books, sqlRecordedBefore, s.Programme, clock); n != counted {
			t.Errorf("round %d: %d postings appeared in the past later", round, n-counted)
		}
		moved := ledger.TransactionID(s.Programme, "test", named("clock%d", round))
		if n := one[int](t, s.Books, sqlSealedInThePast, s.Programme, moved, clock); n != 0 {
			t.Errorf("round %d: %d batches were sealed after the clock's, and carry an earlier time", round, n)
		}
	}
}

const clockDocument = liveDocument + "sandbox: true\n"

const sqlRecordedBefore = `
SELECT count(*) FROM transactions AS t WHERE t.programme_id = $1 AND t.recorded_at < $2`

// The seals carry the real time at which each batch had its locks.
const sqlSealedInThePast = `
SELECT count(*) FROM seals AS s
WHERE s.programme_id = $1 AND s.recorded_at < $3
  AND s.sealed_at > (SELECT c.sealed_at FROM seals AS c WHERE c.programme_id = $1 AND $2 = ANY(c.transaction_ids))`

func TestNothingLeavesAMemberAfterAFreeze(t *testing.T) {
	s := twoServers(t, liveDocument)
	for round := range 15 * long {
		member := named("m%d", round)
		s.Post(t, accrue(s.Books, member, 1_000_000, named("a%d", round)))
		held := s.Post(t, ledger.Reserve(s.Programme, member, "points", amount(100_000), time.Hour, key(named("h%d", round))))
		var frozen *ledger.Transaction
		counted := 0
		s.race(t, func(c, n int) bool {
			r := key(named("r%d.%d.%d", round, c, n))
			switch c % 4 {
			case 0:
				r = ledger.Redeem(member, "points", amount(1), r)
			case 1:
				r = ledger.Transfer(member, "other", "points", amount(1), r)
			case 2:
				r = ledger.Reserve(s.Programme, member, "points", amount(1), time.Hour, r)
			case 3:
				r = ledger.Capture(held.ID, amount(1), false, r)
			}
			_, err := s.of(c/4).Post(context.Background(), s.Programme, r)
			if err != nil && !refused(err, ledger.MemberFrozen) {
				t.Errorf("%s: %v", r.Kind, err)
			}
			return err != nil
		}, func() {
			r := key(named("freeze%d", round))
			r.Reason = "fraud"
			answer, err := s.Ledger.Post(context.Background(), s.Programme, ledger.Freeze(member, r))
			if err != nil {
				t.Errorf("freeze: %v", err)
			}
			frozen = answer.Transaction
			counted = one[int](t, s.Books, sqlLeftAfter, s.Programme, member, time.Time{})
		})
		if frozen == nil {
			t.FailNow()
		}
		if n := one[int](t, s.Books, sqlLeftAfter, s.Programme, member, frozen.RecordedAt); n != 0 {
			t.Errorf("round %d: %d postings took units away after the freeze", round, n)
		}
		if n := one[int](t, s.Books, sqlLeftAfter, s.Programme, member, time.Time{}); n != counted {
			t.Errorf("round %d: %d postings that took units away appeared after the freeze", round, n-counted)
		}
	}
}

const sqlLeftAfter = `
SELECT count(*) FROM transactions AS t
WHERE t.programme_id = $1 AND t.member = $2 AND t.recorded_at > $3 AND t.rejection = ''
  AND t.kind IN ('redemption', 'transfer', 'hold', 'capture')`

// TestAMembershipEndsAtOneMoment fires a forfeiture into redemptions, holds and bills on two servers. What they did before it
// is forfeited, whatever place it waits in; nothing is left behind, and nothing comes after.
func TestAMembershipEndsAtOneMoment(t *testing.T) {
	s := twoServers(t, liveDocument)
	for round := range 10 * long {
		member := named("m%d", round)
		s.Post(t, accrue(s.Books, member, 1_000_000, named("a%d", round)))
		s.race(t, func(c, n int) bool {
			r := key(named("r%d.%d.%d", round, c, n))
			switch c % 4 {
			case 0:
				r = ledger.Redeem(member, "points", amount(1), r)
			case 1:
				r = ledger.Accrual{Member: member, Unit: "points", Amount: amount(1)}.Into(s.Programme, r)
			case 2:
				r = ledger.Reserve(s.Programme, member, "points", amount(1), time.Hour, r)
			case 3:
				r = ledger.Accrual{Member: member, Unit: "points", Amount: amount(1), ActivateAt: time.Now().Add(time.Hour)}.Into(s.Programme, r)
			}
			_, err := s.of(c/4).Post(context.Background(), s.Programme, r)
			if err != nil && !refused(err, ledger.MemberTerminated) {
				t.Errorf("%s: %v", r.Kind, err)
			}
			return err != nil
		}, func() {
			r := key(named("end%d", round))
			r.Reason = "left"
			if _, err := s.Ledger.Post(context.Background(), s.Programme, ledger.Forfeit(member, r)); err != nil {
				t.Errorf("forfeit: %v", err)
			}
		})
		if left := one[int](t, s.Books, sqlLeftBehind, s.Programme, member); left != 0 {
			t.Errorf("round %d: %d places still hold something", round, left)
		}
	}
}

const sqlLeftBehind = `
SELECT count(*) FROM accounts AS a
WHERE a.programme_id = $1 AND a.owner = 'member/' || $2 AND a.balance <> 0`
