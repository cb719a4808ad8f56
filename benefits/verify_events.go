package benefits

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tallystick/ledger"
)

const (
	sqlCountBookings = `
SELECT count(*)
FROM bookings AS b`

	// Rows that no transaction explains: it moved no such seats, for another member or event, or in another programme.
	sqlStrayBookings = `
SELECT b.id::text
FROM bookings AS b
LEFT JOIN (
  SELECT e.transaction_id, e.account_id, l.unit, l.to_owner, sum(e.amount) AS seats
  FROM bookings AS o
  JOIN entries AS e ON e.account_id = o.seat_account_id AND e.transaction_id = o.id
  JOIN legs AS l ON l.transaction_id = e.transaction_id AND l.leg = e.leg
  GROUP BY e.transaction_id, e.account_id, l.unit, l.to_owner
) AS m ON m.transaction_id = b.id AND m.unit = b.event AND m.to_owner = 'member/' || b.member AND m.seats = b.seats
LEFT JOIN transactions AS t ON t.id = m.transaction_id AND t.programme_id = b.programme_id AND t.rejection = '' AND t.member = b.member
  AND t.rule = 'benefit/' || b.event
WHERE t.id IS NULL OR (b.ticket_id = b.id) <> (b.seat_account_id = b.ticket_account_id) OR (b.ticket_id = b.id) <> (b.answer_by IS NULL)
ORDER BY b.id
LIMIT $1`

	// Seats that were asked for without a row: a right in a hold has no other cause.
	sqlMissingBookings = `
SELECT DISTINCT l.transaction_id::text
FROM legs AS l
JOIN transactions AS t ON t.id = l.transaction_id AND t.kind = 'redemption'
LEFT JOIN bookings AS b ON b.id = l.transaction_id
WHERE l.to_place LIKE 'hold/%' AND b.id IS NULL
ORDER BY 1
LIMIT $1`

	// Check-ins of what has no ticket that was used.
	sqlStrayCheckIns = `
SELECT i.booking_id::text
FROM check_ins AS i
LEFT JOIN bookings AS b ON b.id = i.booking_id AND b.programme_id = i.programme_id
LEFT JOIN entries AS e ON e.account_id = b.ticket_account_id AND e.kind = 'use' AND e.amount < 0
WHERE e.account_id IS NULL
ORDER BY i.booking_id
LIMIT $1`

	// Rights of events are issued into stock, holds and tickets, used or lapsed, and nowhere else.
	sqlStraySeats = `
SELECT b.event
FROM (SELECT DISTINCT b.programme_id, b.event FROM bookings AS b) AS b
JOIN accounts AS a ON a.programme_id = b.programme_id AND a.unit = b.event
GROUP BY b.programme_id, b.event
HAVING sum(a.balance) <> 0
    OR sum(CASE WHEN a.place = 'issuance' THEN a.balance ELSE 0 END)
     + sum(CASE WHEN a.place = 'stock' OR a.place LIKE 'stock/%' OR a.place LIKE 'hold/%' OR a.place LIKE 'voucher/%'
                  OR a.place IN ('redeemed', 'breakage') THEN a.balance ELSE 0 END) <> 0
ORDER BY 1
LIMIT $1`
)

// verifyEvents looks whether bookings and check-ins agree with the books, and every seat is somewhere.
func verifyEvents(ctx context.Context, tx pgx.Tx, count *int64, failures *[]ledger.Failure) error {
	if err := tx.QueryRow(ctx, sqlCountBookings).Scan(count); err != nil {
		return err
	}
	if err := stray(ctx, tx, sqlStrayBookings, failures, "bookings", "no transaction asked for these seats for this member"); err != nil {
		return err
	}
	if err := stray(ctx, tx, sqlMissingBookings, failures, "transactions", "the seats that it asked for have no booking"); err != nil {
		return err
	}
	if err := stray(ctx, tx, sqlStrayCheckIns, failures, "check_ins", "no ticket was used for it"); err != nil {
		return err
	}
	return stray(ctx, tx, sqlStraySeats, failures, "events", "the seats issued are not those held, used, lapsed and in stock")
}

// stray lists the rows that a statement finds as failures.
func stray(ctx context.Context, tx pgx.Tx, sql string, failures *[]ledger.Failure, table, problem string) error {
	rows, err := tx.Query(ctx, sql, ledger.MaxFailures)
	if err != nil {
		return err
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, row := range list {
		*failures = append(*failures, ledger.Failure{Row: table + " " + row, Problem: problem})
	}
	return err
}
