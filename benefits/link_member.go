package benefits

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"tallystick/ledger"
)

// Link is what LinkMember and UnlinkMember are asked: a person's part in an organisation or a household. A zero From is
// now, a zero Until never.
type Link struct {
	Member, Of, Role string
	From, Until      time.Time
}

// mostLinks bounds a member's row.
const mostLinks = 64

// LinkMember makes a person part of an organisation or a household, in a role that the programme's document declares, for
// a time. It answers the version of the person that it made, without a status; a retry answers the same. Of one
// organisation a person is part once at a time: to change role or time, unlink first. r is as for EnrolMember.
// Refusals, none of which takes the key: NOT_FOUND for whoever is not enrolled, IDEMPOTENCY_KEY_REUSED, INVALID_FIELD
// when one is not what the other can be part of, MEMBER_LINKED when the times overlap.
func (c *Catalog) LinkMember(ctx context.Context, programme uuid.UUID, l Link, r ledger.Request, preview bool) (Member, error) {
	return c.changeMember(ctx, programme, memberChange{
		what: "link", member: l.Member, content: l,
		decide: func(m *Member, at deciding) error {
			link := Membership{Of: l.Of, Role: l.Role, From: orTime(l.From, at.now), Until: orTime(l.Until, ledger.Never)}
			if _, declared := at.terms.Roles[l.Role]; l.Role != "" && !declared {
				return invalid("role", "the programme's document declares no such role")
			}
			if !link.From.Before(link.Until) {
				return invalid("until", "it is not after from")
			}
			list, err := m.membershipsOf(l.Of, at)
			if err != nil {
				return err
			}
			for _, other := range *list {
				if other.Of == l.Of && other.From.Before(link.Until) && link.From.Before(other.Until) {
					return refuse(ledger.MemberLinked, "from", other.From.Format(time.RFC3339Nano), "until", other.Until.Format(time.RFC3339Nano))
				}
			}
			if len(*list) >= mostLinks {
				return invalid("of", fmt.Sprintf("the member is part of %d already", mostLinks))
			}
			*list = append(slices.Clone(*list), link)
			return nil
		},
	}, r, preview)
}

// UnlinkMember ends a person's part in an organisation or a household, at l.Until or now: what lies behind stays known,
// and what would only begin later is gone. Role and From are not looked at. Otherwise it is as LinkMember; NOT_FOUND also
// says that there is no such part any more.
func (c *Catalog) UnlinkMember(ctx context.Context, programme uuid.UUID, l Link, r ledger.Request, preview bool) (Member, error) {
	return c.changeMember(ctx, programme, memberChange{
		what: "unlink", member: l.Member, content: l,
		decide: func(m *Member, at deciding) error {
			end := orTime(l.Until, at.now)
			list, err := m.membershipsOf(l.Of, at)
			if err != nil {
				return err
			}
			ended := false
			var left []Membership
			for _, link := range *list {
				if link.Of == l.Of && link.Until.After(end) {
					ended, link.Until = true, end
				}
				if link.From.Before(link.Until) {
					left = append(left, link)
				}
			}
			if !ended {
				return refuse(ledger.NotFoundReason, "of", l.Of)
			}
			*list = left
			return nil
		},
	}, r, preview)
}

// membershipsOf is the list that a membership of another member belongs in.
func (m *Member) membershipsOf(of string, at deciding) (*[]Membership, error) {
	kind, err := at.kinds(of)
	switch {
	case err != nil:
		return nil, err
	case m.Kind != Person:
		return nil, invalid("member_id", "only a person is part of something")
	case kind == Organisation:
		return &m.Organisations, nil
	case kind == Household:
		return &m.Households, nil
	default:
		return nil, invalid("of", "it is neither an organisation nor a household")
	}
}

// orTime is a time that was given, as both databases keep it, or else another.
func orTime(given, otherwise time.Time) time.Time {
	if given.IsZero() {
		return otherwise
	}
	return given.UTC().Truncate(time.Microsecond)
}
