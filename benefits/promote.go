package benefits

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// reasonOffered is the reason of the transaction that an offer is; receivers of events know it by that.
const reasonOffered = "seat.offered"

// Promote offers the free seats of an event to those who wait for them, in the order of the list: each offer is a booking
// that waits for its member, seats and price set aside. Whoever cannot have them now, for want of points or by any other
// condition, is passed over and keeps the place. An entry of the list has one offer, ever, made under its own key: so any
// number of promotions at once, and one that is repeated, make the same offers, and the stock bounds them.
func (c *Catalog) Promote(ctx context.Context, programme uuid.UUID, event string) error {
	t, s, err := c.current(ctx, programme)
	if err != nil {
		return err
	}
	b, err := s.event(event)
	if err != nil {
		return ignore(err, ledger.NotFoundReason)
	}
	list, err := c.waiting(ctx, t.Programme, event)
	if err != nil || len(list) == 0 {
		return err
	}
	for _, w := range list {
		free, err := c.free(ctx, t.Programme, s, b)
		if err != nil || !free {
			return err
		}
		if err := c.offer(ctx, programme, event, w); err != nil {
			return err
		}
	}
	return nil
}

// free reports whether there is a seat in any stock of an event.
func (c *Catalog) free(ctx context.Context, p *ledger.Programme, s *section, b *Benefit) (bool, error) {
	if !b.limited() {
		return true, nil
	}
	ids := make([]uuid.UUID, 0, len(b.Kept)+len(b.KeptFor)+1)
	for _, from := range s.sources(b) {
		ids = append(ids, from.account.ID(p.ID))
	}
	var left decimal.Decimal
	if err := c.pool.QueryRow(ctx, sqlLeft, ids).Scan(&left); err != nil {
		return false, fmt.Errorf("benefits: read seats: %w", err)
	}
	return left.IsPositive(), nil
}

const sqlLeft = `
SELECT coalesce(sum(a.balance), 0)
FROM accounts AS a
WHERE a.id = ANY($1::uuid[])`

// offer makes the offer of an entry, if its member can have the seats, and takes the entry off the list.
func (c *Catalog) offer(ctx context.Context, programme uuid.UUID, event string, w Waiting) error {
	wanted := Seats{Member: w.Member, Event: event, With: w.wanted.With, Region: w.wanted.Region, Guests: w.wanted.Guests}
	r := ledger.Request{
		Client: systemClient, Key: offerKey(w.entry), Actor: systemClient, Channel: w.channel, Reason: reasonOffered,
	}
	_, err := c.redeem(ctx, programme, wanted.wanted(true), r.Own())
	if refusal := new(ledger.Refusal); errors.As(err, &refusal) {
		return nil // passed over; what the programme asks of itself is not recorded
	}
	if err != nil {
		return fmt.Errorf("benefits: offer seats: %w", err)
	}
	if _, err := c.pool.Exec(ctx, sqlDeleteEntry, programme, event, waitingList, w.Member, w.entry); err != nil {
		return fmt.Errorf("benefits: write waiting list: %w", err)
	}
	return nil
}

func offerKey(entry uuid.UUID) string { return "offer/" + entry.String() }

// offerID is the booking that an entry's offer is, or will be.
func offerID(programme, entry uuid.UUID) uuid.UUID {
	return ledger.TransactionID(programme, systemClient, offerKey(entry))
}

// ignore is err unless it is a refusal for one of the reasons.
func ignore(err error, reasons ...ledger.Reason) error {
	for _, reason := range reasons {
		if errors.Is(err, &ledger.Refusal{Reason: reason}) {
			return nil
		}
	}
	return err
}
