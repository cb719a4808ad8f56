package ledger_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

// expected is what the acknowledged answers make of every wallet.
type expected struct {
	mu      sync.Mutex
	wallets map[string]decimal.Decimal
	posted  int
	refused int
	retries int
}

// note adds what one answer says to the wallets that it moved.
func (e *expected) note(answer ledger.Answer, err error, tries int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.retries += tries - 1
	if err != nil {
		e.refused++
		return
	}
	e.posted++
	for _, leg := range answer.Transaction.Legs {
		for _, entry := range [...]ledger.Entry{leg.From, leg.To} {
			if entry.Account.Place == ledger.Wallet {
				member, _ := entry.Account.Owner.MemberRef()
				e.wallets[member] = e.wallets[member].Add(entry.Amount)
			}
		}
	}
}

// want compares the books with what was acknowledged: a posting that was lost or doubled is missing or too much here.
func (e *expected) want(t *testing.T, s *servers) {
	t.Helper()
	wantPosted(t, s.Books, e.posted)
	for member, balance := range e.wallets {
		b, err := s.Ledger.Balance(t.Context(), s.Programme, member, "points")
		if err != nil || !b.Posted.Equal(balance) {
			t.Errorf("%s has %s, %s was acknowledged: %v", member, b.Posted, balance, err)
		}
	}
	for i := range s.all {
		trial, err := s.all[i].TrialBalance(t.Context(), s.Programme, time.Time{})
		if err != nil || !trial.Totals["points"].IsZero() {
			t.Errorf("trial balance: %v, %v", trial.Totals, err)
		}
	}
}

// Without faults, everything at once on two servers makes no caller try again and no transaction meet another's locks in a
// circle.
func TestTwoServersUnderLoadKeepTheBooks(t *testing.T) {
	s := twoServers(t, ledgertest.Document)
	books := s.work(t, func(n int) bool { return n < 100*long })
	books.want(t, s)
	t.Logf("%d posted, %d refused", books.posted, books.refused)
	if s.Pool.Dialect() == db.PostgreSQL && (books.retries > 0 || s.wire.seen(string(conflict)) > 0) {
		t.Errorf("%d retries by callers, %d conflicts", books.retries, s.wire.seen(string(conflict)))
	}
}

// Both servers work through a storm of every fault, in which a third of the batches meet one.
func TestAStormOfFaultsNeitherLosesNorDoublesAPosting(t *testing.T) {
	s := twoServers(t, ledgertest.Document)
	if s.Pool.Dialect() != db.PostgreSQL {
		t.Skip("SKIPPED: the faults are raised in PostgreSQL's own language")
	}
	s.wire.storm(0.02, 5)
	books := s.work(t, func(n int) bool { return n < 30*long || n < 1000 && !s.wire.everyFaultAt("commit") })
	s.wire.storm(0, 0)
	books.want(t, s)
	t.Logf("%d posted, %d refused, %d retries by callers, faults: %v", books.posted, books.refused, books.retries, s.wire.happened())
	if !s.wire.everyFaultAt("commit") {
		t.Errorf("COMMIT was not hit by every fault: %v", s.wire.hit["commit"])
	}
}

// work lets all callers post anything, each as long as it should, and insist on every key. Both servers sweep meanwhile.
func (s *servers) work(t *testing.T, more func(n int) bool) *expected {
	t.Helper()
	books := &expected{wallets: make(map[string]decimal.Decimal)}
	done := make(chan struct{})
	var sweeps sync.WaitGroup
	sweeps.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
				if err := s.of(n).Sweep(context.Background(), s.Programme, nil); err != nil && !db.IsRetryable(err) {
					t.Errorf("sweep: the error does not say that it may be tried again: %v", err)
				}
			}
		}
	})
	together(callers, func(c int) {
		random := rand.New(rand.NewPCG(uint64(c), 13))
		var held []uuid.UUID
		for n := 0; more(n); n++ {
			r := s.anything(random, named("k%d.%d", c, n), held)
			answer, tries, err := s.insist(t, c, r)
			books.note(answer, err, tries)
			if r.Kind == ledger.KindHold && err == nil {
				held = append(held, answer.Transaction.ID)
			}
		}
	})
	close(done)
	sweeps.Wait()
	return books
}

// anything is a request of any kind that moves a wallet.
func (s *servers) anything(random *rand.Rand, name string, held []uuid.UUID) ledger.Request {
	member, n := named("m%d", random.IntN(40)), 1+random.Int64N(30)
	switch kind := random.IntN(6); {
	case kind == 0:
		return ledger.Redeem(member, "points", amount(n), key(name))
	case kind == 1:
		return ledger.Transfer(member, named("m%d", random.IntN(40)), "points", amount(n), key(name))
	case kind == 2:
		return ledger.Reserve(s.Programme, member, "points", amount(n), time.Hour, key(name))
	case kind == 3 && len(held) > 0:
		return ledger.Capture(held[random.IntN(len(held))], amount(1), false, key(name))
	case kind == 4 && len(held) > 0:
		return ledger.Void(held[random.IntN(len(held))], key(name))
	default:
		return accrue(s.Books, member, n, name)
	}
}
