package benefits

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"tallystick/ledger"
)

// Qualify rates a member, see Rate, and brings the member's allotments to what the tiers held entitle to in the periods of now: it grants what is missing,
// carries over what was left, and takes back where a lower tier says so. It returns where the member stands. It may be
// called any number of times, by many at once, and the chain of every period comes to the same: a step is decided by the
// steps before it and posted under its number, so that it happens once. Each step is a transaction of its own, and what was
// posted stays when a later one fails. Whoever lost the tier meanwhile gets no grant; no such refusal is recorded, because
// the tier may be reached again.
func (c *Catalog) Qualify(ctx context.Context, programme uuid.UUID, member string) (Standing, error) {
	for {
		standing, err := c.Rate(ctx, programme, member)
		if err != nil {
			return Standing{}, err
		}
		t, s, err := c.current(ctx, programme)
		if err != nil {
			return Standing{}, err
		}
		due, err := c.due(ctx, t.Programme, s, standing)
		if err != nil || len(due) == 0 {
			return standing, err
		}
		for i := range due {
			due[i] = due[i].Under(t.Programme)
		}
		answers, err := c.ledger.PostBatch(ctx, programme, due, false)
		if err != nil {
			return Standing{}, err
		}
		again := false
		for _, a := range answers {
			switch {
			case a.Err == nil:
				again = again || a.Replayed
			case errors.Is(a.Err, &ledger.Refusal{Reason: ledger.NotEligible}), errors.Is(a.Err, &ledger.Refusal{Reason: ledger.InsufficientPoints}),
				errors.Is(a.Err, ledger.ErrTermsChanged): // a tier, a balance or the terms have moved since they were read
				again = true
			default:
				return Standing{}, fmt.Errorf("benefits: allotment: %w", a.Err)
			}
		}
		if !again {
			return standing, nil
		}
	}
}

// due lists what is to be posted for who has a standing: the next step of each period's chain.
func (c *Catalog) due(ctx context.Context, p *ledger.Programme, s *section, standing Standing) ([]ledger.Request, error) {
	list := s.entitlements(standing, p.Zone)
	books, err := c.readAllotments(ctx, p, list)
	if err != nil {
		return nil, err
	}
	var due []ledger.Request
	for i := range list {
		due = append(due, list[i].due(&books[i], standing.At)...)
	}
	return due, nil
}
