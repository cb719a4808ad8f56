package benefits

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// MemberFilter chooses members: those that all of its fields fit. Empty fields fit everybody.
type MemberFilter struct {
	Kind    MemberKind
	Status  MemberStatus
	Plan    string
	Region  string // or any region in it
	Segment string
	Of      string // an organisation or a household, now, once or later
}

// members are read from the index that promises the fewest rows, a bounded number at a time, and fitted to the whole filter.
const (
	sqlMembersByTerm = `
SELECT m.member
FROM unnest($3::text[]) AS u (value)
CROSS JOIN LATERAL (
  SELECT i.slot AS member
  FROM member_terms AS i
  WHERE i.programme_id = $1 AND i.field = $2 AND i.value = u.value AND i.slot > $4
  ORDER BY i.slot
  LIMIT $5
) AS m
ORDER BY m.member
LIMIT $5`

	sqlMembersFrozen = `
SELECT f.member
FROM freezes AS f
JOIN members AS m ON m.programme_id = f.programme_id AND m.member = f.member
WHERE f.programme_id = $1 AND f.member > $2
ORDER BY f.member
LIMIT $3`

	sqlMembersAll = `
SELECT m.member
FROM members AS m
WHERE m.programme_id = $1 AND m.member > $2
ORDER BY m.member
LIMIT $3`
)

// candidates are how many members one page looks at for each that it may hold: a page of a rare combination can be short,
// even empty, and still not be the last.
const candidates = 20

// ListMembers reads enrolled members in order of their references: at most limit after one, and the reference after which
// the next page begins, empty behind the last. A page may hold fewer than limit, or none, and not be the last.
func (c *Catalog) ListMembers(ctx context.Context, programme uuid.UUID, f MemberFilter, after string, limit int) (page []Member, next string, err error) {
	_, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, "", err
	}
	regions := s.members.Regions.under(f.Region)
	most := limit * candidates
	refs, err := c.candidates(ctx, programme, f, regions, after, most)
	if err != nil {
		return nil, "", err
	}
	for chunk := range slices.Chunk(refs, limit) {
		list, err := c.inOrder(ctx, programme, chunk)
		if err != nil {
			return nil, "", err
		}
		for _, m := range list {
			switch {
			case !f.fits(m, regions):
			case len(page) == limit:
				return page, page[limit-1].Ref, nil
			default:
				page = append(page, m)
			}
		}
	}
	if len(refs) == most {
		next = refs[most-1]
	}
	return page, next, nil
}

// candidates reads the references of members who may fit, at most so many.
func (c *Catalog) candidates(ctx context.Context, programme uuid.UUID, f MemberFilter, regions []string, after string, most int) ([]string, error) {
	var rows pgx.Rows
	var err error
	byTerm := func(field string, values ...string) (pgx.Rows, error) {
		return c.pool.Query(ctx, sqlMembersByTerm, programme, field, values, after, most)
	}
	switch {
	case f.Of != "":
		rows, err = byTerm(termOf, f.Of)
	case f.Segment != "":
		rows, err = byTerm(termSegment, f.Segment)
	case f.Status != "" && f.Status != MemberActive:
		rows, err = c.pool.Query(ctx, sqlMembersFrozen, programme, after, most)
	case f.Plan != "":
		rows, err = byTerm(termPlan, f.Plan)
	case f.Region != "":
		rows, err = byTerm(termRegion, regions...)
	case f.Kind != "":
		rows, err = byTerm(termKind, string(f.Kind))
	default:
		rows, err = c.pool.Query(ctx, sqlMembersAll, programme, after, most)
	}
	if err != nil {
		return nil, fmt.Errorf("benefits: list members: %w", err)
	}
	refs, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("benefits: list members: %w", err)
	}
	return refs, nil
}

// inOrder reads members in the order of their references, which is the database's.
func (c *Catalog) inOrder(ctx context.Context, programme uuid.UUID, refs []string) ([]Member, error) {
	list, err := readMembers(ctx, c.pool, programme, refs)
	slices.SortFunc(list, func(x, y Member) int { return slices.Index(refs, x.Ref) - slices.Index(refs, y.Ref) })
	return list, err
}

// fits decides the whole filter. regions are the filter's and those in it.
func (f MemberFilter) fits(m Member, regions []string) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return is(string(f.Kind), string(m.Kind)) && is(string(f.Status), string(m.Status)) && is(f.Plan, m.Plan) &&
		(f.Region == "" || slices.Contains(regions, m.Region)) &&
		(f.Segment == "" || slices.Contains(m.Segments, f.Segment)) &&
		(f.Of == "" || slices.ContainsFunc(slices.Concat(m.Organisations, m.Households), func(l Membership) bool { return l.Of == f.Of }))
}
