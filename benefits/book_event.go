package benefits

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"tallystick/ledger"
)

// Seats is what a member asks for: a seat at an event, and one for each guest.
type Seats struct {
	Member, Event string
	With          PayWith
	Cash          Cash
	Region        string
	// Guests has a name for each guest, empty where it is not known.
	Guests []string
	// Preview, of a waiting list, only tells whether the member could join it.
	Preview bool
}

func (w Seats) wanted(offer bool) Wanted {
	return Wanted{
		Member: w.Member, Benefit: w.Event, With: w.With, Cash: w.Cash, Region: w.Region, seats: &seats{w.Guests, offer},
	}
}

// Reservation is the answer to a booking: the transaction, and the booking as it was made.
type Reservation struct {
	ledger.Answer
	Booking Booking
}

// BookEvent takes seats of an event out of its stock and pays for them, in one transaction, as RedeemBenefit does: which
// price and which stock it is, is decided under the locks. The seats go into a ticket, whose code the booking has; where one
// has to apply they wait in a hold, paid for, until somebody approves or declines. A retry gets the first answer.
// Refusals: those of RedeemBenefit; NOT_FOUND for what is no event, INVALID_FIELD for too many guests, NOT_ELIGIBLE with
// because invitation, NOT_OPEN with because over once it has begun and with because waiting_list while others who are
// before this member wait for a seat, LIMIT_REACHED also for guests and strikes.
func (c *Catalog) BookEvent(ctx context.Context, programme uuid.UUID, w Seats, r ledger.Request) (Reservation, error) {
	answers, err := c.redeem(ctx, programme, w.wanted(false), r)
	answer := first(answers)
	if err != nil {
		return Reservation{Answer: answer}, err
	}
	if !answer.Replayed {
		if err := c.unlist(ctx, programme, w.Event, waitingList, w.Member); err != nil {
			return Reservation{}, err
		}
	}
	return c.reservation(ctx, answer)
}

// PreviewBooking decides a BookEvent by the same code on the same state, and records nothing.
func (c *Catalog) PreviewBooking(ctx context.Context, programme uuid.UUID, w Seats, r ledger.Request) (*ledger.Transaction, error) {
	return c.PreviewRedemption(ctx, programme, w.wanted(false), r)
}

// reservation is a booking as the transaction made it, whatever became of it since.
func (c *Catalog) reservation(ctx context.Context, answer ledger.Answer) (Reservation, error) {
	b, err := c.booking(ctx, answer.Transaction.Programme, "", answer.Transaction.ID)
	if err != nil {
		return Reservation{}, err
	}
	b.State = BookingBooked
	if b.asks() {
		b.State, b.Code = BookingApplied, ""
	}
	return Reservation{answer, b}, nil
}

// takesSeats refuses what is not asked for as it should be: seats of what is no event, and an event without any.
func (b *Benefit) takesSeats(q *seats) error {
	switch {
	case b.Event == nil && q == nil:
		return nil
	case b.Event == nil:
		return refuse(ledger.NotFoundReason, "event", b.Code)
	case q == nil:
		return invalid("benefit_id", "it is an event: book a seat")
	case int64(len(q.guests)) > b.Event.Guests.Most:
		return invalid("guests", fmt.Sprintf("use at most %d", b.Event.Guests.Most))
	default:
		return nil
	}
}

// seat adds to a claim what an event asks for and notes: whether one may come, the strikes, the booking and its ticket. It
// returns the place of the seats.
func (s *section) seat(p *ledger.Programme, b *Benefit, w Wanted, at *circumstances, ticket ledger.Account, r *ledger.Request) ledger.Account {
	t := b.Event
	why, until := t.denies(at, w.seats.offer)
	if r.Denied == nil {
		r.Denied = why
	}
	if r.HoldsUntil.IsZero() || !until.IsZero() && until.Before(r.HoldsUntil) {
		r.HoldsUntil = until
	}
	if t.Strikes != "" {
		r.Needs = append(r.Needs, ledger.Need{Room: p.Cap(p.Limits[t.Strikes], w.Member, at.now)})
	}
	booking := Booking{
		ID: ticket.Of, Member: w.Member, Event: b.Code, Seats: 1 + int64(len(w.seats.guests)), Guests: w.seats.guests, How: t.Admission,
		ticket: ticket.Of,
	}
	if w.seats.offer {
		booking.How = Offered
	}
	place := ticket
	if t.asks(w.seats.offer) {
		place.Place = ledger.Hold
		booking.ticket = ledger.TransactionID(p.ID, systemClient, ticketKey(booking.ID))
		booking.AnswerBy = t.answerBy(at.now, w.seats.offer)
		r.DueAt = booking.AnswerBy
	}
	r.Companions = append(r.Companions, booking.row(p.ID))
	return place
}

// ticketKey is under which the ticket of a booking that was asked for is made, once.
func ticketKey(booking uuid.UUID) string { return "ticket/" + booking.String() }
