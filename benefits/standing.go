package benefits

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// Standing is where a member stands on the ladder.
type Standing struct {
	Accrued decimal.Decimal
	Tier    *Tier // nil below the first
	Next    *Tier // nil at the top
	reached []Tier
}

// Ladder returns the tiers of a programme's current version.
func (c *Catalog) Ladder(ctx context.Context, programme uuid.UUID) (Ladder, error) {
	_, s, err := c.current(ctx, programme)
	if err != nil {
		return Ladder{}, err
	}
	return s.tiers, nil
}

// Allotments returns the allotments of a programme's current version.
func (c *Catalog) Allotments(ctx context.Context, programme uuid.UUID) ([]*Allotment, error) {
	_, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
	}
	return s.allotments, nil
}

// Standing derives a member's tier from what the member accrued, by the sum that the ledger compares needs with. It reads
// the member's entries. What is posted afterwards may change it; what depends on a tier says so in its request's needs.
func (c *Catalog) Standing(ctx context.Context, programme uuid.UUID, member string) (Standing, error) {
	_, s, err := c.current(ctx, programme)
	if err != nil {
		return Standing{}, err
	}
	return c.standing(ctx, programme, s.tiers, member)
}

func (c *Catalog) standing(ctx context.Context, programme uuid.UUID, ladder Ladder, member string) (Standing, error) {
	var standing Standing
	if len(ladder.Tiers) > 0 {
		var err error
		if standing.Accrued, err = c.ledger.Accrued(ctx, programme, member, ladder.Unit); err != nil {
			return Standing{}, fmt.Errorf("benefits: points accrued: %w", err)
		}
	}
	standing.reached = ladder.Reached(standing.Accrued)
	n := len(standing.reached)
	if n > 0 {
		standing.Tier = &ladder.Tiers[n-1]
	}
	if n < len(ladder.Tiers) {
		standing.Next = &ladder.Tiers[n]
	}
	return standing, nil
}
