package benefits

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/partners"
)

// EnrolMember enrols a member under the programme's own reference. facts are what is known by now; their EnrolledAt is
// now when it is zero, and may lie in the past for somebody who joined before there was this programme. Status, numbers,
// organisations and households are not among them. What was accrued before stays the member's. It answers version 1
// without a status; a retry with the same client and key answers the same. r gives client, key, actor, channel and reason.
// Refusals, none of which takes the key: INVALID_FIELD for what the programme's document does not declare, NOT_FOUND,
// IDEMPOTENCY_KEY_REUSED, MEMBER_ENROLLED.
func (c *Catalog) EnrolMember(ctx context.Context, programme uuid.UUID, member string, facts Facts, r ledger.Request, preview bool) (Member, error) {
	facts.Segments = slices.Compact(slices.Sorted(slices.Values(facts.Segments)))
	content := struct { // not the derived ones, so that a retry is one whatever they are
		Kind                   MemberKind
		Plan, Region, Language string
		Segments               []string
		EnrolledAt             time.Time
		Month, Day             int
		Attributes             string
	}{
		facts.Kind, facts.Plan, facts.Region, facts.Language, facts.Segments, facts.EnrolledAt,
		int(facts.BirthMonth), facts.BirthDay, encodeAttributes(facts.Attributes),
	}
	return c.changeMember(ctx, programme, memberChange{
		what: "enrol", member: member, content: content, enrols: true,
		decide: func(m *Member, at deciding) error {
			m.Kind, m.Plan, m.Region, m.Segments, m.Language = facts.Kind, facts.Plan, facts.Region, facts.Segments, facts.Language
			m.BirthMonth, m.BirthDay, m.Attributes = facts.BirthMonth, facts.BirthDay, facts.Attributes
			m.EnrolledAt = facts.EnrolledAt.UTC().Truncate(time.Microsecond)
			if facts.EnrolledAt.IsZero() {
				m.EnrolledAt = at.now
			}
			switch {
			case !slices.Contains(at.terms.Kinds, m.Kind):
				return invalid("kind", fmt.Sprintf("use one of %v", at.terms.Kinds))
			case m.EnrolledAt.After(at.now):
				return invalid("enrolled_at", "it lies in the future")
			}
			return at.terms.check(&m.Facts, &Facts{})
		},
	}, r, preview)
}

func invalid(field, problem string) *ledger.Refusal {
	return refuse(ledger.InvalidField, "field", field, "problem", problem)
}

// mostSegments and mostNumbers bound a member's row.
const (
	mostSegments = 64
	mostNumbers  = 64
	mostText     = 256 // characters of an attribute
)

// check refuses new facts that the programme's document does not declare; what an earlier one declared stays.
func (t *MemberTerms) check(f, was *Facts) error {
	_, plan := t.Plans[f.Plan]
	_, region := t.Regions[f.Region]
	switch {
	case f.Plan != "" && f.Plan != was.Plan && !plan:
		return invalid("plan", "the programme's document declares no such plan")
	case f.Region != "" && f.Region != was.Region && !region:
		return invalid("region", "the programme's document declares no such region")
	case f.Language != "" && !slices.Contains(partners.Languages, f.Language):
		return invalid("language", fmt.Sprintf("use one of %v", partners.Languages))
	case !validBirthday(f.BirthMonth, f.BirthDay):
		return invalid("birthday", "there is no such day")
	case len(f.Segments) > mostSegments:
		return invalid("segments", fmt.Sprintf("there are more than %d", mostSegments))
	}
	for _, segment := range f.Segments {
		if _, declared := t.Segments[segment]; !declared && !slices.Contains(was.Segments, segment) {
			return invalid("segments", "the programme's document declares no such segment")
		}
	}
	for _, code := range slices.Sorted(maps.Keys(f.Attributes)) {
		if err := t.checkAttribute(code, f.Attributes[code]); err != nil && was.Attributes[code] != f.Attributes[code] {
			return err
		}
	}
	return nil
}

func (t *MemberTerms) checkAttribute(code string, value any) error {
	var fits bool
	switch t.Attributes[code].Type {
	case NumberAttribute:
		number, is := value.(decimal.Decimal)
		fits = is && number.Abs().LessThan(decimal.New(1, 15)) && number.Exponent() >= -9
	case TextAttribute:
		text, is := value.(string)
		fits = is && utf8.RuneCountInString(text) <= mostText
	case FlagAttribute:
		_, fits = value.(bool)
	default:
		return invalid("attributes", "the programme's document declares no such attribute")
	}
	if !fits {
		return invalid("attributes", fmt.Sprintf("%s is a %s", code, t.Attributes[code].Type))
	}
	return nil
}

// validBirthday takes any day of a year, 29 February included, and none at all.
func validBirthday(month time.Month, day int) bool {
	if month == 0 && day == 0 {
		return true
	}
	const leapYear = 2000
	date := time.Date(leapYear, month, day, 0, 0, 0, 0, time.UTC)
	return month >= 1 && month <= 12 && day >= 1 && date.Month() == month
}
