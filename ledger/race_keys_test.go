package ledger_test

import (
	"context"
	"errors"
	"testing"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

// One key with as many contents as callers, about members who share no lock: one content wins, and keeps the key.
func TestOneOfManyContentsTakesAKey(t *testing.T) {
	s := twoServers(t, ledgertest.Document)
	rounds := 20 * long
	for round := range rounds {
		var seen tally
		together(callers, func(c int) {
			_, err := s.of(c).Post(context.Background(), s.Programme, accrue(s.Books, named("m%d.%d", round, c), 1, named("k%d", round)))
			switch {
			case err == nil:
				seen.add("posted", 1)
			case refused(err, ledger.IdempotencyKeyReused):
				seen.add("reused", 1)
			default:
				t.Errorf("accrue: %v", err)
			}
		})
		if seen.counts["posted"] != 1 || seen.counts["reused"] != callers-1 {
			t.Errorf("round %d: %v", round, seen.counts)
		}
	}
	wantPosted(t, s.Books, rounds)
}

// The same for a business reference under different keys; the refusals are recorded and name the winner.
func TestOneOfManyKeysTakesAReference(t *testing.T) {
	s := twoServers(t, ledgertest.Document)
	rounds := 20 * long
	for round := range rounds {
		winner, losers := make(chan string, callers), make(chan string, callers)
		together(callers, func(c int) {
			r := accrue(s.Books, named("m%d.%d", round, c), 1, named("k%d.%d", round, c))
			r.Reference = named("order-%d", round)
			answer, err := s.of(c).Post(context.Background(), s.Programme, r)
			switch {
			case err == nil:
				winner <- answer.Transaction.ID.String()
			case refused(err, ledger.ReferenceUsed):
				losers <- answer.Transaction.Detail["transaction_id"]
			default:
				t.Errorf("accrue: %v", err)
			}
		})
		close(winner)
		close(losers)
		if len(winner) != 1 || len(losers) != callers-1 {
			t.Fatalf("round %d: %d postings took the reference, %d were refused", round, len(winner), len(losers))
		}
		first := <-winner
		for id := range losers {
			if id != first {
				t.Errorf("round %d: a refusal names %s, not %s", round, id, first)
			}
		}
	}
}

// A ledger that closes under load answers everybody, and the truth: what was not answered as posted is not there.
func TestClosingAnswersEveryCaller(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	pool := devdb.Open(t, b.Database.URL, db.Options{ByIndex: true})
	var seen tally
	for round := range 10 * long {
		l := ledger.New(pool, pool)
		answered := make(chan struct{}, 1)
		together(callers+1, func(c int) {
			if c == callers {
				<-answered
				l.Close()
				return
			}
			for n := 0; ; n++ {
				_, err := l.Post(context.Background(), b.Programme, accrue(b, named("m%d", c), 1, named("k%d.%d.%d", round, c, n)))
				switch {
				case err == nil:
					seen.add("posted", 1)
				case errors.Is(err, db.ErrUnavailable):
					seen.add("closed", 1)
					return
				default:
					t.Errorf("accrue: %v", err)
					return
				}
				select {
				case answered <- struct{}{}:
				default:
				}
			}
		})
	}
	wantPosted(t, b, seen.counts["posted"])
	seen.wantAll(t, 10, "posted", "closed")
}
