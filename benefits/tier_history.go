package benefits

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
)

// TierChange is one change of what a source gives a member, as it was decided.
type TierChange struct {
	Group  string
	Source Source
	Cause  Cause
	// From and To are tiers of the group; empty for none.
	From, To string
	// Start, Until and LotUntil are the validity of To and the end of the days of grace after it, when To ends without a
	// further change. They are zero when To is none.
	Start, Until, LotUntil time.Time
	// Later says that To waits for Start; From is then what waited before.
	Later    bool
	Decision uuid.UUID // the transaction
	At       time.Time
	Reason   TierReason
}

// TierHistory reads every change that was decided about a member, the latest first. What ends a tier without a decision has
// none: a validity that is over (LotUntil says when), a merge and a termination of the membership. Who was never rated has
// no change.
func (c *Catalog) TierHistory(ctx context.Context, programme uuid.UUID, member string) ([]TierChange, error) {
	_, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
	}
	decisions, err := readTierDecisions(ctx, c.pool, programme, []string{member})
	if err != nil {
		return nil, err
	}
	var list []TierChange
	for _, d := range decisions[member] {
		change := TierChange{
			Group: d.group, Source: d.source, Cause: d.cause, From: d.before, To: d.tier, Later: d.later, Decision: d.id, At: d.at,
		}
		if d.tier != "" {
			change.Start, change.Until, change.LotUntil = d.start, d.until, d.lotUntil
		}
		if g := s.tiers.Group(d.group); g != nil { // a group is never dropped
			change.Reason = d.reason(g)
		}
		list = append(list, change)
	}
	slices.Reverse(list) // of one instant the last decided is the first
	slices.SortStableFunc(list, func(x, y TierChange) int { return y.At.Compare(x.At) })
	return list, nil
}
