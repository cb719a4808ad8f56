package benefits

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"tallystick/ledger"
)

// SweepEvents does what time has made necessary of a programme's events: offers and applications that nobody answered lapse,
// free seats are offered to those who wait, and a day after its end an event is closed that nobody closed. Any number of
// processes may do it at once.
func (c *Catalog) SweepEvents(ctx context.Context, programme uuid.UUID) error {
	t, s, err := c.current(ctx, programme)
	if err != nil {
		return err
	}
	for _, code := range s.codes {
		if b := s.benefits[code]; b.Event != nil && t.Now.Before(b.Event.Ends.Add(ticketsLast)) {
			err = errors.Join(err, c.sweepEvent(ctx, programme, b, t.Now))
		}
	}
	return err
}

func (c *Catalog) sweepEvent(ctx context.Context, programme uuid.UUID, b *Benefit, now time.Time) error {
	open := false
	err := c.eachOpen(ctx, programme, b.Code, func(booking Booking) error {
		open = true
		if booking.waits() && !now.Before(booking.AnswerBy) {
			return c.lapse(ctx, programme, booking)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case now.Before(b.Event.Starts):
		return c.Promote(ctx, programme, b.Code)
	case open && !now.Before(b.Event.Ends.Add(closesAfter)):
		_, err := c.CloseEvent(ctx, programme, b.Code, ledger.Request{Actor: systemClient}, false)
		return err
	default:
		return nil
	}
}

// Sweep sweeps the events and visits of a programme.
func (c *Catalog) Sweep(ctx context.Context, programme uuid.UUID) error {
	return errors.Join(c.SweepEvents(ctx, programme), c.SweepVisits(ctx, programme))
}

// SweepForever sweeps the events and visits of every programme again and again until ctx ends, and tells of what went wrong. A failure
// is met again in the next round.
func (c *Catalog) SweepForever(ctx context.Context, pause time.Duration, failed func(error)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := c.sweepAll(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
		timer.Reset(pause)
	}
}

func (c *Catalog) sweepAll(ctx context.Context) error {
	ids, err := c.ledger.Programmes(ctx)
	for _, id := range ids {
		err = errors.Join(err, c.Sweep(ctx, id))
	}
	return err
}
