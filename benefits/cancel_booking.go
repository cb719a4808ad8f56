package benefits

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/partners"
)

// Cancellation is the answer to giving seats back: the reversal of the booking, and what of its price was kept.
type Cancellation struct {
	ledger.Answer
	Kept []partners.Price
}

// CancelBooking gives a booking's seats back: to the stock, where the next of the waiting list is offered them, and what was
// paid to the lots that it came from. Once the free time is over the document's part of the price is paid again, cut to the
// unit's scale, as the price of canceling; all of this moves or nothing. What still waits for an answer costs nothing.
// Refusals: NOT_FOUND for what is not the member's, NOT_OPEN with because over once the event has begun,
// IDEMPOTENCY_KEY_REUSED, ALREADY_REVERSED, HOLD_CLOSED, VOUCHER_USED, INSUFFICIENT_POINTS when what was paid has expired
// meanwhile and the rest of the wallet does not pay what is kept.
func (c *Catalog) CancelBooking(ctx context.Context, programme uuid.UUID, member string, id uuid.UUID, r ledger.Request) (Cancellation, error) {
	b, err := c.booking(ctx, programme, member, id)
	if err != nil {
		return Cancellation{}, err
	}
	if before, err := c.canceled(ctx, programme, id, r); before != nil || err != nil {
		return c.kept(ctx, programme, ledger.Answer{Transaction: before, Replayed: true}, r, err)
	}
	requests, err := c.cancellationOf(ctx, programme, b, r)
	for err == nil {
		var answers []ledger.Answer
		answers, err = c.ledger.PostBatch(ctx, programme, requests, true)
		if err == nil && errors.Is(answers[0].Err, ledger.ErrTermsChanged) {
			requests, err = c.cancellationOf(ctx, programme, b, r)
			continue
		}
		if err == nil {
			answer, refusal := decided(requests, answers, r.Key)
			if refusal != nil {
				return Cancellation{Answer: answer}, refusal
			}
			cancellation, err := c.kept(ctx, programme, answer, r, nil)
			return cancellation, errors.Join(err, c.Promote(ctx, programme, b.Event))
		}
	}
	return Cancellation{}, err
}

// PreviewCancelBooking decides a CancelBooking by the same code on the same state, and records nothing.
func (c *Catalog) PreviewCancelBooking(ctx context.Context, programme uuid.UUID, member string, id uuid.UUID, r ledger.Request) (Cancellation, error) {
	b, err := c.booking(ctx, programme, member, id)
	if err != nil {
		return Cancellation{}, err
	}
	requests, err := c.cancellationOf(ctx, programme, b, r)
	if err != nil {
		return Cancellation{}, err
	}
	answers, err := c.ledger.PreviewBatch(ctx, programme, requests, true)
	if err != nil {
		return Cancellation{}, err
	}
	answer, refusal := decided(requests, answers, r.Key)
	if refusal != nil {
		return Cancellation{}, refusal
	}
	cancellation := Cancellation{Answer: answer}
	if last := answers[len(answers)-1].Transaction; last.Kind == ledger.KindRedemption {
		cancellation.Kept = paidBy(last)
	}
	return cancellation, nil
}

// decided is the answer to the request with a key, and why not when any of an atomic batch was refused: the reason of its
// own, not that another one was.
func decided(requests []ledger.Request, answers []ledger.Answer, key string) (answer ledger.Answer, refusal error) {
	for i, a := range answers {
		if requests[i].Key == key {
			answer = a
		}
		if a.Err != nil && (refusal == nil || errors.Is(refusal, &ledger.Refusal{Reason: ledger.AtomicBatchRejected})) {
			refusal = a.Err
		}
	}
	return answer, refusal
}

// canceled is what an earlier request with r's key did, nil when there was none.
func (c *Catalog) canceled(ctx context.Context, programme, booking uuid.UUID, r ledger.Request) (*ledger.Transaction, error) {
	before, err := c.ledger.Transaction(ctx, programme, ledger.TransactionID(programme, r.Client, r.Key))
	switch {
	case errors.Is(err, &ledger.Refusal{Reason: ledger.NotFoundReason}):
		return nil, nil
	case err != nil:
		return nil, err
	case before.Kind != ledger.KindReversal || before.Original != booking:
		return nil, refuse(ledger.IdempotencyKeyReused)
	default:
		return before, before.Err()
	}
}

// cancellationOf lists what takes a booking back now, and what is kept of its price.
func (c *Catalog) cancellationOf(ctx context.Context, programme uuid.UUID, b Booking, r ledger.Request) ([]ledger.Request, error) {
	r.Reason = reasonCanceled
	if b.waits() {
		return b.reversal(r), nil
	}
	t, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
	}
	part, until, err := s.keeps(b, t.Now)
	if err != nil {
		return nil, err
	}
	r.HoldsUntil = until
	list := b.reversal(r)
	if part.IsZero() {
		return list, nil
	}
	paid, err := c.ledger.Transaction(ctx, programme, b.ID)
	if err != nil {
		return nil, err
	}
	var legs []ledger.Leg
	for _, leg := range paid.Legs {
		if to := leg.To.Account.Place; leg.From.Account.Place != ledger.Wallet && to != ledger.Deferred {
			continue // a seat, or a limit
		}
		from, to := leg.From.Account, leg.To.Account
		from.Stripe, to.Stripe = 0, 0
		if kept := leg.Amount.Mul(part).Truncate(t.Units[leg.Unit].Scale); kept.IsPositive() {
			legs = append(legs, ledger.Leg{From: from, To: to, Unit: leg.Unit, Amount: kept})
		}
	}
	if len(legs) > 0 {
		r.Key += "/kept"
		r.Rule = "benefit/" + b.Event
		list = append(list, ledger.RedeemLegs(b.Member, legs, r))
	}
	return list, nil
}

// keeps is the part of a booking's price that canceling costs now, and until when. What is not in the catalog any more is
// given back for nothing.
func (s *section) keeps(b Booking, now time.Time) (decimal.Decimal, time.Time, error) {
	benefit := s.benefits[b.Event]
	if benefit == nil || benefit.Event == nil {
		return decimal.Zero, time.Time{}, nil
	}
	part, until, open := benefit.Event.kept(now)
	if !open {
		return decimal.Zero, time.Time{}, notOpen("over", time.Time{})
	}
	return part, until, nil
}

// kept adds to an answer what was kept, as it was posted.
func (c *Catalog) kept(ctx context.Context, programme uuid.UUID, answer ledger.Answer, r ledger.Request, err error) (Cancellation, error) {
	cancellation := Cancellation{Answer: answer}
	if err != nil {
		return cancellation, err
	}
	fee, err := c.ledger.Transaction(ctx, programme, ledger.TransactionID(programme, r.Client, r.Key+"/kept"))
	switch {
	case errors.Is(err, &ledger.Refusal{Reason: ledger.NotFoundReason}):
		return cancellation, nil
	case err == nil:
		cancellation.Kept = paidBy(fee)
	}
	return cancellation, err
}

// paidBy lists what a redemption took, by unit.
func paidBy(tx *ledger.Transaction) []partners.Price {
	var paid []partners.Price
	for _, leg := range tx.Legs {
		if leg.From.Account.Place == ledger.Wallet && leg.To.Account.Place == ledger.Redeemed || leg.To.Account.Place == ledger.Deferred {
			paid = append(paid, partners.Price{Unit: leg.Unit, Amount: leg.Amount})
		}
	}
	return paid
}
