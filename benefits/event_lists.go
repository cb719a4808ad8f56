package benefits

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/ledger"
)

// The lists of an event.
const (
	invitedList = "invited"
	waitingList = "waiting"
)

const (
	sqlInsertListed = `
INSERT INTO event_lists (programme_id, event, list, member, entry_id, listed_at, actor, channel, wanted)
SELECT $1, $2, $3, u.member, u.entry_id, $6, $7, $8, $9
FROM unnest($4::text[], $5::uuid[]) AS u (member, entry_id)
ON CONFLICT (programme_id, event, list, member) DO NOTHING`

	sqlReadListed = `
SELECT l.member, l.entry_id, l.listed_at, l.channel, l.wanted
FROM event_lists AS l
WHERE l.programme_id = $1 AND l.event = $2 AND l.list = $3
ORDER BY l.listed_at, l.entry_id`

	sqlIsListed = `
SELECT count(*) > 0
FROM event_lists AS l
WHERE l.programme_id = $1 AND l.event = $2 AND l.list = $3 AND l.member = $4`

	sqlDeleteListed = `
DELETE FROM event_lists AS l
WHERE l.programme_id = $1 AND l.event = $2 AND l.list = $3 AND l.member = $4`

	sqlDeleteEntry = `
DELETE FROM event_lists AS l
WHERE l.programme_id = $1 AND l.event = $2 AND l.list = $3 AND l.member = $4 AND l.entry_id = $5`
)

// Waiting is a member who waits for seats of an event.
type Waiting struct {
	Member string
	Since  time.Time
	Seats  int64

	entry   uuid.UUID
	rank    int
	channel string
	wanted  waitingFor
}

// waitingFor is the stored form of what somebody waits for.
type waitingFor struct {
	With   PayWith  `json:"with"`
	Region string   `json:"region"`
	Guests []string `json:"guests"`
}

// guestList reads what an event's own conditions are decided by.
func (c *Catalog) guestList(ctx context.Context, p *ledger.Programme, b *Benefit, w Wanted, at *circumstances) error {
	if b.Event.Admission == ByInvitation {
		err := c.pool.QueryRow(ctx, sqlIsListed, p.ID, b.Code, invitedList, w.Member).Scan(&at.invited)
		if err != nil {
			return fmt.Errorf("benefits: read invitation: %w", err)
		}
	}
	if w.seats.offer {
		return nil
	}
	list, err := c.waiting(ctx, p, b.Code)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(other Waiting) bool { return other.Member == w.Member })
	if len(list) == 0 {
		return nil
	}
	own := []Waiting{{Member: w.Member}}
	if err := c.rank(ctx, p, own); err != nil {
		return err
	}
	at.queued = list[0].rank >= own[0].rank
	return nil
}

// waiting reads who waits for a seat of an event, in the order in which they are offered one: by tier, then by time.
func (c *Catalog) waiting(ctx context.Context, p *ledger.Programme, event string) ([]Waiting, error) {
	rows, err := c.pool.Query(ctx, sqlReadListed, p.ID, event, waitingList)
	if err != nil {
		return nil, fmt.Errorf("benefits: read waiting list: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanWaiting)
	if err != nil {
		return nil, fmt.Errorf("benefits: read waiting list: %w", err)
	}
	if len(list) == 0 {
		return nil, nil
	}
	if err := c.rank(ctx, p, list); err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(x, y Waiting) int { return cmp.Compare(y.rank, x.rank) })
	return list, nil
}

func scanWaiting(row pgx.CollectableRow) (Waiting, error) {
	var w Waiting
	var wanted string
	if err := row.Scan(&w.Member, &w.entry, &w.Since, &w.channel, &wanted); err != nil {
		return w, err
	}
	w.Since = w.Since.UTC()
	err := json.Unmarshal([]byte(wanted), &w.wanted)
	w.Seats = 1 + int64(len(w.wanted.Guests))
	return w, err
}

// rank fills in each member's place in the ladder as it is now.
func (c *Catalog) rank(ctx context.Context, p *ledger.Programme, list []Waiting) error {
	s, err := c.section(p)
	if err != nil {
		return err
	}
	members := make([]string, len(list))
	for i, w := range list {
		members[i] = w.Member
	}
	who, err := c.earners(ctx, p.ID, members)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].rank = s.tiers.rank(who[list[i].Member].Tier)
	}
	return nil
}

// list puts members on a list; who is on it stays there as they are.
func (c *Catalog) list(ctx context.Context, programme uuid.UUID, event, list string, members []string, entries []uuid.UUID, at time.Time, r ledger.Request, wanted waitingFor) error {
	text, err := json.Marshal(wanted)
	if err != nil {
		return fmt.Errorf("benefits: what is waited for: %w", err)
	}
	_, err = c.pool.Exec(ctx, sqlInsertListed, programme, event, list, members, entries, at, r.Actor, r.Channel, string(text))
	if err != nil {
		return fmt.Errorf("benefits: write list of event: %w", err)
	}
	return nil
}

// unlist takes a member off a list.
func (c *Catalog) unlist(ctx context.Context, programme uuid.UUID, event, list, member string) error {
	if _, err := c.pool.Exec(ctx, sqlDeleteListed, programme, event, list, member); err != nil {
		return fmt.Errorf("benefits: write list of event: %w", err)
	}
	return nil
}

// event returns a benefit that is an event, with what is its own, or NOT_FOUND.
func (s *section) event(code string) (*Benefit, error) {
	b, err := s.benefit(code)
	if err == nil && b.Event == nil {
		return nil, refuse(ledger.NotFoundReason, "event", code)
	}
	return b, err
}
