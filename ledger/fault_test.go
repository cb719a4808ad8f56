package ledger_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

// A batch of everything meets every fault at each of its statements, COMMIT included. Whatever happens, the caller hears
// that it may try again, and a retry answers what a batch without faults answers.
func TestAFaultAtAnyStatementNeitherLosesNorDoublesAPosting(t *testing.T) {
	s := newDrill(t)
	s.run(t, -1, "") // the shape of a batch, and its expected answers
	trace, want := s.trace, s.answers
	t.Logf("%d statements: %q", len(trace), trace)
	if slices.Index(trace, "commit") < 0 || len(trace) < 30 {
		t.Fatalf("the batch lacks statements: %q", trace)
	}
	for _, f := range faults {
		for at := range trace {
			before := s.wire.happened()[f]
			s.run(t, at, f)
			if s.wire.happened()[f] != before+1 {
				t.Errorf("%s at statement %d (%s) did not happen", f, at, trace[at])
			}
			if len(s.trace) <= at || s.trace[at] != trace[at] {
				t.Errorf("%s at statement %d met %q instead of %q", f, at, s.trace[min(at, len(s.trace)-1)], trace[at])
			}
			if diff := cmp.Diff(want, s.answers); diff != "" {
				t.Errorf("%s at statement %d (%s): other answers:\n%s", f, at, trace[at], diff)
			}
		}
	}
	wantPosted(t, s.Books, s.posted)
	if left := wallets(t, s.Books); !left.Equal(amount(int64(s.runs * batchLeaves))) {
		t.Errorf("%s in wallets after %d runs, want %d each", left, s.runs, batchLeaves)
	}
	t.Logf("%d runs, %d postings, %d retries by the caller, faults: %v", s.runs, s.posted, s.retries, s.wire.happened())
}

// drill runs the same batch for one new member after another, each time with another fault.
type drill struct {
	*servers
	pool    *db.Pool
	runs    int
	posted  int
	retries int
	trace   []string
	answers []string // "posted", or the reason of a refusal
}

func newDrill(t *testing.T) *drill {
	t.Helper()
	s := &drill{servers: twoServers(t, ledgertest.Document)}
	s.pool = s.open(t)
	if s.pool.Dialect() != db.PostgreSQL {
		t.Skip("SKIPPED: the faults are raised in PostgreSQL's own language")
	}
	owner := devdb.Open(t, s.Database.OwnerURL, db.Options{})
	for _, sql := range []string{sqlCreateNotes, sqlGrantNotes} {
		if _, err := owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	s.Post(t, ledger.SetClock(drillStart, key("clock")))
	s.posted++
	return s
}

var drillStart = time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	sqlCreateNotes = `CREATE TABLE notes (id UUID NOT NULL PRIMARY KEY, note TEXT NOT NULL CHECK (note <> ''))`
	sqlGrantNotes  = `GRANT SELECT, INSERT ON TABLE notes TO tallystick_app`
	sqlInsertNotes = `
INSERT INTO notes (id, note)
SELECT u.id, u.note FROM unnest($1::uuid[], $2::text[]) AS u (id, note)`
	sqlCountNotes = `SELECT count(*) FROM notes`

	sqlCountVersions     = `SELECT count(*) FROM programme_versions`
	sqlCountPublications = `SELECT count(*) FROM transactions WHERE kind = 'publication'`
	sqlFreeStripes       = `UPDATE stripes SET lease_until = '1970-01-01' WHERE programme_id = $1`
)

var notes = &ledger.CompanionTable{Name: "notes", Insert: sqlInsertNotes, Columns: func(rows [][]any) []any {
	var ids []uuid.UUID
	var texts []string
	for _, row := range rows {
		ids, texts = append(ids, row[0].(uuid.UUID)), append(texts, row[1].(string))
	}
	return []any{ids, texts}
}}

// run posts the batch by a server that has just started, whose statements are counted, with a fault at one of them.
func (s *drill) run(t *testing.T, at int, f fault) {
	t.Helper()
	s.runs++
	batch := s.prepare(t)
	if _, err := s.Pool.Exec(t.Context(), sqlFreeStripes, s.Programme); err != nil {
		t.Fatal(err)
	}
	fresh := ledger.New(s.pool, s.pool)
	defer fresh.Close()
	s.wire.count(at, f)
	var answers []ledger.Answer
	var err error
	for tries := 0; tries < 5; tries++ {
		answers, err = fresh.PostBatch(t.Context(), s.Programme, batch, false)
		if err == nil || !db.IsRetryable(err) {
			break
		}
		s.retries++
	}
	s.trace = s.wire.counts()
	if err != nil {
		t.Fatalf("%s at statement %d: %v", f, at, err)
	}
	again, err := s.Ledger.PostBatch(t.Context(), s.Programme, batch, false)
	if err != nil {
		t.Fatal(err)
	}
	s.answers = nil
	for i := range answers {
		outcome := "posted"
		if refusal := new(ledger.Refusal); errors.As(answers[i].Err, &refusal) {
			outcome = string(refusal.Reason)
		}
		s.answers = append(s.answers, outcome)
		if first, second := textOf(t, answers[i].Transaction), textOf(t, again[i].Transaction); first != second {
			t.Errorf("%s at statement %d: the replay of %s differs:\n%s\n%s", f, at, batch[i].Key, first, second)
		}
	}
	if n := one[int](t, s.Books, sqlCountNotes); n != s.runs {
		t.Errorf("%s at statement %d: %d companion rows after %d runs", f, at, n, s.runs)
	}
}

// batchLeaves is what the batch leaves in wallets: 200 accrued before and 30 now, less 20 captured, 35 held, 85 redeemed
// and 6 that stay redeemed.
const batchLeaves = 200 + 30 - 20 - 35 - 85 - 6

// prepare brings a new member to where the batch touches every table, and returns the batch.
func (s *drill) prepare(t *testing.T) []ledger.Request {
	t.Helper()
	m, day := named("m%d", s.runs), time.Date(1998, 1, 1, 0, 0, 0, 0, time.UTC)
	name := func(k string) ledger.Request {
		return ledger.Request{Client: "test", Key: named("%s%d", k, s.runs), Member: m}
	}
	lot := func(n int64, month int, r ledger.Request) ledger.Request {
		return ledger.Accrual{Member: m, Unit: "points", Amount: amount(n), ExpiresAt: day.AddDate(0, month, 0)}.Into(s.Programme, r)
	}
	id := func(k string) uuid.UUID { return ledger.TransactionID(s.Programme, "test", name(k).Key) }
	first := lot(100, 0, name("lot1"))
	before := []ledger.Request{
		first, lot(100, 1, name("lot2")),
		ledger.Reserve(s.Programme, m, "points", amount(20), time.Hour, name("hold1")),
		ledger.Reserve(s.Programme, m, "points", amount(30), time.Hour, name("hold2")),
		ledger.Redeem(m, "points", amount(10), name("spent")),
	}
	answers, err := s.Ledger.PostBatch(t.Context(), s.Programme, before, true)
	if err != nil || answers[0].Err != nil {
		t.Fatal(err, answers)
	}
	accrual, why := lot(30, 2, name("accrual")), name("freeze")
	accrual.Reference = accrual.Key
	accrual.Companions = []ledger.Companion{{Table: notes, Row: []any{accrual.Key}}}
	why.Member, why.Reason = "", "fraud"
	period := name("period")
	period.Member = ""
	s.posted += 5 + 8
	return []ledger.Request{
		accrual,
		ledger.Redeem(m, "points", amount(85), name("redeem")),
		ledger.Capture(id("hold1"), decimal.Zero, false, name("capture")),
		ledger.Reserve(s.Programme, m, "points", amount(5), time.Hour, name("hold3")),
		ledger.Reverse(id("spent"), amount(4), name("reverse")),
		ledger.Redeem(m, "points", amount(1_000_000), name("too much")),
		ledger.Transfer(m, named("friend%d", s.runs), "points", amount(7), name("transfer")),
		first, // a replay
		ledger.Freeze(named("thief%d", s.runs), why),
		ledger.SetOpenPeriod(drillStart.Add(time.Duration(s.runs-10_000)*time.Second), period),
	}
}

// A COMMIT may have taken effect even if every run of the batch after it finds no database: then "unavailable", which says
// that nothing was written, would be a lie.
func TestAnUnknownOutcomeStaysUnknownWhileTheDatabaseIsAway(t *testing.T) {
	s := newDrill(t)
	s.run(t, -1, "")
	commit := slices.Index(s.trace[5:], "commit") + 5 // not that of the stripe's lease
	s.runs++
	batch := s.prepare(t)
	if _, err := s.Pool.Exec(t.Context(), sqlFreeStripes, s.Programme); err != nil {
		t.Fatal(err)
	}
	fresh := ledger.New(s.pool, s.pool)
	defer fresh.Close()
	s.wire.endAt(commit, cutAfter)
	_, err := fresh.PostBatch(t.Context(), s.Programme, batch, false)
	s.wire.up()
	if !errors.Is(err, db.ErrOutcomeUnknown) || errors.Is(err, db.ErrUnavailable) {
		t.Errorf("the answer to a COMMIT is lost, and the error is %v", err)
	}
	s.wire.counts()
	wantPosted(t, s.Books, s.posted)
}

// A network that neither delivers nor breaks holds a batch for as long as a transaction may last, and no longer.
func TestAStalledStatementEndsWithItsTransaction(t *testing.T) {
	if long == 1 {
		t.Skip("SKIPPED: waits for db.MaxTransaction several times; make torture runs it")
	}
	s := newDrill(t)
	s.run(t, -1, "")
	trace, want := s.trace, s.answers
	for _, statement := range []string{"begin isolation level", "SELECT a.id, FROM accounts", "INSERT INTO entries", "commit"} {
		s.run(t, slices.Index(trace[3:], statement)+3, stalled) // behind the three that lease a stripe
		if diff := cmp.Diff(want, s.answers); diff != "" {
			t.Errorf("stalled at %s: other answers:\n%s", statement, diff)
		}
	}
	if n := s.wire.happened()[stalled]; n != 4 {
		t.Errorf("%d statements were stalled", n)
	}
	wantPosted(t, s.Books, s.posted)
}

// What the database refuses of one item is that caller's alone, however many share its batch.
func TestAnItemThatCannotBeSavedHurtsNoOther(t *testing.T) {
	s := newDrill(t)
	s.Post(t, s.noted("first", "first"))
	together(callers, func(c int) {
		name := named("k%d", c)
		if c%16 == 7 { // the table's own check refuses an empty note
			wantError(t, s.of(c), s.Programme, s.noted(name, ""), "23514")
			return
		}
		if _, err := s.of(c).Post(context.Background(), s.Programme, s.noted(name, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
	wantPosted(t, s.Books, s.posted+1+callers-callers/16)
}

// noted is an accrual with a companion row.
func (s *drill) noted(name, note string) ledger.Request {
	r := ledger.Accrual{Member: "m", Unit: "points", Amount: amount(1)}.Into(s.Programme, key(name))
	r.Companions = []ledger.Companion{{Table: notes, Row: []any{note}}}
	return r
}

// wantError posts what has to fail with a SQLSTATE, twice: the key is not taken.
func wantError(t *testing.T, l *ledger.Ledger, programme uuid.UUID, r ledger.Request, state string) {
	t.Helper()
	for range 2 {
		if _, err := l.Post(context.Background(), programme, r); db.State(err) != state {
			t.Errorf("%s: %v, want %s", r.Key, err, state)
		}
	}
}

// A programme is applied through every fault as well: its version and what it posts are there together or not at all, and a
// retry makes neither twice.
func TestAFaultAtAnyStatementAppliesAProgrammeOnceAndWhole(t *testing.T) {
	s := newDrill(t)
	version := int64(1)
	apply := func(at int, f fault) []string {
		document := []byte(ledgertest.Document + named("# %d\n", version))
		version++
		l := ledger.New(s.pool, s.pool)
		defer l.Close()
		a := ledger.Application{Document: document, By: "test", After: version - 1, Posts: []ledger.Request{
			ledger.Publish("lounge", amount(1), key(named("stock %d", version))),
		}}
		s.wire.count(at, f)
		p, err := l.ApplyProgramme(context.Background(), a)
		for tries := 0; err != nil && db.IsRetryable(err) && tries < 5; tries++ {
			if versions, posted := one[int](t, s.Books, sqlCountVersions), one[int](t, s.Books, sqlCountPublications); versions != posted+1 {
				t.Errorf("%s at statement %d: %d versions, %d publications", f, at, versions, posted)
			}
			p, err = l.ApplyProgramme(context.Background(), a)
		}
		if err != nil || p.Version != version {
			t.Fatalf("%s at statement %d: version %v, want %d: %v", f, at, p, version, err)
		}
		return s.wire.counts()
	}
	trace := apply(-1, "")
	for _, f := range faults {
		for at := range trace {
			before := s.wire.happened()[f]
			apply(at, f)
			if s.wire.happened()[f] != before+1 {
				t.Errorf("%s at statement %d (%s) did not happen", f, at, trace[at])
			}
		}
	}
	s.WantBalance(t, "stock", "lounge", amount(version-1))
	t.Logf("%d statements: %q; faults: %v", len(trace), trace, s.wire.happened())
}
