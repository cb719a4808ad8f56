package benefits

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/partners"
)

// Booking is seats of an event that a member has, had, or asks for.
type Booking struct {
	ID      uuid.UUID // of the transaction that asked for the seats
	Member  string
	Event   string
	Seats   int64    // the member's own and those of guests
	Guests  []string // a name for each guest, empty where it is not known
	How     Admission
	State   BookingState
	AskedAt time.Time
	// AnswerBy is until when an application or an offer waits; zero for others.
	AnswerBy time.Time
	// Code is that of the ticket; empty while there is none.
	Code partners.Code

	ticket uuid.UUID // the transaction that made the ticket
}

// BookingState is what became of a booking. It follows from where its seats are, and is stored nowhere.
type BookingState string

// The states.
const (
	BookingApplied  BookingState = "applied"  // waits for the programme's answer
	BookingOffered  BookingState = "offered"  // waits for the member's
	BookingBooked   BookingState = "booked"   // has a ticket
	BookingAttended BookingState = "attended" // came
	BookingMissed   BookingState = "no_show"
	BookingCanceled BookingState = "canceled"
	BookingDeclined BookingState = "declined"
	BookingLapsed   BookingState = "lapsed" // nobody answered in time
)

// The reasons of the transactions by which a booking ends otherwise than by its ticket's use at a gate.
const (
	reasonCanceled = "canceled"
	reasonDeclined = "declined"
	reasonLapsed   = "lapsed"
	reasonNoShow   = "no_show"
)

// holds is the place that the seats of a booking wait in until there is a ticket.
func (b *Booking) holds() ledger.Account {
	return ledger.Account{Unit: b.Event, Owner: ledger.Member(b.Member), Place: ledger.Hold, Of: b.ID}
}

// has is the place of its ticket.
func (b *Booking) has() ledger.Account { return partners.PlaceOf(b.Member, b.Event, b.ticket) }

// asks reports whether there is, or was, somebody to say yes.
func (b *Booking) asks() bool { return b.ticket != b.ID }

// waits reports whether nobody has answered.
func (b *Booking) waits() bool { return b.State == BookingApplied || b.State == BookingOffered }

// ticketed reports whether there was a ticket that was not given back.
func (b *Booking) ticketed() bool {
	return b.State == BookingBooked || b.State == BookingAttended || b.State == BookingMissed
}

// reversal takes everything back that a booking moved: what was asked for, and before it the ticket, which is made by a
// transaction of its own where somebody said yes. Its key is r's, the ticket's ends in it.
func (b *Booking) reversal(r ledger.Request) []ledger.Request {
	back := []ledger.Request{ledger.Reverse(b.ID, decimal.Zero, r)}
	if b.asks() && b.ticketed() {
		r.Key += "/ticket" // no caller's key has a /
		back = append([]ledger.Request{ledger.Reverse(b.ticket, decimal.Zero, r)}, back...)
	}
	return back
}

const sqlInsertBookings = `
INSERT INTO bookings (id, programme_id, member, event, seats, guests, how, answer_by, seat_account_id, ticket_id, ticket_account_id)
SELECT u.id, u.programme_id, u.member, u.event, u.seats, u.guests, u.how, u.answer_by, u.seat_account_id, u.ticket_id, u.ticket_account_id
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::int8[], $6::text[], $7::text[], $8::timestamptz[], $9::uuid[],
    $10::uuid[], $11::uuid[])
  AS u (id, programme_id, member, event, seats, guests, how, answer_by, seat_account_id, ticket_id, ticket_account_id)`

var bookings = &ledger.CompanionTable{
	Name:   "bookings",
	Insert: sqlInsertBookings,
	Columns: func(rows [][]any) []any {
		return []any{
			ledger.Column[uuid.UUID](rows, 0), ledger.Column[uuid.UUID](rows, 1), ledger.Column[string](rows, 2),
			ledger.Column[string](rows, 3), ledger.Column[int64](rows, 4), ledger.Column[string](rows, 5),
			ledger.Column[string](rows, 6), ledger.Column[*time.Time](rows, 7), ledger.Column[uuid.UUID](rows, 8),
			ledger.Column[uuid.UUID](rows, 9), ledger.Column[uuid.UUID](rows, 10),
		}
	},
}

// row is the booking as it is stored with the transaction that asks for it.
func (b *Booking) row(programme uuid.UUID) ledger.Companion {
	seats := b.has()
	var by *time.Time
	if b.asks() {
		seats, by = b.holds(), &b.AnswerBy
	}
	return ledger.Companion{Table: bookings, Row: []any{
		programme, b.Member, b.Event, b.Seats, namesOf(b.Guests), string(b.How), by, seats.ID(programme), b.ticket, b.has().ID(programme),
	}}
}

// namesOf is the stored form of guests' names.
func namesOf(guests []string) string {
	if len(guests) == 0 {
		return "[]"
	}
	text, err := json.Marshal(guests)
	if err != nil {
		panic(fmt.Sprintf("benefits: names as JSON: %v", err)) // they are texts
	}
	return string(text)
}

// What became of a booking is told by the places of its seats: what they hold, and where the last of it went and why.
const bookingColumns = `
SELECT b.id, b.member, b.event, b.seats, b.guests, b.how, b.answer_by, b.ticket_id, t.recorded_at, coalesce(v.key_id, ''),
       s.balance, coalesce(k.balance, 0), l.to_place, e.kind, last.reason
FROM bookings AS b
JOIN transactions AS t ON t.id = b.id
JOIN accounts AS s ON s.id = b.seat_account_id
LEFT JOIN accounts AS k ON k.id = b.ticket_account_id
LEFT JOIN vouchers AS v ON v.id = b.ticket_id
JOIN entries AS e ON e.account_id = coalesce(k.id, s.id) AND e.recorded_at = coalesce(k.recorded_at, s.recorded_at) AND e.seq = coalesce(k.seq, s.seq)
JOIN legs AS l ON l.transaction_id = e.transaction_id AND l.leg = e.leg
JOIN transactions AS last ON last.id = e.transaction_id`

const sqlReadBooking = bookingColumns + `
WHERE b.id = $1 AND b.programme_id = $2`

const sqlReadTicket = bookingColumns + `
WHERE v.id = $1 AND b.programme_id = $2`

func (c *Catalog) scanBooking(row pgx.CollectableRow) (Booking, error) {
	var b Booking
	var guests string
	var by *time.Time
	var waiting, ticket decimal.Decimal
	var wentTo, reason, key string
	var kind ledger.Kind
	err := row.Scan(&b.ID, &b.Member, &b.Event, &b.Seats, &guests, &b.How, &by, &b.ticket, &b.AskedAt, &key, &waiting, &ticket,
		&wentTo, &kind, &reason)
	if err != nil {
		return b, err
	}
	b.AskedAt = b.AskedAt.UTC()
	if by != nil {
		b.AnswerBy = by.UTC()
	}
	b.State = b.stateOf(waiting.IsPositive(), ticket.IsPositive(), wentTo, reason)
	if key != "" {
		if b.Code, err = c.vouchers.CodeOf(b.ticket, key); err != nil {
			return b, err
		}
	}
	return b, json.Unmarshal([]byte(guests), &b.Guests)
}

// stateOf derives the state from what its places hold, or where the last of it went and why. A reason may say more after a
// colon.
func (b *Booking) stateOf(waiting, ticket bool, wentTo, reason string) BookingState {
	reason, _, _ = strings.Cut(reason, ":")
	switch {
	case ticket:
		return BookingBooked
	case waiting && b.How == Offered:
		return BookingOffered
	case waiting:
		return BookingApplied
	case reason == reasonNoShow, wentTo == string(ledger.Breakage):
		return BookingMissed
	case wentTo == string(ledger.Redeemed):
		return BookingAttended
	case reason == reasonDeclined:
		return BookingDeclined
	case reason == reasonLapsed:
		return BookingLapsed
	default:
		return BookingCanceled
	}
}

// booking reads one, or answers NOT_FOUND. A member may be given, whose it has to be.
func (c *Catalog) booking(ctx context.Context, programme uuid.UUID, member string, id uuid.UUID) (Booking, error) {
	rows, err := c.pool.Query(ctx, sqlReadBooking, id, programme)
	b, err := c.oneBooking(rows, err)
	if err == nil && member != "" && b.Member != member {
		return Booking{}, refuse(ledger.NotFoundReason)
	}
	return b, err
}

func (c *Catalog) oneBooking(rows pgx.Rows, err error) (Booking, error) {
	if err != nil {
		return Booking{}, fmt.Errorf("benefits: read booking: %w", err)
	}
	b, err := pgx.CollectOneRow(rows, c.scanBooking)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Booking{}, refuse(ledger.NotFoundReason)
	case err != nil:
		return Booking{}, fmt.Errorf("benefits: read booking: %w", err)
	}
	return b, nil
}
