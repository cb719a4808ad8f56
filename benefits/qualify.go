package benefits

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
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

// Qualify grants a member the allotments of the tiers reached that were not granted this calendar year, and returns
// where the member stands. A grant's key is tier, unit, member and year, so it happens once however often this is called.
// Whoever lost the tier meanwhile gets no grant; no such refusal is recorded, because the tier may be reached again.
func (c *Catalog) Qualify(ctx context.Context, programme uuid.UUID, member string) (Standing, error) {
	p, s, err := c.current(ctx, programme)
	if err != nil {
		return Standing{}, err
	}
	standing, err := c.standing(ctx, programme, s.tiers, member)
	if err != nil {
		return Standing{}, err
	}
	due, err := c.due(ctx, p, s, standing, member)
	if err != nil || len(due) == 0 {
		return standing, err
	}
	for i := range due {
		due[i] = due[i].Under(p)
	}
	answers, err := c.ledger.PostBatch(ctx, programme, due, false)
	if err != nil {
		return Standing{}, err
	}
	for _, a := range answers {
		switch {
		case a.Err == nil, errors.Is(a.Err, &ledger.Refusal{Reason: ledger.NotEligible}):
		case errors.Is(a.Err, ledger.ErrTermsChanged):
			return c.Qualify(ctx, programme, member)
		case errors.Is(a.Err, &ledger.Refusal{Reason: ledger.IdempotencyKeyReused}):
			// The year's grant was made meanwhile, under a version with another amount.
		default:
			return Standing{}, fmt.Errorf("benefits: grant allotment: %w", a.Err)
		}
	}
	return standing, nil
}

const sqlGranted = `
SELECT t.id
FROM transactions AS t
WHERE t.id = ANY($1::uuid[])`

// due lists the grants of this year that a standing entitles to and that the journal does not have.
func (c *Catalog) due(ctx context.Context, p *ledger.Programme, s *section, standing Standing, member string) ([]ledger.Request, error) {
	state, err := c.ledger.State(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	grants := grantsOf(p, s.tiers, standing, member, state.Now)
	ids := make([]uuid.UUID, len(grants))
	for i, r := range grants {
		ids[i] = ledger.TransactionID(p.ID, r.Client, r.Key)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := c.pool.Query(ctx, sqlGranted, ids)
	if err != nil {
		return nil, fmt.Errorf("benefits: read grants: %w", err)
	}
	granted := make(map[uuid.UUID]bool)
	var id uuid.UUID
	if _, err := pgx.ForEachRow(rows, []any{&id}, func() error { granted[id] = true; return nil }); err != nil {
		return nil, fmt.Errorf("benefits: read grants: %w", err)
	}
	var due []ledger.Request
	for i, r := range grants {
		if !granted[ids[i]] {
			due = append(due, r)
		}
	}
	return due, nil
}

// grantsOf is what a standing entitles to in the calendar year of now, in the programme's zone. When a grant expires is
// for the policy of its unit to say.
func grantsOf(p *ledger.Programme, ladder Ladder, standing Standing, member string, now time.Time) []ledger.Request {
	var grants []ledger.Request
	for _, tier := range standing.reached {
		for _, a := range tier.Allotments {
			key := fmt.Sprintf("tier/%s/%s/%s/%d", tier.Code, a.Unit, member, now.In(p.Zone).Year())
			r := ledger.Request{
				Client: systemClient, Key: key, Actor: systemClient, Rule: "tier/" + tier.Code,
				Needs: []ledger.Need{ladder.need(tier.Code)},
			}
			grants = append(grants, ledger.GrantAllotment(member, a.Unit, a.Amount, time.Time{}, r).Own())
		}
	}
	return grants
}
