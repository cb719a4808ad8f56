package benefits

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/partners"
)

// Closing is what closing an event did.
type Closing struct {
	// NoShows are the bookings whose party did not come, Lapsed those that nobody had answered.
	NoShows, Lapsed int64
	// Frozen are those that stay open, because their member is frozen.
	Frozen int64
}

// CloseEvent ends what is open of an event that is over: who has a ticket and did not come is a no-show, whose seats are used
// up and whose price is kept, or everything is given back, as the event's policy is; either is a strike where the event
// counts them. What nobody answered lapses. Whoever came and has not earned for it, earns. Each booking is closed in a
// transaction of its own, once: it may be called again at any time. A preview counts what it would close, and posts nothing.
// Refusals: NOT_FOUND, NOT_OPEN with because not_over and opens_at.
func (c *Catalog) CloseEvent(ctx context.Context, programme uuid.UUID, event string, r ledger.Request, preview bool) (Closing, error) {
	t, s, err := c.current(ctx, programme)
	if err != nil {
		return Closing{}, err
	}
	b := s.benefits[event] // also one that is retired
	if b == nil || b.Event == nil {
		return Closing{}, refuse(ledger.NotFoundReason, "event", event)
	}
	if t.Now.Before(b.Event.Ends) {
		return Closing{}, notOpen("not_over", b.Event.Ends)
	}
	var closing Closing
	err = c.eachOpen(ctx, programme, event, func(booking Booking) error {
		if booking.waits() {
			closing.Lapsed++
			if preview {
				return nil
			}
			return c.lapse(ctx, programme, booking)
		}
		err := c.missed(ctx, t.Programme, b.Event, booking, r, preview)
		switch {
		case err == nil:
			closing.NoShows++
		case errors.Is(err, &ledger.Refusal{Reason: ledger.MemberFrozen}):
			closing.Frozen++
			return nil
		}
		// It came at the last moment, or was closed by another.
		return ignore(err, ledger.VoucherUsed, ledger.AlreadyReversed, ledger.VoucherExpired)
	})
	if err != nil || preview {
		return closing, err
	}
	return closing, c.attendances(ctx, programme, b)
}

// missed closes the booking of a party that did not come, with a strike as long as there is one left.
func (c *Catalog) missed(ctx context.Context, p *ledger.Programme, t *EventTerms, b Booking, r ledger.Request, preview bool) error {
	r = c.systems("no-show/"+b.ID.String(), ledger.Request{Actor: r.Actor, Reason: reasonNoShow})
	list := []ledger.Request{useOf(b, "", partners.Price{}, r)}
	if t.NoShow == NoShowReleases {
		list = b.reversal(r)
	}
	if t.Strikes != "" {
		err := c.together(ctx, p.ID, append(list, strike(p, t, b, r)), preview)
		if !errors.Is(err, &ledger.Refusal{Reason: ledger.LimitReached}) {
			return err
		}
	}
	return c.together(ctx, p.ID, list, preview)
}

// strike uses one of the strikes of the interval in which the event was.
func strike(p *ledger.Programme, t *EventTerms, b Booking, r ledger.Request) ledger.Request {
	from := p.Cap(p.Limits[t.Strikes], b.Member, t.Ends)
	to := ledger.Account{Unit: from.Unit, Owner: ledger.ProgrammeOwner, Place: ledger.Redeemed}
	r.Key += "/strike"
	r.Rule = "benefit/" + b.Event
	return ledger.Use(b.Member, []ledger.Leg{{From: from, To: to, Unit: from.Unit, Amount: decimal.NewFromInt(1)}}, r)
}

// together posts requests of the programme's own, all or none, or decides whether it could.
func (c *Catalog) together(ctx context.Context, programme uuid.UUID, requests []ledger.Request, preview bool) error {
	post := c.ledger.PostBatch
	if preview {
		post = c.ledger.PreviewBatch
	}
	answers, err := post(ctx, programme, requests, true)
	if err != nil {
		return err
	}
	_, refusal := decided(requests, answers, "")
	return refusal
}

const sqlUnrewarded = `
SELECT b.id, b.member, b.event, min(i.checked_at)
FROM bookings AS b
JOIN check_ins AS i ON i.booking_id = b.id
LEFT JOIN transactions AS t ON t.id = i.activity_id
WHERE b.programme_id = $1 AND b.event = $2 AND t.id IS NULL
GROUP BY b.id, b.member, b.event
ORDER BY b.id`

// attendances records who came where that was not done at the gate.
func (c *Catalog) attendances(ctx context.Context, programme uuid.UUID, b *Benefit) error {
	if b.Event.Attended == "" {
		return nil
	}
	rows, err := c.pool.Query(ctx, sqlUnrewarded, programme, b.Code)
	if err != nil {
		return fmt.Errorf("benefits: read who came: %w", err)
	}
	type came struct {
		Booking
		at time.Time
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (came, error) {
		var one came
		return one, row.Scan(&one.ID, &one.Member, &one.Event, &one.at)
	})
	if err != nil {
		return fmt.Errorf("benefits: read who came: %w", err)
	}
	for _, one := range list {
		if err := c.attend(ctx, programme, b.Event, one.Booking, one.at.UTC()); err != nil {
			return err
		}
	}
	return nil
}
