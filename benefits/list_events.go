package benefits

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"tallystick/ledger"
)

// EventListing is an event as one member sees it.
type EventListing struct {
	Listing
	// WaitingPlace is the member's place on the waiting list, from 1 on; 0 when the member is not on it.
	WaitingPlace int
}

// ListEvents reads the events with seats that are offered as a member sees them, by code, as ListBenefits does; what stands
// in the way is also that an event has begun, that the member is not invited, or that others wait for a seat before them.
func (c *Catalog) ListEvents(ctx context.Context, programme uuid.UUID, q CatalogQuery) ([]EventListing, error) {
	t, err := c.ledger.Terms(ctx, programme)
	if err != nil {
		return nil, err
	}
	q.Kinds, q.seats = []Kind{Event}, true
	list, err := c.ListBenefits(ctx, programme, q)
	if err != nil {
		return nil, err
	}
	events := make([]EventListing, len(list))
	for i, l := range list {
		at := &circumstances{now: t.Now}
		if err := c.guestList(ctx, t.Programme, l.Benefit, Seats{Member: q.Member}.wanted(false), at); err != nil {
			return nil, err
		}
		if why, _ := l.Event.denies(at, false); why != nil {
			l.Refusals = append([]*ledger.Refusal{why}, l.Refusals...)
		}
		events[i].Listing = l
		waiting, err := c.waiting(ctx, t.Programme, l.Code)
		if err != nil {
			return nil, err
		}
		events[i].WaitingPlace = 1 + slices.IndexFunc(waiting, func(w Waiting) bool { return w.Member == q.Member })
	}
	return events, nil
}

// GetEvent reads one event as a member sees it. Refusals: NOT_FOUND.
func (c *Catalog) GetEvent(ctx context.Context, programme uuid.UUID, event string, q CatalogQuery) (EventListing, error) {
	q.only = event
	list, err := c.ListEvents(ctx, programme, q)
	switch {
	case err != nil:
		return EventListing{}, err
	case len(list) == 0:
		return EventListing{}, refuse(ledger.NotFoundReason, "event", event)
	}
	return list[0], nil
}
