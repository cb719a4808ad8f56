package benefits

import (
	"context"
	"time"

	"github.com/google/uuid"

	"tallystick/ledger"
)

// VisitCursor is the place of a visit in a member's list.
type VisitCursor struct {
	At time.Time
	ID uuid.UUID
}

// ListVisits reads a member's visits, the last first: those after a cursor, which is nil for the first page.
func (c *Catalog) ListVisits(ctx context.Context, programme uuid.UUID, member string, after *VisitCursor, limit int) ([]Visit, error) {
	if after == nil {
		after = &VisitCursor{At: ledger.Never, ID: uuid.Max}
	}
	return c.readVisits(ctx, programme, sqlVisitsOf, programme, member, after.At, after.ID, limit)
}

// LoungeAllotment is what a member has of a benefit that lets into lounges.
type LoungeAllotment struct {
	*Benefit
	// Own and ForGuests are the allotments that pay for the member and for guests; nil when there is none. They are the same
	// when guests use up the member's own visits.
	Own, ForGuests *MemberAllotment
	Shared         bool
	MostGuests     int // of a visit
	FreeGuests     int // of a visit
}

// LoungeAllotments reads what a member has of each benefit that lets into lounges, by code: total = used + pending + left of
// the period of now, all of it from the books. Pending is what visits hold that no operator has reported.
func (c *Catalog) LoungeAllotments(ctx context.Context, programme uuid.UUID, member string) ([]LoungeAllotment, error) {
	_, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
	}
	allotments, err := c.ListAllotments(ctx, programme, member)
	if err != nil {
		return nil, err
	}
	of := func(prices []Price) *MemberAllotment {
		for _, price := range prices {
			for i := range allotments {
				if price.With == WithAllotment && allotments[i].Unit == price.Unit {
					return &allotments[i]
				}
			}
		}
		return nil
	}
	var list []LoungeAllotment
	for _, b := range s.offered() {
		if b.Entry == nil {
			continue
		}
		l := LoungeAllotment{
			Benefit: b, Own: of(b.Prices), ForGuests: of(b.Entry.Guests.Prices),
			MostGuests: b.Entry.Guests.Most, FreeGuests: b.Entry.Guests.Free,
		}
		l.Shared = l.Own != nil && l.Own == l.ForGuests
		list = append(list, l)
	}
	return list, nil
}
