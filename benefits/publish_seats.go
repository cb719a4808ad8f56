package benefits

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// Publishing is seats that staff add to an event, or take out of its stock when they are below zero: out of the stock of all,
// or of what is kept for a tier or for a segment.
type Publishing struct {
	Event, Tier, Segment string
	Seats                int64
}

// PublishSeats puts seats into a stock that the event's document declares, and offers them to those who wait. It is beside
// what the document itself publishes. Refusals: NOT_FOUND, INVALID_FIELD for a stock that the event does not have,
// AMOUNT_OUT_OF_RANGE, IDEMPOTENCY_KEY_REUSED, OUT_OF_STOCK.
func (c *Catalog) PublishSeats(ctx context.Context, programme uuid.UUID, s Publishing, r ledger.Request) (ledger.Answer, error) {
	r, err := c.publishing(ctx, programme, s, r)
	if err != nil {
		return ledger.Answer{}, err
	}
	answer, err := c.ledger.Post(ctx, programme, r)
	if err != nil {
		return answer, err
	}
	return answer, c.Promote(ctx, programme, s.Event)
}

// PreviewPublishing decides a PublishSeats by the same code on the same state, and records nothing.
func (c *Catalog) PreviewPublishing(ctx context.Context, programme uuid.UUID, s Publishing, r ledger.Request) (*ledger.Transaction, error) {
	r, err := c.publishing(ctx, programme, s, r)
	if err != nil {
		return nil, err
	}
	return c.ledger.Preview(ctx, programme, r)
}

func (c *Catalog) publishing(ctx context.Context, programme uuid.UUID, q Publishing, r ledger.Request) (ledger.Request, error) {
	_, s, err := c.current(ctx, programme)
	if err != nil {
		return r, err
	}
	b, err := s.event(q.Event)
	if err != nil {
		return r, err
	}
	if q.Seats == 0 {
		return r, invalid("seats", "use a number of seats other than 0")
	}
	for _, from := range s.sources(b) {
		if from.tier == q.Tier && from.segment == q.Segment && from.account.Place == ledger.Stock {
			r.Rule = "benefit/" + b.Code
			return ledger.PublishInto(from.account, decimal.NewFromInt(q.Seats), r), nil
		}
	}
	return r, invalid("event_id", fmt.Sprintf("it has no stock of its own for tier %q and segment %q", q.Tier, q.Segment))
}
