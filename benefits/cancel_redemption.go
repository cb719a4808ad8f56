package benefits

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// CancelRedemption gives an unused voucher back and returns what was paid for it to the lots that it came from.
// Refusals: NOT_FOUND for what is not the member's voucher, IDEMPOTENCY_KEY_REUSED, VOUCHER_USED, VOUCHER_EXPIRED,
// ALREADY_REVERSED.
func (c *Catalog) CancelRedemption(ctx context.Context, programme uuid.UUID, member string, voucher uuid.UUID, r ledger.Request) (ledger.Answer, error) {
	r, err := c.cancellation(ctx, programme, member, voucher, r)
	if err != nil {
		return ledger.Answer{}, err
	}
	return c.ledger.Post(ctx, programme, r)
}

// PreviewCancel decides a CancelRedemption by the same code on the same state, and records nothing.
func (c *Catalog) PreviewCancel(ctx context.Context, programme uuid.UUID, member string, voucher uuid.UUID, r ledger.Request) (*ledger.Transaction, error) {
	r, err := c.cancellation(ctx, programme, member, voucher, r)
	if err != nil {
		return nil, err
	}
	return c.ledger.Preview(ctx, programme, r)
}

func (c *Catalog) cancellation(ctx context.Context, programme uuid.UUID, member string, voucher uuid.UUID, r ledger.Request) (ledger.Request, error) {
	v, err := c.vouchers.Voucher(ctx, programme, voucher)
	if err != nil {
		return r, err
	}
	if v.Member != member {
		return r, refuse(ledger.NotFoundReason)
	}
	if _, err := c.ticket(ctx, programme, v.Code); err == nil {
		return r, invalid("voucher_id", "it is a ticket: cancel the booking")
	} else if !errors.Is(err, &ledger.Refusal{Reason: ledger.NotFoundReason}) {
		return r, err
	}
	return ledger.Reverse(voucher, decimal.Zero, r), nil
}
