package benefits

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tallystick/ledger"
)

const (
	sqlCountDeliveries = `
SELECT count(*)
FROM deliveries AS d`

	// Deliveries of what nobody claimed.
	sqlStrayDeliveries = `
SELECT d.claim_id::text
FROM deliveries AS d
LEFT JOIN transactions AS t ON t.id = d.claim_id AND t.programme_id = d.programme_id AND t.kind = 'redemption' AND t.rejection = '' AND t.member = d.member
LEFT JOIN legs AS l ON l.transaction_id = t.id AND l.unit = d.benefit AND l.to_place = 'voucher/' || d.claim_id::text
WHERE l.transaction_id IS NULL
ORDER BY 1
LIMIT $1`

	// Reports of what the operator does not deliver.
	sqlStrayDeliveryReports = `
SELECT r.record
FROM delivery_reports AS r
LEFT JOIN deliveries AS d ON d.claim_id = r.claim_id AND d.operator = r.operator AND d.programme_id = r.programme_id
WHERE d.claim_id IS NULL
ORDER BY 1
LIMIT $1`

	// What was used, taken back or refunded for a delivery that nobody reported so.
	sqlUnreportedDeliveries = `
SELECT t.id::text
FROM transactions AS t
LEFT JOIN delivery_reports AS r ON r.claim_id::text = split_part(t.idempotency_key, '/', 2) AND r.programme_id = t.programme_id
  AND r.attempt::text = split_part(t.idempotency_key, '/', 3)
  AND (r.what IN ('returned', 'lost')) = (split_part(t.idempotency_key, '/', 4) <> 'shipped')
WHERE t.client = 'tallystick' AND t.idempotency_key LIKE 'delivery/%' AND t.rejection = '' AND r.claim_id IS NULL
ORDER BY 1
LIMIT $1`
)

// verifyDeliveries looks whether every delivery is of a claim, and everything posted for one was reported.
func verifyDeliveries(ctx context.Context, tx pgx.Tx, count *int64, failures *[]ledger.Failure) error {
	if err := tx.QueryRow(ctx, sqlCountDeliveries).Scan(count); err != nil {
		return err
	}
	if err := stray(ctx, tx, sqlStrayDeliveries, failures, "deliveries", "no claim of this member gave it"); err != nil {
		return err
	}
	if err := stray(ctx, tx, sqlStrayDeliveryReports, failures, "delivery_reports", "the operator does not deliver it"); err != nil {
		return err
	}
	return stray(ctx, tx, sqlUnreportedDeliveries, failures, "transactions", "nobody reported what it was posted for")
}
