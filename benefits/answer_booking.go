package benefits

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// Answering says yes or no to a booking that waits: the programme to an application, the member to an offer. Yes and no, and
// the end of the time for it, all take the seats out of the same hold, so that only one of them happens.
type Answering struct {
	Booking uuid.UUID
	// Member is who answers an offer; empty when the programme answers an application.
	Member string
}

// Approve answers yes: the seats leave the hold for a ticket, in one transaction; they were paid for when they were asked
// for. It is made once, whoever asks for it how often. r gives actor and channel; its key is not used.
// Refusals: NOT_FOUND for what is not there or not theirs to answer, HOLD_CLOSED for what was answered otherwise, HOLD_EXPIRED
// once the time to answer is over, MEMBER_FROZEN.
func (c *Catalog) Approve(ctx context.Context, programme uuid.UUID, a Answering, r ledger.Request) (Reservation, error) {
	b, err := c.asked(ctx, programme, a)
	if err != nil {
		return Reservation{}, err
	}
	answer, err := c.ledger.PostUnder(ctx, programme, c.systems(ticketKey(b.ID), r), func(t ledger.Terms, r ledger.Request) (ledger.Request, error) {
		return c.approval(t, b, r)
	})
	if answer, err = c.done(ctx, programme, ticketKey(b.ID), answer, err); err != nil {
		return Reservation{Answer: answer}, err
	}
	b, err = c.booking(ctx, programme, a.Member, a.Booking)
	b.State = BookingBooked
	return Reservation{answer, b}, err
}

// PreviewApprove decides an Approve by the same code on the same state, and records nothing.
func (c *Catalog) PreviewApprove(ctx context.Context, programme uuid.UUID, a Answering, r ledger.Request) (*ledger.Transaction, error) {
	b, err := c.asked(ctx, programme, a)
	if err != nil {
		return nil, err
	}
	t, err := c.ledger.Terms(ctx, programme)
	if err != nil {
		return nil, err
	}
	if r, err = c.approval(t, b, c.systems(ticketKey(b.ID), r)); err != nil {
		return nil, err
	}
	return c.ledger.Preview(ctx, programme, r)
}

// systems is a request under a key of the programme's own, with the actor and the channel of who asked.
func (c *Catalog) systems(key string, r ledger.Request) ledger.Request {
	return ledger.Request{Client: systemClient, Key: key, Actor: r.Actor, Channel: r.Channel, Reason: r.Reason}.Own()
}

// done is the answer to what happens once under a key of the programme's own: what another actor did before is it as well.
func (c *Catalog) done(ctx context.Context, programme uuid.UUID, key string, answer ledger.Answer, err error) (ledger.Answer, error) {
	if !errors.Is(err, &ledger.Refusal{Reason: ledger.IdempotencyKeyReused}) {
		return answer, err
	}
	before, err := c.ledger.Transaction(ctx, programme, ledger.TransactionID(programme, systemClient, key))
	return ledger.Answer{Transaction: before, Replayed: true}, err
}

// asked reads a booking that is, or was, for somebody to answer.
func (c *Catalog) asked(ctx context.Context, programme uuid.UUID, a Answering) (Booking, error) {
	b, err := c.booking(ctx, programme, a.Member, a.Booking)
	if err != nil {
		return b, err
	}
	how := ByApplication
	if a.Member != "" {
		how = Offered
	}
	if b.How != how {
		return b, refuse(ledger.NotFoundReason)
	}
	return b, nil
}

// approval makes the ticket. Once it is made, time does not matter.
func (c *Catalog) approval(t ledger.Terms, b Booking, r ledger.Request) (ledger.Request, error) {
	if b.waits() {
		if !t.Now.Before(b.AnswerBy) {
			return r, refuse(ledger.HoldExpired, "due_at", b.AnswerBy.Format(time.RFC3339Nano))
		}
		r.HoldsUntil = b.AnswerBy
	}
	r.Rule, r.Asked = "benefit/"+b.Event, "ticket of "+b.ID.String()
	return c.vouchers.Issuing(t.ID, ledger.Use(b.Member, []ledger.Leg{{
		From: b.holds(), To: b.has(), Unit: b.Event, Amount: decimal.NewFromInt(b.Seats),
	}}, r)), nil
}

// Decline answers no: the seats go back to the stock, where the next of the waiting list is offered them, and what was paid
// to where it came from. r.Reason is what the programme says of it. A retry with the same key gets the first answer.
// Refusals: NOT_FOUND, IDEMPOTENCY_KEY_REUSED, HOLD_CLOSED for what was approved, ALREADY_REVERSED.
func (c *Catalog) Decline(ctx context.Context, programme uuid.UUID, a Answering, r ledger.Request) (ledger.Answer, error) {
	b, err := c.asked(ctx, programme, a)
	if err != nil {
		return ledger.Answer{}, err
	}
	answer, err := c.ledger.Post(ctx, programme, declining(b, r))
	if err != nil {
		return answer, err
	}
	return answer, c.Promote(ctx, programme, b.Event)
}

// PreviewDecline decides a Decline by the same code on the same state, and records nothing.
func (c *Catalog) PreviewDecline(ctx context.Context, programme uuid.UUID, a Answering, r ledger.Request) (*ledger.Transaction, error) {
	b, err := c.asked(ctx, programme, a)
	if err != nil {
		return nil, err
	}
	return c.ledger.Preview(ctx, programme, declining(b, r))
}

// declining takes back what was asked for, whether or not it was answered since: then the hold is empty, and that refuses it.
func declining(b Booking, r ledger.Request) ledger.Request {
	if r.Reason != "" {
		r.Reason = ": " + r.Reason
	}
	r.Reason = reasonDeclined + r.Reason
	return ledger.Reverse(b.ID, decimal.Zero, r)
}

// lapse ends a booking whose time to be answered is over.
func (c *Catalog) lapse(ctx context.Context, programme uuid.UUID, b Booking) error {
	r := c.systems("lapse/"+b.ID.String(), ledger.Request{Actor: systemClient, Reason: reasonLapsed})
	_, err := c.ledger.Post(ctx, programme, ledger.Reverse(b.ID, decimal.Zero, r))
	return ignore(err, ledger.HoldClosed, ledger.AlreadyReversed) // answered meanwhile
}
