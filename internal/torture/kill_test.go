package torture_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
	"tallystick/ledger"
	"tallystick/partners"
)

// First servers are killed one after the other, while clients turn to the other one with the keys they have no answer for.
// Then the database loses every process at once, again and again, and recovers from its log; both servers live through it.
func TestKillsNeitherLoseNorDoubleAPosting(t *testing.T) {
	r := newRig(t)
	h := newHeard()
	all := newClients(t, r, h)
	r.torture(t, all, h, "server", serverKills, h.hit, func(n int) {
		s := r.servers[n%len(r.servers)]
		s.kill(t)
		r.start(t, s)
	})
	r.wantBooks(t, h)
	r.torture(t, all, h, "database", databaseKills, h.hitEverywhere, func(int) {
		if err := r.database.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := r.database.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	r.wantBooks(t, h)
	h.wantEverything(t)
}

// torture kills something again and again under all clients: as often as it is told, and until answers were lost whose
// postings had been committed, which is the hardest case.
func (r *rig) torture(t *testing.T, all []*client, h *heard, what string, kills int, hit func() bool, kill func(n int)) {
	t.Helper()
	h.begin()
	var work sync.WaitGroup
	for _, c := range all {
		work.Go(c.work)
	}
	random, slowest := rand.New(rand.NewPCG(1, 19)), time.Duration(0)
	n := 0
	for ; n < kills || !hit() && n < kills+moreKills; n++ {
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
	t.Logf("%d %s kills: %d posted by now, %d retries, %d answers lost, all ready after %s at most, slowest call %s",
		n, what, len(h.posted), h.phase.retries, h.phase.lost, slowest.Round(time.Millisecond), h.slowest.Round(time.Millisecond))
	if h.phase.retries < kills || h.phase.lost == 0 {
		t.Errorf("%d kills cost %d retries and %d answers: they hit nobody", n, h.phase.retries, h.phase.lost)
	}
}

// Members and merchants sign with their own names after the client's.
const sqlPostedByUs = `
SELECT t.id
FROM transactions AS t
WHERE t.programme_id = $1 AND t.rejection = '' AND (t.client = 'torture' OR t.client LIKE 'torture/%')`

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
	r.wantWallets(t, h, l)
	trial, err := l.TrialBalance(t.Context(), r.programme, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for unit, total := range trial.Totals {
		if !total.IsZero() {
			t.Errorf("trial balance: %s of %s", total, unit)
		}
	}
	r.wantVouchers(t, h, partners.New(l, pool, r.keys), trial)
	verify(t, pool)
}

// wantWallets compares balances with the sums of what was acknowledged. The tier's allotment is granted once, at the
// first claim that finds the tier reached, so that there must be one wherever it was paid with.
func (r *rig) wantWallets(t *testing.T, h *heard, l *ledger.Ledger) {
	t.Helper()
	for w, want := range h.wallets {
		b, err := l.Balance(t.Context(), r.programme, w.member, w.unit)
		if err != nil {
			t.Fatal(err)
		}
		if w.unit == "visits" {
			want += allotted
		}
		if !b.Posted.Equal(decimal.NewFromInt(want)) {
			t.Errorf("%s has %s %s, %d was acknowledged", w.member, b.Posted, w.unit, want)
		}
	}
}

func verify(t *testing.T, pool *db.Pool) {
	t.Helper()
	report, err := ledger.Verify(t.Context(), pool, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := partners.Verify(t.Context(), pool, &report); err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Failures {
		t.Errorf("verify: %s %s: %s: %s", f.Invariant, f.Name, f.Row, f.Problem)
	}
	t.Logf("verified %d entries", report.Entries)
}
