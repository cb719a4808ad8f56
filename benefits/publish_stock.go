package benefits

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// Publishing is rights, or seats of an event, that staff add to a stock of a benefit, or take out of it when they are below
// zero: the stock of all, or of what is kept for a tier or for a segment.
type Publishing struct {
	Benefit, Tier, Segment string
	Rights                 int64
	Seats                  bool // of an event only
}

// PublishStock puts rights into a stock that the benefit's document declares, in one transaction, beside what the document
// itself publishes; the seats of an event are offered to those who wait. A retry with the same key gets the first answer.
// Refusals: NOT_FOUND, INVALID_FIELD for a stock that the benefit does not have, AMOUNT_OUT_OF_RANGE,
// IDEMPOTENCY_KEY_REUSED, OUT_OF_STOCK.
func (c *Catalog) PublishStock(ctx context.Context, programme uuid.UUID, s Publishing, r ledger.Request) (ledger.Answer, error) {
	r, err := c.publishing(ctx, programme, s, r)
	if err != nil {
		return ledger.Answer{}, err
	}
	answer, err := c.ledger.Post(ctx, programme, r)
	if err != nil {
		return answer, err
	}
	return answer, c.Promote(ctx, programme, s.Benefit)
}

// PreviewPublishing decides a PublishStock by the same code on the same state, and records nothing.
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
	b, err := s.benefit(q.Benefit)
	if q.Seats {
		b, err = s.event(q.Benefit)
	}
	if err != nil {
		return r, err
	}
	if q.Rights == 0 {
		return r, invalid("rights", "use a number other than 0")
	}
	for _, from := range s.stocks(b) {
		if from.tier == q.Tier && from.segment == q.Segment {
			r.Rule = "benefit/" + b.Code
			return ledger.PublishInto(from.account, decimal.NewFromInt(q.Rights), r), nil
		}
	}
	return r, invalid("benefit_id", fmt.Sprintf("it has no stock of its own for tier %q and segment %q", q.Tier, q.Segment))
}

// stocks are the sources of a benefit that can be empty.
func (s *section) stocks(b *Benefit) []source {
	if !b.limited() {
		return nil
	}
	return s.sources(b)
}

// Stock is one stock of a benefit: of all, or of what is kept for a tier or for a segment.
type Stock struct {
	Tier, Segment   string
	Published, Left decimal.Decimal
}

const sqlPublished = `
SELECT e.account_id, sum(e.amount)
FROM entries AS e
WHERE e.account_id = ANY($1::uuid[]) AND e.kind = 'publication'
GROUP BY e.account_id`

// Stocks reads the stocks of a benefit, in the order in which a claim tries them; none of what has no limit. What was published
// and is not left was claimed, and is held, used or expired. It reads all entries of the stocks, about a million in a second.
// Refusals: NOT_FOUND for what is not offered.
func (c *Catalog) Stocks(ctx context.Context, programme uuid.UUID, benefit string) ([]Stock, error) {
	_, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
	}
	b, err := s.benefit(benefit)
	if err != nil {
		return nil, err
	}
	sources := s.stocks(b)
	ids := make([]uuid.UUID, len(sources))
	for i, from := range sources {
		ids[i] = from.account.ID(programme)
	}
	left, err := c.amounts(ctx, sqlAccountBalances, ids)
	if err != nil {
		return nil, err
	}
	published, err := c.amounts(ctx, sqlPublished, ids)
	if err != nil {
		return nil, err
	}
	list := make([]Stock, len(sources))
	for i, from := range sources {
		list[i] = Stock{from.tier, from.segment, published[ids[i]], left[ids[i]]}
	}
	return list, nil
}

// amounts reads an amount of each account, zero where there is no row.
func (c *Catalog) amounts(ctx context.Context, sql string, ids []uuid.UUID) (map[uuid.UUID]decimal.Decimal, error) {
	amounts := make(map[uuid.UUID]decimal.Decimal, len(ids))
	if len(ids) == 0 {
		return amounts, nil
	}
	rows, err := c.pool.Query(ctx, sql, ids)
	if err != nil {
		return nil, fmt.Errorf("benefits: read stock: %w", err)
	}
	var id uuid.UUID
	var amount decimal.Decimal
	if _, err := pgx.ForEachRow(rows, []any{&id, &amount}, func() error { amounts[id] = amount; return nil }); err != nil {
		return nil, fmt.Errorf("benefits: read stock: %w", err)
	}
	return amounts, nil
}
