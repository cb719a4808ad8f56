package partners

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
	"tallystick/ledger"
)

const (
	sqlVerifyTimeout = `SET LOCAL statement_timeout = 0`

	sqlCountVouchers = `
SELECT count(*)
FROM vouchers AS v`

	// Rows that no claim explains: it opened no such place, for another member or benefit, or in another programme.
	sqlStrayVouchers = `
SELECT v.id
FROM vouchers AS v
LEFT JOIN transactions AS t ON t.id = v.id AND t.programme_id = v.programme_id AND t.kind IN ('redemption', 'use') AND t.rejection = '' AND t.member = v.member
LEFT JOIN legs AS l ON l.transaction_id = t.id AND l.unit = v.benefit AND l.to_owner = 'member/' || v.member AND l.to_place = 'voucher/' || v.id::text
LEFT JOIN entries AS e ON e.account_id = v.account_id AND e.transaction_id = l.transaction_id AND e.leg = l.leg
WHERE e.account_id IS NULL
ORDER BY v.id
LIMIT $1`

	sqlMissingVouchers = `
SELECT t.id
FROM transactions AS t
JOIN legs AS l ON l.transaction_id = t.id
LEFT JOIN vouchers AS v ON v.id = t.id
WHERE t.kind IN ('redemption', 'use') AND l.to_place LIKE 'voucher/%' AND v.id IS NULL
ORDER BY t.id
LIMIT $1`
)

// Verify adds to the report of a verified journal whether every voucher's row agrees with the transaction that claimed
// it, and every voucher in the books has a row. It lifts the session's limit on the time of a statement. A code follows from nothing, so nothing can tell whether it was altered.
func Verify(ctx context.Context, pool *db.Pool, report *ledger.Report) error {
	check := ledger.Check{Invariant: "L2", Name: "the row of every voucher agrees with the transaction that claimed it"}
	var failures []ledger.Failure
	err := db.InTx(ctx, pool, db.Snapshot, func(tx pgx.Tx) error {
		failures = nil // it may run again
		if _, err := tx.Exec(ctx, sqlVerifyTimeout); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, sqlCountVouchers).Scan(&check.Count); err != nil {
			return err
		}
		stray, err := tx.Query(ctx, sqlStrayVouchers, ledger.MaxFailures)
		if err := name(&failures, "vouchers", "no transaction claimed it for this member and benefit", stray, err); err != nil {
			return err
		}
		missing, err := tx.Query(ctx, sqlMissingVouchers, ledger.MaxFailures)
		return name(&failures, "transactions", "the voucher that it claimed has no row", missing, err)
	})
	if err != nil {
		return fmt.Errorf("partners: verify: %w", err)
	}
	report.Checks = append(report.Checks, check)
	if report.OK() {
		for _, f := range failures {
			f.Check = check
			report.Failures = append(report.Failures, f)
		}
	}
	return nil
}

// name lists the rows as failures.
func name(failures *[]ledger.Failure, table, problem string, rows pgx.Rows, err error) error {
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	for _, id := range ids {
		*failures = append(*failures, ledger.Failure{Row: table + " " + id.String(), Problem: problem})
	}
	return err
}
