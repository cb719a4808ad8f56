package torture_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
	"tallystick/ledger"
)

// First servers are killed one after the other, while clients turn to the other one with the keys they have no answer for.
// Then the database loses every process at once, again and again, and recovers from its log; both servers live through it.
func TestKillsNeitherLoseNorDoubleAPosting(t *testing.T) {
	r := newRig(t)
	h := &heard{wallets: make(map[string]int64), posted: make(map[string]bool)}
	r.torture(t, h, "server", serverKills, func(n int) {
		s := r.servers[n%len(r.servers)]
		s.kill(t)
		r.start(t, s)
	})
	r.wantBooks(t, h)
	r.torture(t, h, "database", databaseKills, func(int) {
		if err := r.database.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := r.database.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	r.wantBooks(t, h)
}

// torture kills something again and again under all clients: as often as it is told, and until an answer was lost whose
// posting had been committed, which is the hardest case.
func (r *rig) torture(t *testing.T, h *heard, what string, kills int, kill func(n int)) {
	t.Helper()
	h.begin()
	var work sync.WaitGroup
	for n := range clients {
		work.Go(func() {
			c := &client{t: t, rig: r, heard: h, name: fmt.Sprint(what, n), first: n, random: rand.New(rand.NewPCG(uint64(n), 17))}
			c.work()
		})
	}
	random, slowest := rand.New(rand.NewPCG(1, 19)), time.Duration(0)
	n := 0
	for ; n < kills || h.lost() == 0 && n < kills+20; n++ {
		h.progress.more(200 + random.IntN(800))
		began := time.Now()
		kill(n)
		for _, s := range r.servers {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if !r.ready(ctx, s) {
				t.Errorf("%s kill %d: a server is not ready after a minute", what, n)
			}
			cancel()
		}
		slowest = max(slowest, time.Since(began))
	}
	h.progress.more(500)
	h.progress.end()
	work.Wait()
	t.Logf("%d %s kills: %d posted by now, %d refused, %d retries, %d answers lost, all ready after %s at most, slowest call %s",
		n, what, len(h.posted), h.refused, h.retries, h.late, slowest.Round(time.Millisecond), h.slowest.Round(time.Millisecond))
	if h.retries < kills || h.late == 0 {
		t.Errorf("%d kills cost %d retries and %d answers: they hit nobody", n, h.retries, h.late)
	}
}

const sqlPostedByUs = `
SELECT t.id FROM transactions AS t WHERE t.programme_id = $1 AND t.client = 'torture' AND t.rejection = ''`

// wantBooks compares the journal with what the clients heard. Every request was sent until its answer came, so that the
// two must be the same.
func (r *rig) wantBooks(t *testing.T, h *heard) {
	t.Helper()
	l, pool := r.openLedger(t)
	rows, err := pool.Query(t.Context(), sqlPostedByUs, r.programme)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	extra := 0
	for _, id := range ids {
		if !h.posted[id] {
			extra++
		}
	}
	if lost := len(h.posted) - (len(ids) - extra); lost > 0 || extra > 0 {
		t.Errorf("%d acknowledged postings are lost, %d are posted that nobody was told of", lost, extra)
	}
	for member, want := range h.wallets {
		b, err := l.Balance(t.Context(), r.programme, member, "points")
		if err != nil || !b.Posted.Equal(decimal.NewFromInt(want)) {
			t.Errorf("%s has %s, %d was acknowledged: %v", member, b.Posted, want, err)
		}
	}
	trial, err := l.TrialBalance(t.Context(), r.programme, time.Time{})
	if err != nil || !trial.Totals["points"].IsZero() {
		t.Errorf("trial balance: %v, %v", trial.Totals, err)
	}
	verify(t, pool)
}

func verify(t *testing.T, pool *db.Pool) {
	t.Helper()
	report, err := ledger.Verify(t.Context(), pool, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Failures {
		t.Errorf("verify: %s %s: %s: %s", f.Invariant, f.Name, f.Row, f.Problem)
	}
	t.Logf("verified %d entries", report.Entries)
}
