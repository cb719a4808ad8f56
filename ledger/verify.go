package ledger

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"tallystick/internal/db"
)

// Report says what Verify checked and what it found.
type Report struct {
	// Checks lists everything that was checked, in order, with how often.
	Checks []Check
	// Failures are rows of the first check that failed; none when the books are right.
	Failures []Failure
	// Entries and Transactions are the numbers of journal rows that were verified.
	Entries, Transactions int64
}

// OK reports whether nothing was found.
func (r Report) OK() bool { return len(r.Failures) == 0 }

// Check is one thing that was checked, and how often.
type Check struct {
	Invariant string // "L1" to "L8"
	Name      string
	Count     int64
}

// Failure is one row that does not agree with the rest of the journal.
type Failure struct {
	Check
	Row     string // its table and key
	Problem string
}

// MaxFailures is how many rows of a failed check a report names.
const MaxFailures = 20

// Verify re-derives every invariant (L1 to L8) from the journal alone and compares the projections with what follows
// from it, all in one snapshot, in memory that does not grow with the journal. It stops at the first check that fails
// and names up to MaxFailures of its rows. progress, which may be nil, is called now and then with the number of rows
// read and the number that there are. The error says that the books could not be read; what is wrong in them is in the
// report. It lifts the session's limit on the time of a statement.
func Verify(ctx context.Context, pool *db.Pool, progress func(done, total int64)) (Report, error) {
	var report Report
	err := db.InTx(ctx, pool, db.Snapshot, func(tx dbTx) error {
		var err error
		report, err = verify(ctx, tx, progress)
		return err
	})
	return report, err
}

// verify is Verify in a transaction of the caller's.
func verify(ctx context.Context, tx dbTx, progress func(done, total int64)) (Report, error) {
	v := newVerifier(tx, newTally(), progress)
	if err := v.read(ctx); err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	if !v.failed() {
		if err := v.compareSides(ctx); err != nil {
			return Report{}, fmt.Errorf("verify: %w", err)
		}
	}
	return v.report(), nil
}

// verifier reads the journal once: accounts with their lots and entries in order of account, then seals with their
// transactions and legs in order of stripe, then what is left of the projections.
type verifier struct {
	tx         dbTx
	tally      *tally
	fact       fact
	hash       canon
	programmes map[uuid.UUID]*programmeFacts
	totals     map[programmeUnit]fixed
	counts     [checkCount]int64
	failures   [checkCount][]Failure
	entries    int64
	txs        int64
	legs       int64
	done       int64
	total      int64
	told       int64
	progress   func(done, total int64)
}

type programmeUnit struct {
	programme uuid.UUID
	unit      string
}

func newVerifier(tx dbTx, t *tally, progress func(done, total int64)) *verifier {
	return &verifier{
		tx: tx, tally: t, progress: progress,
		programmes: make(map[uuid.UUID]*programmeFacts),
		totals:     make(map[programmeUnit]fixed),
	}
}

// read goes through all tables.
func (v *verifier) read(ctx context.Context) error {
	if _, err := v.tx.Exec(ctx, sqlVerifyTimeout); err != nil {
		return err
	}
	row := v.tx.QueryRow(ctx, sqlVerifyCounts)
	var entries, transactions, legs int64
	if err := row.Scan(&entries, &transactions, &legs); err != nil {
		return err
	}
	v.total = entries + transactions
	for _, stage := range []func(context.Context) error{
		v.readProgrammes, v.readAccounts, v.readSeals, v.readTransactionIDs, v.readProjections,
	} {
		if err := stage(ctx); err != nil {
			return err
		}
	}
	v.complete("entries", entries, v.entries)
	v.complete("legs", legs, v.legs)
	v.checkTotals()
	v.checkProgrammes()
	if v.progress != nil {
		v.progress(v.total, v.total)
	}
	return nil
}

// complete fails when a table has rows that reading it by what they belong to did not meet.
func (v *verifier) complete(table string, there, met int64) {
	v.counts[checkComplete]++
	if there != met {
		v.fail(checkComplete, table, "%d rows, of which %d belong to an account or a transaction", there, met)
	}
}

// tell reports progress about a hundred times.
func (v *verifier) tell(rows int64) {
	v.done += rows
	if v.progress != nil && v.done-v.told > v.total/100 {
		v.told = v.done
		v.progress(v.done, v.total)
	}
}

// fail notes a row that a check does not hold for.
func (v *verifier) fail(c check, row, problem string, args ...any) {
	if len(v.failures[c]) < MaxFailures {
		v.failures[c] = append(v.failures[c], Failure{Check: checks[c], Row: row, Problem: fmt.Sprintf(problem, args...)})
	}
}

func (v *verifier) failed() bool {
	for _, list := range v.failures {
		if len(list) > 0 {
			return true
		}
	}
	return false
}

// compareSides names the facts that only one of two tables states, of the first pair that differs.
func (v *verifier) compareSides(ctx context.Context) error {
	for about := range subjects {
		c := subjectCheck[about]
		v.counts[c] += v.tally.count[about][left]
		bucket, differs := v.tally.differs(about)
		if !differs {
			continue
		}
		again := newVerifier(v.tx, hunt(about, bucket), nil)
		if err := again.read(ctx); err != nil {
			return err
		}
		facts, sides := again.tally.oneSided()
		for i, fact := range facts {
			v.fail(c, describeFact(about, fact), "only in %s", subjectSides[about][sides[i]])
		}
		if len(facts) == 0 {
			return fmt.Errorf("the sums about %s differ and the rows do not", checks[c].Name)
		}
		return nil
	}
	return nil
}

// report lists the checks, and the failures of the first that failed.
func (v *verifier) report() Report {
	r := Report{Entries: v.entries, Transactions: v.txs}
	for c := range checks {
		done := checks[c]
		done.Count = v.counts[c]
		r.Checks = append(r.Checks, done)
		if r.Failures == nil {
			r.Failures = v.failures[c]
		}
	}
	return r
}

const (
	sqlVerifyTimeout = `SET LOCAL statement_timeout = 0`

	sqlVerifyCounts = `
SELECT (SELECT count(*) FROM entries AS e), (SELECT count(*) FROM transactions AS t), (SELECT count(*) FROM legs AS l)`
)
