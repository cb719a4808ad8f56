package benefits

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/ledger"
)

// GetMember reads an enrolled member with the status that the journal gives, or answers NOT_FOUND.
func (c *Catalog) GetMember(ctx context.Context, programme uuid.UUID, member string) (Member, error) {
	found, err := readMembers(ctx, c.pool, programme, []string{member})
	if err != nil {
		return Member{}, err
	}
	if found[0].Version == 0 {
		return Member{}, refuse(ledger.NotFoundReason)
	}
	return found[0], nil
}

const sqlMemberOfNumber = `
SELECT t.member
FROM member_terms AS t
WHERE t.programme_id = $1 AND t.field = 'number' AND t.value = $2 AND t.slot = ''`

// MemberOf is the member who has a number, or NOT_FOUND.
func (c *Catalog) MemberOf(ctx context.Context, programme uuid.UUID, number string) (string, error) {
	var member string
	err := c.pool.QueryRow(ctx, sqlMemberOfNumber, programme, number).Scan(&member)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", refuse(ledger.NotFoundReason)
	case err != nil:
		return "", fmt.Errorf("benefits: read number: %w", err)
	default:
		return member, nil
	}
}

// MemberVersion is one version of a member's facts, and the change that made it.
type MemberVersion struct {
	Member         // without a status, which is the journal's to say
	What    string // "enrol", "update", "link", "unlink", "assign" or "release"
	Actor   string
	Channel string
	Reason  string
}

const sqlReadMemberVersions = `
SELECT v.member, v.version, v.changed_at, v.kind, v.plan, v.region, v.segments, v.language, v.enrolled_at,
       v.birth_month, v.birth_day, v.attributes, v.numbers, v.organisations, v.households,
       v.what, v.actor, v.channel, v.reason
FROM member_versions AS v
WHERE v.programme_id = $1 AND v.member = $2 AND v.version < $3
ORDER BY v.version DESC
LIMIT $4`

// MemberHistory reads the versions of a member before one, latest first, at most limit of them. What a change was follows
// from its version and the one before it.
func (c *Catalog) MemberHistory(ctx context.Context, programme uuid.UUID, member string, before int64, limit int) ([]MemberVersion, error) {
	return readVersions(ctx, c.pool, programme, member, before, limit)
}

func readVersions(ctx context.Context, q queryer, programme uuid.UUID, member string, before int64, limit int) ([]MemberVersion, error) {
	rows, err := q.Query(ctx, sqlReadMemberVersions, programme, member, before, limit)
	if err != nil {
		return nil, fmt.Errorf("benefits: read member versions: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (MemberVersion, error) {
		var v MemberVersion
		var attributes, organisations, households string
		var day int16
		err := row.Scan(&v.Ref, &v.Version, &v.ChangedAt, &v.Kind, &v.Plan, &v.Region, &v.Segments, &v.Language, &v.EnrolledAt,
			&v.BirthMonth, &day, &attributes, &v.Numbers, &organisations, &households, &v.What, &v.Actor, &v.Channel, &v.Reason)
		if err != nil {
			return v, err
		}
		v.ChangedAt, v.EnrolledAt, v.BirthDay = v.ChangedAt.UTC(), v.EnrolledAt.UTC(), int(day)
		return v, v.decode(attributes, organisations, households)
	})
	if err != nil {
		return nil, fmt.Errorf("benefits: read member versions: %w", err)
	}
	return list, nil
}
