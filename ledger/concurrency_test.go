package ledger_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

const callers = 64

// Each key is an accrual to a member that is new or not, or a redemption that is posted or refused.
func TestEachKeyIsExecutedOnceForAllCallers(t *testing.T) {
	s := twoServers(t, ledgertest.Document)
	const keys = 1000
	request := func(k int) ledger.Request {
		member := named("m%d", k/2%200)
		if k%4 == 3 {
			return ledger.Redeem(member, "points", amount(int64(k%7+1)), key(named("k%d", k)))
		}
		return accrue(s.Books, member, 2, named("k%d", k))
	}
	var first [keys]struct {
		sync.Mutex
		text            string
		executed, heard int
	}
	together(callers, func(c int) {
		for k := range keys {
			answer, err := s.of(c).Post(context.Background(), s.Programme, request(k))
			if err != nil && !refused(err, ledger.InsufficientPoints) {
				t.Errorf("key %d: %v", k, err)
				return
			}
			text := textOf(t, answer.Transaction)
			f := &first[k]
			f.Lock()
			f.heard++
			if !answer.Replayed {
				f.executed++
			}
			if f.text == "" {
				f.text = text
			} else if f.text != text {
				t.Errorf("key %d: answers differ:\n%s\n%s", k, f.text, text)
			}
			f.Unlock()
		}
	})
	for k := range first {
		if first[k].executed != 1 || first[k].heard != callers {
			t.Errorf("key %d: executed %d times for %d answers", k, first[k].executed, first[k].heard)
		}
	}
	if n := one[int](t, s.Books, `SELECT count(*) FROM transactions`); n != keys {
		t.Errorf("%d transactions for %d keys", n, keys)
	}
}

func TestSpendersOfOneBalanceNeverOverdraw(t *testing.T) {
	s := twoServers(t, liveDocument)
	var seen tally
	for round := range 20 * long {
		member := named("m%d", round)
		for lot := range 3 {
			accrual := ledger.Accrual{
				Member: member, Unit: "points", Amount: amount(40), ExpiresAt: time.Date(2100+lot, 1, 1, 0, 0, 0, 0, time.UTC),
			}
			s.Post(t, accrual.Into(s.Programme, key(named("a%d.%d", round, lot))))
		}
		var spent, refusedLeast atomic.Int64
		refusedLeast.Store(1000)
		together(callers, func(c int) {
			n := int64(5 + c%5)
			_, err := s.of(c).Post(context.Background(), s.Programme,
				ledger.Redeem(member, "points", amount(n), key(named("r%d.%d", round, c))))
			switch {
			case err == nil:
				spent.Add(n)
				seen.add("spent", 1)
			case refused(err, ledger.InsufficientPoints):
				seen.add("refused", 1)
				for least := refusedLeast.Load(); n < least && !refusedLeast.CompareAndSwap(least, n); least = refusedLeast.Load() {
				}
			default:
				t.Errorf("redeem: %v", err)
			}
		})
		left := 120 - spent.Load()
		if left < 0 || left >= refusedLeast.Load() {
			t.Errorf("round %d: %d of 120 spent, and %d was refused", round, spent.Load(), refusedLeast.Load())
		}
		if b, err := s.of(round).Balance(t.Context(), s.Programme, member, "points"); err != nil || !b.Available.Equal(amount(left)) {
			t.Errorf("round %d: available %s, want %d: %v", round, b.Available, left, err)
		}
	}
	seen.wantAll(t, 20, "spent", "refused")
}

// shuffled runs all actions in random order, a few at a time, so that each may come before or after any other.
func shuffled(seed uint64, actions []func()) {
	random := rand.New(rand.NewPCG(seed, seed))
	random.Shuffle(len(actions), func(i, j int) { actions[i], actions[j] = actions[j], actions[i] })
	next := make(chan func(), len(actions))
	for _, action := range actions {
		next <- action
	}
	close(next)
	together(12, func(int) {
		for action := range next {
			action()
		}
	})
}

// moveClock sets the sandbox's clock and sweeps on both servers at once.
func (s *servers) moveClock(t *testing.T, to time.Time, name string) {
	t.Helper()
	if _, err := s.all[0].Post(context.Background(), s.Programme, ledger.SetClock(to, key(name))); err != nil {
		t.Errorf("clock: %v", err)
	}
	together(len(s.all), func(i int) {
		if err := s.all[i].Sweep(context.Background(), s.Programme, nil); err != nil {
			t.Errorf("sweep: %v", err)
		}
	})
}

func TestCaptureVoidAndTimeoutResolveAHoldOnce(t *testing.T) {
	s := twoServers(t, ledgertest.Document)
	rounds, holds := 40*long, 50
	clock := time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC)
	s.moveClock(t, clock, "start")
	var seen tally
	for round := range rounds {
		member := named("m%d", round%7)
		s.Accrue(t, named("a%d", round), member, "points", int64(holds))
		ids := make([]uuid.UUID, holds)
		var batch []ledger.Request
		for h := range holds {
			r := ledger.Reserve(s.Programme, member, "points", amount(1), time.Hour, key(named("h%d.%d", round, h)))
			batch, ids[h] = append(batch, r), ledger.TransactionID(s.Programme, r.Client, r.Key)
		}
		if _, err := s.all[0].PostBatch(t.Context(), s.Programme, batch, true); err != nil {
			t.Fatal(err)
		}
		clock = clock.Add(2 * time.Hour)
		seen.resolve(t, s, ids, clock, uint64(round))
	}
	seen.wantAll(t, rounds*holds/20, "capture", "void", "timeout")
}

// resolve fires a capture and a void of every hold and, at some time between, the timeout of all.
func (c *tally) resolve(t *testing.T, s *servers, holds []uuid.UUID, clock time.Time, seed uint64) {
	t.Helper()
	wins := make([]atomic.Int32, len(holds))
	actions := []func(){func() { s.moveClock(t, clock, named("clock%d", seed)) }}
	for h, id := range holds {
		name := id.String()
		fire := func(what string, r ledger.Request, refusals ...ledger.Reason) {
			actions = append(actions, func() {
				_, err := s.of(h+len(what)).Post(context.Background(), s.Programme, r)
				if err == nil {
					wins[h].Add(1)
					c.add(what, 1)
				} else if !refused(err, refusals...) {
					t.Errorf("%s: %v", what, err)
				}
			})
		}
		fire("capture", ledger.Capture(id, decimal.Zero, false, key("c"+name)), ledger.HoldClosed, ledger.HoldExpired)
		fire("void", ledger.Void(id, key("v"+name)), ledger.HoldClosed)
	}
	shuffled(seed, actions)
	for h, id := range holds {
		n := int(wins[h].Load())
		timeout, err := s.Ledger.Transaction(context.Background(), s.Programme, timeoutOf(s.Programme, id))
		if err == nil && timeout.Posted() {
			n++
			c.add("timeout", 1)
		}
		if n != 1 {
			t.Errorf("hold %s was resolved %d times", id, n)
		}
	}
}

func TestWhatExpiresIsSpentBeforeOrNotAtAll(t *testing.T) {
	s := twoServers(t, ledgertest.Document)
	rounds, members := 25*long, 20
	clock := time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC)
	s.moveClock(t, clock, "start")
	var seen tally
	for round := range rounds {
		expiry := clock.Add(time.Hour)
		var batch []ledger.Request
		for m := range members {
			accrual := ledger.Accrual{Member: named("m%d", m), Unit: "points", Amount: amount(10), ExpiresAt: expiry}
			batch = append(batch, accrual.Into(s.Programme, key(named("a%d.%d", round, m))))
		}
		if _, err := s.all[1].PostBatch(t.Context(), s.Programme, batch, true); err != nil {
			t.Fatal(err)
		}
		actions := []func(){func() { s.moveClock(t, expiry, named("clock%d", round)) }}
		var spent atomic.Int64
		for i := range members * 4 {
			actions = append(actions, func() {
				answer, err := s.of(i/2).Post(context.Background(), s.Programme,
					ledger.Redeem(named("m%d", i%members), "points", amount(3), key(named("r%d.%d", round, i))))
				switch {
				case err == nil && answer.Transaction.RecordedAt.Before(expiry):
					spent.Add(3)
					seen.add("spent", 1)
				case refused(err, ledger.InsufficientPoints):
					seen.add("refused", 1)
				default:
					t.Errorf("redeem: %+v, %v", answer.Transaction, err)
				}
			})
		}
		shuffled(uint64(round), actions)
		clock = expiry
		expired := one[decimal.Decimal](t, s.Books, sqlExpiredAt, s.Programme, expiry)
		if got := spent.Load() + expired.IntPart(); got != int64(10*members) {
			t.Errorf("round %d: %d spent and %s expired of %d", round, spent.Load(), expired, 10*members)
		}
		seen.add("expired", int(expired.IntPart()))
	}
	if left := wallets(t, s.Books); !left.IsZero() {
		t.Errorf("%s are left in wallets", left)
	}
	seen.wantAll(t, rounds, "spent", "refused", "expired")
}

const sqlExpiredAt = `
SELECT coalesce(sum(t.amount), 0) FROM transactions AS t
WHERE t.programme_id = $1 AND t.kind = 'expiry' AND t.effective_at = $2`

// The bank test: whoever reads while units move sees all of them.
func TestEveryReadOfABankSumsToTheSame(t *testing.T) {
	s := twoServers(t, ledgertest.Document)
	members, transfers := 20, 60*long
	for m := range members {
		s.Accrue(t, named("a%d", m), named("m%d", m), "points", 100)
	}
	var seen tally
	done := make(chan struct{})
	var readers sync.WaitGroup
	for r := range s.all {
		readers.Go(func() {
			for {
				s.wantWholeBank(t, r, int64(100*members))
				seen.add("read", 1)
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	together(callers, func(c int) {
		random := rand.New(rand.NewPCG(uint64(c), 7))
		for n := range transfers {
			from, to := random.IntN(members), random.IntN(members)
			_, err := s.of(c).Post(context.Background(), s.Programme,
				ledger.Transfer(named("m%d", from), named("m%d", to), "points", amount(1+random.Int64N(90)), key(named("t%d.%d", c, n))))
			switch {
			case err == nil:
				seen.add("moved", 1)
			case refused(err, ledger.InsufficientPoints):
				seen.add("refused", 1)
			case from != to || !refused(err, ledger.SameAccount):
				t.Errorf("transfer: %v", err)
			}
		}
	})
	close(done)
	readers.Wait()
	seen.wantAll(t, 10, "read", "moved", "refused")
}

func (s *servers) wantWholeBank(t *testing.T, server int, want int64) {
	t.Helper()
	b, err := s.all[server].TrialBalance(context.Background(), s.Programme, time.Time{})
	if err != nil {
		t.Errorf("trial balance: %v", err)
		return
	}
	for unit, total := range b.Totals {
		if !total.IsZero() {
			t.Errorf("all %s together are %s", unit, total)
		}
	}
	for _, line := range b.Lines {
		if line.Place == ledger.Wallet && !line.Balance.Equal(amount(want)) {
			t.Errorf("a read sees %s in wallets, want %d", line.Balance, want)
		}
	}
}

// New members and equal keys meet in batches of both servers in opposite orders: whatever is added without an order of
// its own ends in a deadlock here.
func TestBatchesOfTwoServersNeverDeadlock(t *testing.T) {
	s := twoServers(t, ledgertest.Document)
	rounds, size := 4*long, 500
	for round := range rounds {
		s.wire.meet(len(s.all))
		together(len(s.all), func(server int) {
			batch := make([]ledger.Request, size)
			for k := range batch {
				r := accrue(s.Books, named("m%d.%d", round, k), 1, named("k%d.%d", round, k))
				r.Reference = r.Key
				if server == 1 {
					k = size - 1 - k
				}
				batch[k] = r
			}
			answers, err := s.all[server].PostBatch(context.Background(), s.Programme, batch, true)
			if err != nil {
				t.Errorf("round %d: %v", round, err)
			}
			for i, answer := range answers {
				if answer.Err != nil {
					t.Errorf("round %d: %s: %v", round, batch[i].Key, answer.Err)
				}
			}
		})
	}
	t.Logf("the servers met %d times", s.wire.seen("23505"))
	wantPosted(t, s.Books, rounds*size)
	if total := wallets(t, s.Books); !total.Equal(amount(int64(rounds * size))) {
		t.Errorf("%s in wallets, want %d", total, rounds*size)
	}
}
