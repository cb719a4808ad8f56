package benefits

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/ledger"
)

const sqlMemberBookings = bookingColumns + `
WHERE b.programme_id = $1 AND b.member = $2 AND (t.recorded_at < $3 OR (t.recorded_at = $3 AND t.id < $4))
ORDER BY t.recorded_at DESC, t.id DESC
LIMIT $5`

const sqlEventBookings = bookingColumns + `
WHERE b.programme_id = $1 AND b.event = $2 AND (s.balance > 0 OR k.balance > 0) AND b.id > $3
ORDER BY b.id
LIMIT $4`

const sqlApplications = bookingColumns + `
WHERE b.programme_id = $1 AND b.event = $2 AND b.how = 'application' AND s.balance > 0 AND b.id > $3
ORDER BY b.id
LIMIT $4`

// BookingCursor is the booking after which a page begins. The zero value is before the newest.
type BookingCursor struct {
	AskedAt time.Time
	ID      uuid.UUID
}

// ListBookings reads a member's bookings, newest first, at most limit of them after the cursor.
func (c *Catalog) ListBookings(ctx context.Context, programme uuid.UUID, member string, after BookingCursor, limit int) ([]Booking, error) {
	if after == (BookingCursor{}) {
		after = BookingCursor{AskedAt: ledger.Never, ID: uuid.Max}
	}
	return c.bookings(ctx, sqlMemberBookings, programme, member, after.AskedAt, after.ID, limit)
}

// ListApplications reads the bookings of an event that wait for the programme's answer, by id, at most limit of them after
// one; uuid.Nil is before the first.
func (c *Catalog) ListApplications(ctx context.Context, programme uuid.UUID, event string, after uuid.UUID, limit int) ([]Booking, error) {
	return c.bookings(ctx, sqlApplications, programme, event, after, limit)
}

// openPage is how many open bookings of an event are read at a time.
const openPage = 500

// eachOpen calls do for every booking of an event that has a ticket or waits for an answer.
func (c *Catalog) eachOpen(ctx context.Context, programme uuid.UUID, event string, do func(Booking) error) error {
	for after := uuid.Nil; ; {
		page, err := c.bookings(ctx, sqlEventBookings, programme, event, after, openPage)
		if err != nil {
			return err
		}
		for _, b := range page {
			if err := do(b); err != nil {
				return err
			}
		}
		if len(page) < openPage {
			return nil
		}
		after = page[len(page)-1].ID
	}
}

func (c *Catalog) bookings(ctx context.Context, sql string, args ...any) ([]Booking, error) {
	rows, err := c.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("benefits: list bookings: %w", err)
	}
	list, err := pgx.CollectRows(rows, c.scanBooking)
	if err != nil {
		return nil, fmt.Errorf("benefits: list bookings: %w", err)
	}
	return list, nil
}
