package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
)

// TrialLine is the sum of the balances of one unit's accounts in one kind of place. Members are added up; every partner,
// every member of staff and the programme have lines of their own.
type TrialLine struct {
	Unit string
	// Owner is "member" for all members together, else the owner's own name: "programme", "partner/x", "staff/y".
	Owner    string
	Place    Place
	Balance  decimal.Decimal
	Accounts int64
}

// TrialBalance is every balance of a programme at one instant.
type TrialBalance struct {
	// At is the instant: of the snapshot, or the recorded time that was asked for.
	At    time.Time
	Lines []TrialLine // by unit, owner, place
	// Totals is the sum of each unit's lines: zero, always (L1).
	Totals map[string]decimal.Decimal
}

// TrialBalance sums every account of a programme by unit, owner and place, as of now when asOf is zero, else as of a
// recorded time, that instant included; then the balances come from the journal. What of "as of" may be asked is what
// BalanceAsOfRecorded says. It reads every account, a few seconds for each million.
// Refusals: NOT_FOUND for the programme, INVALID_FIELD for the future, AS_OF_TOO_RECENT.
func (l *Ledger) TrialBalance(ctx context.Context, programme uuid.UUID, asOf time.Time) (TrialBalance, error) {
	var b TrialBalance
	err := l.report(ctx, programme, func(tx dbTx, state State) error {
		b = TrialBalance{At: state.Now, Totals: make(map[string]decimal.Decimal)}
		rows, err := b.query(ctx, tx, programme, state, asOf)
		if err != nil {
			return fmt.Errorf("trial balance: %w", err)
		}
		var line TrialLine
		_, err = pgx.ForEachRow(rows, []any{&line.Unit, &line.Owner, &line.Place, &line.Balance, &line.Accounts}, func() error {
			b.Lines = append(b.Lines, line)
			b.Totals[line.Unit] = b.Totals[line.Unit].Add(line.Balance)
			return nil
		})
		return err
	})
	return b, err
}

// query reads the lines as of the time asked for, and notes which that is.
func (b *TrialBalance) query(ctx context.Context, tx dbTx, programme uuid.UUID, state State, asOf time.Time) (pgx.Rows, error) {
	if asOf.IsZero() {
		return tx.Query(ctx, sqlTrialBalance, programme)
	}
	if refusal := state.settled(asOf); refusal != nil {
		return nil, refusal
	}
	b.At = asOf
	return tx.Query(ctx, sqlTrialBalanceAsOf, programme, asOf)
}

// report runs fn in one snapshot with the programme's state, on the pool of long reads.
func (l *Ledger) report(ctx context.Context, programme uuid.UUID, fn func(tx dbTx, state State) error) error {
	return db.InTx(ctx, l.reports, db.Snapshot, func(tx dbTx) error {
		if _, err := tx.Exec(ctx, sqlReportTimeout); err != nil {
			return fmt.Errorf("report: %w", err)
		}
		state, err := scanState(tx.QueryRow(ctx, sqlReadState, programme), programme)
		if err != nil {
			return err
		}
		return fn(tx, state)
	})
}

const (
	// sqlReportTimeout is the longest that a caller waits for a report.
	sqlReportTimeout = `SET LOCAL statement_timeout = '60s'`

	sqlTrialBalance = `
SELECT b.unit, b.owner, b.place, sum(b.balance), count(*)
FROM (
  SELECT a.unit, CASE WHEN a.owner LIKE 'member/%' THEN 'member' ELSE a.owner END AS owner,
         split_part(a.place, '/', 1) AS place, a.balance
  FROM accounts AS a
  WHERE a.programme_id = $1
) AS b
GROUP BY b.unit, b.owner, b.place
ORDER BY b.unit, b.owner, b.place`

	// One seek an account, so the length of the stripes' histories does not matter.
	sqlTrialBalanceAsOf = `
SELECT b.unit, b.owner, b.place, sum(b.balance), count(*)
FROM (
  SELECT a.unit, CASE WHEN a.owner LIKE 'member/%' THEN 'member' ELSE a.owner END AS owner,
         split_part(a.place, '/', 1) AS place,
         (SELECT e.balance FROM entries AS e WHERE e.account_id = a.id AND e.recorded_at <= $2
          ORDER BY e.recorded_at DESC, e.seq DESC LIMIT 1) AS balance
  FROM accounts AS a
  WHERE a.programme_id = $1
) AS b
WHERE b.balance IS NOT NULL
GROUP BY b.unit, b.owner, b.place
ORDER BY b.unit, b.owner, b.place`
)
