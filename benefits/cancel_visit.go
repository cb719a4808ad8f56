package benefits

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// CancelVisit takes a visit back that its operator has not reported: what is held for it goes back, and so do a pass that
// was used and money that was owed, all in one database transaction. That it is canceled is kept before, where its report would
// be, so that a visit is reported or canceled and never both. A retry with the same key is answered like the first.
// Refusals: NOT_FOUND for what is no visit of the operator's, IDEMPOTENCY_KEY_REUSED, HOLD_CLOSED for what was reported,
// canceled or released, ALREADY_REVERSED.
func (c *Catalog) CancelVisit(ctx context.Context, programme uuid.UUID, operator string, visit uuid.UUID, r ledger.Request) (Visit, error) {
	v, requests, err := c.cancelingVisit(ctx, programme, operator, visit, r)
	if err != nil {
		return v, err
	}
	if v.State == VisitPending {
		if err := c.closeDoor(ctx, programme, &v); err != nil {
			return Visit{}, err
		}
	}
	answers, err := c.ledger.PostBatch(ctx, programme, requests, true)
	if err == nil {
		err = ledger.Decisive(answers)
	}
	if err != nil {
		return Visit{}, err
	}
	return c.Visit(ctx, programme, visit)
}

// cancelRecord stands where a visit's report would. No operator's own id has a slash.
func cancelRecord(visit uuid.UUID) string { return "cancel/" + visit.String() }

// closeDoor keeps that a visit is canceled, unless a report was before.
func (c *Catalog) closeDoor(ctx context.Context, programme uuid.UUID, v *Visit) error {
	if _, err := c.pool.Exec(ctx, sqlInsertReport, v.ID, programme, v.Operator, cancelRecord(v.ID), v.At, 0); err != nil {
		return fmt.Errorf("benefits: cancel visit: %w", err)
	}
	now, err := c.Visit(ctx, programme, v.ID)
	if err == nil && now.Report != nil {
		err = refuse(ledger.HoldClosed, "because", "the visit was reported")
	}
	return err
}

// PreviewCancelVisit decides a CancelVisit by the same code on the same state, and records nothing.
func (c *Catalog) PreviewCancelVisit(ctx context.Context, programme uuid.UUID, operator string, visit uuid.UUID, r ledger.Request) (Visit, error) {
	v, requests, err := c.cancelingVisit(ctx, programme, operator, visit, r)
	if err != nil {
		return v, err
	}
	answers, err := c.ledger.PreviewBatch(ctx, programme, requests, true)
	if err == nil {
		err = ledger.Decisive(answers)
	}
	return v, err
}

func (c *Catalog) cancelingVisit(ctx context.Context, programme uuid.UUID, operator string, visit uuid.UUID, r ledger.Request) (Visit, []ledger.Request, error) {
	v, err := c.Visit(ctx, programme, visit)
	if err != nil {
		return v, nil, err
	}
	if v.Operator != operator {
		return Visit{}, nil, refuse(ledger.NotFoundReason, "visit", visit.String())
	}
	if v.Report != nil {
		_, err := c.ledger.Transaction(ctx, programme, ledger.TransactionID(programme, r.Client, r.Key))
		if errors.Is(err, &ledger.Refusal{Reason: ledger.NotFoundReason}) {
			err = refuse(ledger.HoldClosed, "because", "the visit was reported")
		}
		if err != nil {
			return Visit{}, nil, err
		}
	}
	var list []ledger.Request
	key := r.Key
	for head := range v.paying(v.Guests) {
		id := v.headID(programme, head)
		r.Key = headKey(key, head)
		tx, err := c.ledger.Transaction(ctx, programme, id)
		if err != nil {
			return Visit{}, nil, err
		}
		if tx.Kind == ledger.KindHold {
			list = append(list, ledger.Void(id, r))
		} else {
			list = append(list, ledger.Reverse(id, decimal.Zero, r))
		}
	}
	return v, list, nil
}
