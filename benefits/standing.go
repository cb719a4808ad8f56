package benefits

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// TierGroups returns the tier groups of a programme's current version.
func (c *Catalog) TierGroups(ctx context.Context, programme uuid.UUID) (Groups, error) {
	_, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
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

// Standing is where a member stands on the ladders of the member's kind.
type Standing struct {
	Member   string
	At       time.Time
	Kind     MemberKind
	Enrolled time.Time       // zero for who was never enrolled
	Groups   []GroupStanding // in the order of the programme's document
}

// GroupStanding is where a member stands in one tier group: on the highest tier that a source gives.
type GroupStanding struct {
	Group *TierGroup
	// Rank counts tiers from 1; 0 is below the first.
	Rank int
	// Source gives the tier until Until, the latest of those that give it.
	Source Source
	Until  time.Time
	// Claims are what the sources give, those that begin later included.
	Claims []TierClaim
	// Measures are what was measured in the periods that matter, by source, newest first.
	Measures map[Source][]Measured

	zone *time.Location
}

// TierClaim is what one source gives a member, as it was decided.
type TierClaim struct {
	Source Source
	Grant
	Tier      *Tier
	Cause     Cause
	Decision  uuid.UUID // the transaction
	DecidedAt time.Time
	Later     bool // it begins at Start

	decision tierDecision
	group    *TierGroup
}

// Reason is what the claim was decided on.
func (c TierClaim) Reason() TierReason { return c.decision.reason(c.group) }

// Tier is the tier that is held; nil below the first.
func (s GroupStanding) Tier() *Tier { return s.Group.tier(s.Rank) }

// Next is the tier above; nil at the top.
func (s GroupStanding) Next() *Tier { return s.Group.tier(s.Rank + 1) }

// Reached lists the tiers up to the one that is held.
func (s GroupStanding) Reached() []Tier { return s.Group.Tiers[:s.Rank] }

// Value is what is measured in the current period.
func (s GroupStanding) Value(measure string) decimal.Decimal {
	for _, periods := range s.Measures {
		if len(periods) > 0 {
			if value, measured := periods[0].Values[measure]; measured {
				return value
			}
		}
	}
	return decimal.Zero
}

// First is the standing in the first group of the member's kind, and false when there is none.
func (s Standing) First() (GroupStanding, bool) {
	if len(s.Groups) == 0 {
		return GroupStanding{}, false
	}
	return s.Groups[0], true
}

// shown is the tier that is shown when there is room for one; empty below the first.
func (s Standing) shown() string {
	if first, in := s.First(); in && first.Rank > 0 {
		return first.Tier().Code
	}
	return ""
}

// In is the standing in a group; the zero value when the member's kind is not in it.
func (s Standing) In(group string) GroupStanding {
	for _, g := range s.Groups {
		if g.Group.Code == group {
			return g
		}
	}
	return GroupStanding{}
}

// reached lists every tier that is held or lies below one that is, lower tiers first within a group.
func (s Standing) reached() []Tier {
	var list []Tier
	for _, g := range s.Groups {
		list = append(list, g.Reached()...)
	}
	return list
}

// has reports whether a tier, or one above it in its group, is held.
func (s Standing) has(groups Groups, tier string) bool {
	g, rank := groups.of(tier)
	return g != nil && s.In(g.Code).Rank >= rank
}

// show adds a claim, and raises the standing to it when it is the highest that holds now.
func (s *GroupStanding) show(c TierClaim, now time.Time) {
	s.Claims = append(s.Claims, c)
	if c.Later || !c.holds(now) {
		return
	}
	if c.Rank > s.Rank || c.Rank == s.Rank && c.LotUntil.After(s.Until) {
		s.Rank, s.Source, s.Until = c.Rank, c.Source, c.LotUntil
	}
}

// towards is what would bring the member to a tier, as details of a refusal: from when it is held when that is decided
// already, or how much more of the points that are measured now reach it.
func (s GroupStanding) towards(tier string) []string {
	if s.Group == nil {
		return nil
	}
	rank := s.Group.rank(tier)
	for _, claim := range s.Claims {
		if claim.Later && claim.Rank >= rank {
			return []string{"from", claim.Start.UTC().Format(time.RFC3339)}
		}
	}
	least, asked := s.Group.tier(rank).From[string(ByPoints)]
	if !asked || s.Group.Unit == "" {
		return nil
	}
	return []string{"unit", s.Group.Unit, "missing", decimal.Max(decimal.Zero, least.Sub(s.Value(string(ByPoints)))).String()}
}
