package benefits

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"tallystick/ledger"
)

// JoinWaitingList puts a member on an event's list of those who wait for seats, once; whoever waits keeps the place that they
// have. When seats are free the first who can have them is offered them, see [Catalog.Promote]; that may be at once. An offer
// is paid for by what the member has then, so that money cannot pay for it.
// Refusals: NOT_FOUND, INVALID_FIELD for too many guests and a way to pay that cannot wait, NOT_OPEN with because over,
// NOT_ELIGIBLE with because invitation.
func (c *Catalog) JoinWaitingList(ctx context.Context, programme uuid.UUID, w Seats, r ledger.Request) error {
	t, s, err := c.current(ctx, programme)
	if err != nil {
		return err
	}
	b, err := s.event(w.Event)
	if err != nil {
		return err
	}
	wanted := w.wanted(true)
	if err := b.takesSeats(wanted.seats); err != nil {
		return err
	}
	if w.With == WithCash || w.With == WithPointsAndCash || w.Cash.Unit != "" {
		return invalid("pay_with", "use points or an allotment")
	}
	if w.With != WithAny && !b.takes(w.With) {
		return refuse(ledger.NotEligible, "pay_with", string(w.With))
	}
	at, err := c.circumstances(ctx, t, s, b, wanted, r.Channel)
	if err != nil {
		return err
	}
	if why, _ := b.Event.denies(at, true); why != nil {
		return why
	}
	if w.Preview {
		return nil
	}
	entry := ledger.TransactionID(programme, r.Client, r.Key)
	// A retry after its offer was made joins again only if the offer is not its own.
	if offer, err := c.ledger.Transactions(ctx, programme, []uuid.UUID{offerID(programme, entry)}); err != nil || len(offer) > 0 {
		return err
	}
	err = c.list(ctx, programme, w.Event, waitingList, []string{w.Member}, []uuid.UUID{entry}, at.now, r, waitingFor{w.With, w.Region, w.Guests})
	if err != nil {
		return err
	}
	return c.Promote(ctx, programme, w.Event)
}

// LeaveWaitingList takes a member off the list; whoever is not on it, is not after either. An offer that was made stays.
func (c *Catalog) LeaveWaitingList(ctx context.Context, programme uuid.UUID, event, member string) error {
	return c.unlist(ctx, programme, event, waitingList, member)
}

// WaitingPlace is a member's place on an event's waiting list, from 1 on; 0 for who is not on it.
func (c *Catalog) WaitingPlace(ctx context.Context, programme uuid.UUID, event, member string) (int, error) {
	p, err := c.ledger.Programme(ctx, programme)
	if err != nil {
		return 0, err
	}
	list, err := c.waiting(ctx, p, event)
	return 1 + slices.IndexFunc(list, func(w Waiting) bool { return w.Member == member }), err
}
