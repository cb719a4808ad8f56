package benefits

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tallystick/ledger"
)

const (
	sqlCountVisits = `
SELECT count(*)
FROM visits AS v`

	// Rows that no transaction explains: none let this member into this lounge with this benefit, or with another pass.
	sqlStrayVisits = `
SELECT v.id::text
FROM visits AS v
LEFT JOIN transactions AS t ON t.id = v.id AND t.programme_id = v.programme_id AND t.rejection = '' AND t.member = v.member
  AND t.rule = 'lounge/' || v.lounge || '/' || v.benefit
LEFT JOIN legs AS l ON l.transaction_id = t.id AND l.leg = 0
  AND (l.from_place = 'voucher/' || v.voucher_id::text) = (v.voucher_id <> '00000000-0000-0000-0000-000000000000')
  AND (l.from_place LIKE 'voucher/%') = (l.from_place = 'voucher/' || v.voucher_id::text)
WHERE l.transaction_id IS NULL
ORDER BY v.id
LIMIT $1`

	// Visits whose paying guests are not those that have a transaction under the key of the visit.
	sqlMiscountedVisits = `
WITH heads AS (
  SELECT v.id, v.programme_id, v.guests - v.free AS paying, t.client, t.idempotency_key AS visit_key
  FROM visits AS v
  JOIN transactions AS t ON t.id = v.id
)
SELECT h.id::text
FROM heads AS h
LEFT JOIN transactions AS g ON g.programme_id = h.programme_id AND g.client = h.client AND g.rejection = ''
  AND g.kind IN ('hold', 'redemption') AND g.rule LIKE 'lounge/%' AND g.id <> h.id
  AND split_part(g.idempotency_key, '/', 1) = h.visit_key
GROUP BY h.id, h.paying
HAVING count(g.id) <> h.paying
ORDER BY h.id
LIMIT $1`

	// What lets in is a visit: the member's own entry has a row.
	sqlMissingVisits = `
SELECT t.id::text
FROM transactions AS t
LEFT JOIN visits AS v ON v.id = t.id
WHERE t.rule LIKE 'lounge/%' AND t.rejection = '' AND t.kind IN ('hold', 'redemption', 'use') AND t.client <> 'tallystick'
  AND t.idempotency_key NOT LIKE '%/%' AND v.id IS NULL
ORDER BY t.id
LIMIT $1`

	// What was owed or charged for a visit without a report by its operator.
	sqlUnreportedVisits = `
SELECT t.id::text
FROM transactions AS t
LEFT JOIN visits AS v ON v.id::text = split_part(t.idempotency_key, '/', 2) AND v.programme_id = t.programme_id
LEFT JOIN visit_reports AS r ON r.visit_id = v.id AND r.operator = v.operator AND r.programme_id = v.programme_id
  AND r.record NOT LIKE 'cancel/%'
WHERE t.client = 'tallystick' AND t.idempotency_key LIKE 'visit/%' AND t.rejection = '' AND r.visit_id IS NULL
ORDER BY t.id
LIMIT $1`

	// Reports of no visit of the operator, and those that charged more heads than they name.
	sqlStrayReports = `
SELECT r.visit_id::text
FROM visit_reports AS r
LEFT JOIN visits AS v ON v.id = r.visit_id AND v.operator = r.operator AND v.programme_id = r.programme_id
LEFT JOIN transactions AS t ON t.client = 'tallystick' AND t.programme_id = r.programme_id AND t.rejection = ''
  AND t.kind IN ('capture', 'redemption') AND t.idempotency_key LIKE 'visit/%' AND split_part(t.idempotency_key, '/', 2) = r.visit_id::text
GROUP BY r.visit_id, r.guests, v.id, v.free
HAVING v.id IS NULL OR count(t.id) > 1 + greatest(0, r.guests - v.free)
ORDER BY r.visit_id
LIMIT $1`
)

// verifyVisits tells which visits and reports do not agree with their transactions.
func verifyVisits(ctx context.Context, tx pgx.Tx, count *int64, failures *[]ledger.Failure) error {
	if err := tx.QueryRow(ctx, sqlCountVisits).Scan(count); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, sqlStrayVisits, ledger.MaxFailures)
	if err := nameVisits(failures, "visits", "no transaction let this member into this lounge with it", rows, err); err != nil {
		return err
	}
	rows, err = tx.Query(ctx, sqlMiscountedVisits, ledger.MaxFailures)
	if err := nameVisits(failures, "visits", "its paying guests are not those in the books", rows, err); err != nil {
		return err
	}
	rows, err = tx.Query(ctx, sqlMissingVisits, ledger.MaxFailures)
	if err := nameVisits(failures, "transactions", "the visit that it let in has no row", rows, err); err != nil {
		return err
	}
	rows, err = tx.Query(ctx, sqlUnreportedVisits, ledger.MaxFailures)
	if err := nameVisits(failures, "transactions", "it settles a visit that its operator did not report", rows, err); err != nil {
		return err
	}
	rows, err = tx.Query(ctx, sqlStrayReports, ledger.MaxFailures)
	return nameVisits(failures, "visit_reports", "it is of no visit of the operator, or more was charged than it names", rows, err)
}

// nameVisits lists rows of a table as failures.
func nameVisits(failures *[]ledger.Failure, table, problem string, rows pgx.Rows, err error) error {
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, id := range ids {
		*failures = append(*failures, ledger.Failure{Row: table + " " + id, Problem: problem})
	}
	return err
}
