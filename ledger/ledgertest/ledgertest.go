// Package ledgertest gives tests a ledger on a real database of their own. When a test ends, its books are verified: a
// test that breaks an invariant fails even if it looked elsewhere.
package ledgertest

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/internal/keyring"
	"tallystick/ledger"
)

// Document is a sandbox programme with a unit of each kind.
const Document = `
programme: test
zone: Asia/Shanghai
sandbox: true
expiry:
  rolling: {kind: rolling, months: 12}
  activity: {kind: activity, months: 6}
units:
  - {code: points, kind: points, expiry: rolling}
  - {code: active, kind: points, expiry: activity}
  - {code: strict, kind: points, expiry: rolling, debt_limit: "50"}
  - {code: visits, kind: allotment}
  - {code: lounge, kind: right}
  - {code: cny, kind: money, scale: 2}
`

// Books is a ledger with one programme.
type Books struct {
	Ledger    *ledger.Ledger
	Programme uuid.UUID
	Database  devdb.Database
	Pool      *db.Pool // as the runtime role
	Keys      *keyring.Ring
}

// New returns books on a fresh database with the given programme document.
func New(t testing.TB, document string) *Books {
	t.Helper()
	b := &Books{Database: devdb.NewDatabase(t), Keys: keyring.New()}
	b.Pool = devdb.Open(t, b.Database.URL, db.Options{ByIndex: true})
	b.Ledger = b.Another(t)
	p, err := b.Ledger.ApplyProgramme(context.Background(), Application(document))
	if err != nil {
		t.Fatal(err)
	}
	b.Programme = p.ID
	t.Cleanup(func() { b.verify(t) })
	return b
}

// Application applies a document in the name of the tests.
func Application(document string) ledger.Application {
	return ledger.Application{Document: []byte(document), By: "test"}
}

// verify fails the test unless the whole journal verifies.
func (b *Books) verify(t testing.TB) {
	t.Helper()
	report, err := ledger.Verify(context.Background(), b.Pool, nil)
	if err != nil {
		t.Errorf("verify: %v", err)
	}
	for _, f := range report.Failures {
		t.Errorf("verify: %s %s: %s: %s", f.Invariant, f.Name, f.Row, f.Problem)
	}
}

// Another returns a second ledger on the same database, as another server would be.
func (b *Books) Another(t testing.TB) *ledger.Ledger {
	t.Helper()
	posting := devdb.Open(t, b.Database.URL, db.Options{ByIndex: true})
	reports := devdb.Open(t, b.Database.URL, db.Options{})
	l := ledger.New(posting, reports)
	t.Cleanup(l.Close)
	return l
}

// Accrue gives a member units, and fails the test when that is refused.
func (b *Books) Accrue(t testing.TB, key, member, unit string, amount int64) *ledger.Transaction {
	t.Helper()
	return b.Post(t, ledger.Accrual{Member: member, Unit: unit, Amount: decimal.NewFromInt(amount)}.
		Into(b.Programme, ledger.Request{Client: "test", Key: key}))
}

// Post posts a request, and fails the test when it is refused.
func (b *Books) Post(t testing.TB, r ledger.Request) *ledger.Transaction {
	t.Helper()
	answer, err := b.Ledger.Post(context.Background(), b.Programme, r)
	if err != nil {
		t.Fatalf("post %s %s: %v", r.Kind, r.Key, err)
	}
	return answer.Transaction
}

const sqlPlaceBalance = `
SELECT coalesce(sum(a.balance), 0)
FROM accounts AS a
WHERE a.programme_id = $1 AND a.unit = $2 AND (a.place = $3 OR a.place LIKE $3 || '/%')`

// WantBalance fails the test unless all accounts of a place and unit add up to want.
func (b *Books) WantBalance(t testing.TB, place, unit string, want decimal.Decimal) {
	t.Helper()
	var got decimal.Decimal
	if err := b.Pool.QueryRow(context.Background(), sqlPlaceBalance, b.Programme, unit, place).Scan(&got); err != nil {
		t.Fatal(err)
	}
	if !got.Equal(want) {
		t.Errorf("%s of %s: %s, want %s", unit, place, got, want)
	}
}
