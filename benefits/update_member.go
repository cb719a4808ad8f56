package benefits

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"tallystick/ledger"
)

// MemberUpdate is a partial change of a member's facts: what is nil stays as it is.
type MemberUpdate struct {
	Plan, Region, Language *string
	Segments               *[]string // all of them
	Birthday               *Birthday
	// Attributes are those to set, by code; a nil value takes one away.
	Attributes map[string]any
	// Version is the one that the change was made from: another is refused with MEMBER_CHANGED. Zero takes whatever it is.
	Version int64
}

// Birthday is a day of the year; zero for none.
type Birthday struct {
	Month time.Month
	Day   int
}

// UpdateMember changes some of an enrolled member's facts and answers the version that it made, without a status; a retry
// with the same client and key answers the same version, whatever followed. r gives client, key, actor, channel and reason.
// Refusals, none of which takes the key: NOT_FOUND, IDEMPOTENCY_KEY_REUSED, MEMBER_CHANGED with the version that there is,
// INVALID_FIELD for what the programme's document does not declare.
func (c *Catalog) UpdateMember(ctx context.Context, programme uuid.UUID, member string, u MemberUpdate, r ledger.Request, preview bool) (Member, error) {
	set, removed := u.attributes()
	content := []any{u.Plan, u.Region, u.Language, u.Segments, u.Birthday, encodeAttributes(set), removed}
	return c.changeMember(ctx, programme, memberChange{
		what: "update", member: member, content: content, expected: u.Version,
		decide: func(m *Member, at deciding) error {
			was := m.Facts
			for fact, value := range map[*string]*string{&m.Plan: u.Plan, &m.Region: u.Region, &m.Language: u.Language} {
				if value != nil {
					*fact = *value
				}
			}
			if u.Segments != nil {
				m.Segments = slices.Compact(slices.Sorted(slices.Values(*u.Segments)))
			}
			if u.Birthday != nil {
				m.BirthMonth, m.BirthDay = u.Birthday.Month, u.Birthday.Day
			}
			m.Attributes = maps.Clone(m.Attributes)
			maps.Copy(m.Attributes, set)
			for _, code := range removed {
				delete(m.Attributes, code)
			}
			return at.terms.check(&m.Facts, &was)
		},
	}, r, preview)
}

// attributes are those to set and the codes of those to take away.
func (u MemberUpdate) attributes() (set map[string]any, removed []string) {
	set = make(map[string]any)
	for _, code := range slices.Sorted(maps.Keys(u.Attributes)) {
		if value := u.Attributes[code]; value == nil {
			removed = append(removed, code)
		} else {
			set[code] = value
		}
	}
	return set, removed
}
