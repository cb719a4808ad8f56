package benefits

import (
	"context"

	"github.com/google/uuid"

	"tallystick/ledger"
)

// MergeMember moves all that a member has in wallets, and owes, to another: see [ledger.Merge]. What is known of either stays
// as it is, numbers included. Refusals are those of ledger.Merge, and IDEMPOTENCY_KEY_REUSED.
func (c *Catalog) MergeMember(ctx context.Context, programme uuid.UUID, from, into string, r ledger.Request, preview bool) (ledger.Answer, error) {
	merge := func(t ledger.Terms, r ledger.Request) (ledger.Request, error) {
		return ledger.Merge(t.Programme, from, into, r), nil
	}
	if !preview {
		return c.ledger.PostUnder(ctx, programme, r, merge)
	}
	t, err := c.ledger.Terms(ctx, programme)
	if err != nil {
		return ledger.Answer{}, err
	}
	if r, err = merge(t, r); err != nil {
		return ledger.Answer{}, err
	}
	tx, err := c.ledger.Preview(ctx, programme, r)
	return ledger.Answer{Transaction: tx}, err
}
