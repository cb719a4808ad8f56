package benefits

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// CancelRedemption gives an unused voucher back and returns what was paid for it to the lots that it came from. A bundle is given
// back whole, whichever of its vouchers is named, and only while none of them is used: all or none, in one database transaction.
// Refusals: NOT_FOUND for what is not the member's voucher, IDEMPOTENCY_KEY_REUSED, VOUCHER_USED, VOUCHER_EXPIRED,
// ALREADY_REVERSED.
func (c *Catalog) CancelRedemption(ctx context.Context, programme uuid.UUID, member string, voucher uuid.UUID, r ledger.Request) (ledger.Answer, error) {
	requests, err := c.cancellation(ctx, programme, member, voucher, r)
	if err != nil {
		return ledger.Answer{}, err
	}
	answers, err := c.ledger.PostBatch(ctx, programme, requests, true)
	if err == nil {
		err = ledger.Decisive(answers)
	}
	return first(answers), err
}

// PreviewCancel decides a CancelRedemption by the same code on the same state, and records nothing.
func (c *Catalog) PreviewCancel(ctx context.Context, programme uuid.UUID, member string, voucher uuid.UUID, r ledger.Request) (*ledger.Transaction, error) {
	requests, err := c.cancellation(ctx, programme, member, voucher, r)
	if err != nil {
		return nil, err
	}
	answers, err := c.ledger.PreviewBatch(ctx, programme, requests, true)
	if err == nil {
		err = ledger.Decisive(answers)
	}
	return first(answers).Transaction, err
}

func (c *Catalog) cancellation(ctx context.Context, programme uuid.UUID, member string, voucher uuid.UUID, r ledger.Request) ([]ledger.Request, error) {
	v, err := c.vouchers.Voucher(ctx, programme, voucher)
	if err != nil {
		return nil, err
	}
	if v.Member != member {
		return nil, refuse(ledger.NotFoundReason)
	}
	if _, err := c.ticket(ctx, programme, v.ID); err == nil {
		return nil, invalid("voucher_id", "it is a ticket: cancel the booking")
	} else if !errors.Is(err, &ledger.Refusal{Reason: ledger.NotFoundReason}) {
		return nil, err
	}
	claims, err := c.bundleOf(ctx, programme, voucher)
	if err != nil {
		return nil, err
	}
	list := make([]ledger.Request, len(claims))
	key := r.Key
	for i, claim := range claims {
		r.Key = headKey(key, i)
		list[i] = ledger.Reverse(claim, decimal.Zero, r)
	}
	return list, nil
}
