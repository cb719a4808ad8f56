package ledger

import (
	"flag"
	"fmt"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
)

var databaseOps = flag.Int("ledger.dbops", databaseOpsByDefault, "operations that the state machine also sends through the database")

// TestTheDatabaseKeepsTheSameBooks sends what the state machine does also through load, apply, save and COMMIT, in a
// sandbox whose clock stands where the machine's does. Every answer, every draw and every link of every member's chain
// has to be the same; then the journal verifies.
func TestTheDatabaseKeepsTheSameBooks(t *testing.T) {
	const steps = 120
	setFlag(t, "rapid.steps", strconv.Itoa(steps))
	setFlag(t, "rapid.checks", strconv.Itoa(1+*databaseOps/steps))
	database := devdb.NewDatabase(t)
	pool := devdb.Open(t, database.URL, db.Options{ByIndex: true})
	l := New(pool, devdb.Open(t, database.URL, db.Options{}))
	t.Cleanup(l.Close)
	runs, done := 0, 0
	for done < *databaseOps && !t.Failed() {
		rapid.Check(t, func(rt *rapid.T) {
			runs++
			m := newMachineOf(rt, fmt.Sprintf("run-%d", runs), true, 1)
			m.reflectIn(rt, l)
			rt.Repeat(map[string]func(*rapid.T){"": m.compare, "step": func(rt *rapid.T) {
				m.one(rt)
				m.closeBatch() // every item of the database is a batch of its own
			}})
			m.audit(rt)
			m.sameJournal(rt, l)
			done += m.asked
		})
	}
	report, err := Verify(t.Context(), pool, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Failures {
		t.Errorf("verify: %s %s: %s: %s", f.Invariant, f.Name, f.Row, f.Problem)
	}
}

// reflectIn makes a ledger on a database answer every item, too.
func (m *machine) reflectIn(t *rapid.T, l *Ledger) {
	p, err := l.ApplyProgramme(t.Context(), Application{Document: m.document, By: "test"})
	if err != nil {
		t.Fatal(err)
	}
	m.mirror = func(t *rapid.T, item Item, want []outcome) {
		answers, err := l.PostBatch(t.Context(), p.ID, item.Requests, item.Atomic)
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range answers {
			if reason := reasonOf(outcome{tx: got.Transaction, err: got.Err}); reason != reasonOf(want[i]) {
				t.Fatalf("the database answers %s %s with %q, the core with %q", item.Requests[i].Kind, item.Requests[i].Key, reason, reasonOf(want[i]))
			}
			sameTransaction(t, want[i].tx, got.Transaction)
		}
	}
	m.book.now = sandboxEpoch
	m.model.now = sandboxEpoch.UnixMicro()
	m.sleep(t, day("2026-03-20").UnixMicro())
}

// sameJournal reads everything that the core recorded, expiries included, from the database.
func (m *machine) sameJournal(t *rapid.T, l *Ledger) {
	var ids []uuid.UUID
	for _, tx := range m.journal {
		ids = append(ids, tx.ID)
	}
	found, err := l.Transactions(t.Context(), m.book.programme.ID, ids)
	if err != nil {
		t.Fatal(err)
	}
	for _, tx := range m.journal {
		sameTransaction(t, tx, found[tx.ID])
	}
}

// sameTransaction compares all but what depends on the stripe on which a batch happened to be written.
func sameTransaction(t *rapid.T, want, got *Transaction) {
	t.Helper()
	diff := cmp.Diff(withoutStripe(want), withoutStripe(got), cmpopts.EquateEmpty())
	if diff != "" {
		t.Fatalf("the database keeps another transaction (-core +database):\n%s", diff)
	}
}

func withoutStripe(tx *Transaction) *Transaction {
	if tx == nil {
		return nil
	}
	bare := *tx
	bare.Hash, bare.Legs = nil, nil
	for _, leg := range tx.Legs {
		for _, e := range []*Entry{&leg.From, &leg.To} {
			if e.Account.Place.striped() {
				e.Account.Stripe, e.AccountID, e.Seq, e.Balance, e.Hash = 0, uuid.Nil, 0, e.Amount, nil
			}
		}
		bare.Legs = append(bare.Legs, leg)
	}
	return &bare
}
