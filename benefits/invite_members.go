package benefits

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"tallystick/ledger"
)

// MostInvited is how many members are invited at a time.
const MostInvited = 1000

// InviteMembers lets members book an event that is by invitation. Who is invited stays so, and a retry changes nothing.
// Nobody is told by it. A preview decides the same and records nothing. Refusals: NOT_FOUND, INVALID_FIELD.
func (c *Catalog) InviteMembers(ctx context.Context, programme uuid.UUID, event string, members []string, r ledger.Request, preview bool) error {
	t, s, err := c.current(ctx, programme)
	if err != nil {
		return err
	}
	b, err := s.event(event)
	switch {
	case err != nil:
		return err
	case b.Event.Admission != ByInvitation:
		return invalid("event_id", "it is not by invitation")
	case len(members) == 0 || len(members) > MostInvited:
		return invalid("member_ids", fmt.Sprintf("use 1 to %d", MostInvited))
	}
	seen := make(map[string]bool, len(members))
	var each []string
	var entries []uuid.UUID
	for _, member := range members {
		if !validMember.MatchString(member) {
			return invalid("member_ids", "use references of members")
		}
		if !seen[member] {
			seen[member] = true
			each, entries = append(each, member), append(entries, uuid.New())
		}
	}
	if preview {
		return nil
	}
	return c.list(ctx, programme, event, invitedList, each, entries, t.Now, r, waitingFor{})
}
