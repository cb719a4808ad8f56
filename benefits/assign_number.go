package benefits

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/google/uuid"

	"tallystick/ledger"
)

// validNumber is what the API takes for a number.
var validNumber = regexp.MustCompile(`^[A-Za-z0-9+][A-Za-z0-9_.:/-]{0,63}$`)

// AssignNumber makes a member known by a number too, such as that of a subscription. A number is one member's alone, a
// member may have several, and nothing in the books moves. It answers the version of the member that it made, without a
// status; a retry answers the same. r is as for EnrolMember.
// Refusals, none of which takes the key: NOT_FOUND, IDEMPOTENCY_KEY_REUSED, INVALID_FIELD, NUMBER_TAKEN.
func (c *Catalog) AssignNumber(ctx context.Context, programme uuid.UUID, member, number string, r ledger.Request, preview bool) (Member, error) {
	return c.changeMember(ctx, programme, memberChange{
		what: "assign", member: member, content: number,
		decide: func(m *Member, _ deciding) error {
			switch {
			case !validNumber.MatchString(number):
				return invalid("number", "it is not 1 to 64 letters, digits, + _ . : / and -")
			case slices.Contains(m.Numbers, number):
				return refuse(ledger.NumberTaken)
			case len(m.Numbers) >= mostNumbers:
				return invalid("number", fmt.Sprintf("the member has %d already", mostNumbers))
			}
			m.Numbers = slices.Sorted(slices.Values(append(slices.Clone(m.Numbers), number)))
			return nil
		},
	}, r, preview)
}

// ReleaseNumber takes a number from a member, so that another may have it. Otherwise it is as AssignNumber; NOT_FOUND also
// says that the member does not have it.
func (c *Catalog) ReleaseNumber(ctx context.Context, programme uuid.UUID, member, number string, r ledger.Request, preview bool) (Member, error) {
	return c.changeMember(ctx, programme, memberChange{
		what: "release", member: member, content: number,
		decide: func(m *Member, _ deciding) error {
			if !slices.Contains(m.Numbers, number) {
				return refuse(ledger.NotFoundReason, "number", number)
			}
			m.Numbers = slices.DeleteFunc(slices.Clone(m.Numbers), func(n string) bool { return n == number })
			return nil
		},
	}, r, preview)
}
