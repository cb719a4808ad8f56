package benefits

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
	"tallystick/ledger"
)

// memberChange is one change of one member's facts.
type memberChange struct {
	what   string // "enrol", "update", …
	member string
	// content is all that is asked for, which a retry must repeat.
	content any
	// enrols is set when the member must not be there yet; otherwise it must.
	enrols bool
	// expected is the version that the caller saw; zero for whatever it is.
	expected int64
	// decide changes the facts, or refuses.
	decide func(m *Member, at deciding) error
}

// deciding is what a change of a member's facts is decided with.
type deciding struct {
	terms *MemberTerms
	now   time.Time
	// kinds are those of the members that decide looks at besides its own.
	kinds func(member string) (MemberKind, error)
}

const (
	// The row that a change locks; a member who was not enrolled gets an empty one, which nobody else ever sees.
	sqlInsertMember = `
INSERT INTO members (programme_id, member, version, changed_at, kind, plan, region, segments, language, enrolled_at,
  birth_month, birth_day, attributes, numbers, organisations, households)
VALUES ($1, $2, 0, $3, '', '', '', '{}'::text[], '', $3, 0, 0, '{}', '{}'::text[], '[]', '[]')
ON CONFLICT (programme_id, member) DO NOTHING`

	sqlLockMember = `
SELECT m.version
FROM members AS m
WHERE m.programme_id = $1 AND m.member = $2
FOR UPDATE`

	sqlUpdateMember = `
UPDATE members SET version = $3, changed_at = $4, kind = $5, plan = $6, region = $7, segments = $8::text[],
  language = $9, enrolled_at = $10, birth_month = $11, birth_day = $12, attributes = $13, numbers = $14::text[],
  organisations = $15, households = $16
WHERE programme_id = $1 AND member = $2`

	sqlInsertMemberVersion = `
INSERT INTO member_versions (programme_id, member, version, changed_at, kind, plan, region, segments, language,
  enrolled_at, birth_month, birth_day, attributes, numbers, organisations, households,
  request_id, request_hash, what, client, idempotency_key, actor, channel, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text[], $9, $10, $11, $12, $13, $14::text[], $15, $16,
  $17, $18, $19, $20, $21, $22, $23, $24)
ON CONFLICT (programme_id, request_id) DO NOTHING`

	sqlReadMemberRequest = `
SELECT v.member, v.version, v.request_hash
FROM member_versions AS v
WHERE v.programme_id = $1 AND v.request_id = $2`

	sqlDeleteTerms = `
DELETE FROM member_terms AS t
USING unnest($2::text[], $3::text[], $4::text[]) AS u (field, value, slot)
WHERE t.programme_id = $1 AND t.field = u.field AND t.value = u.value AND t.slot = u.slot`

	sqlInsertTerms = `
INSERT INTO member_terms (programme_id, field, value, slot, member)
SELECT $1, u.field, u.value, u.slot, $2
FROM unnest($3::text[], $4::text[], $5::text[]) AS u (field, value, slot)
ON CONFLICT (programme_id, field, value, slot) DO NOTHING`
)

// errPreview ends the transaction of a preview, which must not commit.
var errPreview = errors.New("benefits: preview")

// changeMember makes a change of a member's facts, its version and what the member is found by, in one transaction that
// locks the member. A retry answers the version that the first call made; a refusal leaves its key free. A preview decides
// the same and leaves nothing.
func (c *Catalog) changeMember(ctx context.Context, programme uuid.UUID, ch memberChange, r ledger.Request, preview bool) (Member, error) {
	t, s, err := c.current(ctx, programme)
	if err != nil {
		return Member{}, err
	}
	var m Member
	err = db.InTx(ctx, c.pool, db.Locked, func(tx pgx.Tx) error {
		if err := lockMember(ctx, tx, programme, ch, t.Now); err != nil {
			return err
		}
		if m, err = ch.replay(ctx, tx, programme, r); err != nil || m.Version > 0 {
			return err
		}
		before, err := readMembers(ctx, tx, programme, []string{ch.member})
		if err != nil {
			return err
		}
		after, err := ch.next(before[0], deciding{terms: s.members, now: t.Now, kinds: kindsIn(ctx, tx, programme)})
		if err != nil {
			return err
		}
		if err := saveMember(ctx, tx, programme, before[0], after, ch, r); err != nil {
			return err
		}
		if m, err = readVersion(ctx, tx, programme, ch.member, after.Version); err == nil && preview {
			return errPreview
		}
		return err
	})
	if errors.Is(err, errPreview) {
		err = nil
	}
	if err != nil {
		return Member{}, err
	}
	return m, nil
}

// lockMember locks the member's row, which an enrolment makes. Of two that change a member at once the second waits here.
func lockMember(ctx context.Context, tx pgx.Tx, programme uuid.UUID, ch memberChange, now time.Time) error {
	if ch.enrols {
		if _, err := tx.Exec(ctx, sqlInsertMember, programme, ch.member, now); err != nil {
			return fmt.Errorf("benefits: insert member: %w", err)
		}
	}
	var version int64
	err := tx.QueryRow(ctx, sqlLockMember, programme, ch.member).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		return refuse(ledger.NotFoundReason, "member", ch.member)
	}
	if err != nil {
		return fmt.Errorf("benefits: lock member: %w", err)
	}
	return nil
}

// next is the member after the change, or why there is none.
func (ch memberChange) next(before Member, at deciding) (Member, error) {
	switch {
	case ch.enrols && before.Version > 0:
		return Member{}, refuse(ledger.MemberEnrolled)
	case ch.expected != 0 && ch.expected != before.Version:
		return Member{}, refuse(ledger.MemberChanged, "version", fmt.Sprint(before.Version))
	}
	next := before
	next.Version, next.ChangedAt = before.Version+1, at.now
	if before.ChangedAt.After(at.now) {
		next.ChangedAt = before.ChangedAt
	}
	err := ch.decide(&next, at)
	return next, err
}

func requestID(programme uuid.UUID, r ledger.Request) uuid.UUID {
	return uuid.NewSHA1(programme, []byte("member request\x00"+r.Client+"\x00"+r.Key))
}

// hash is of everything that a retry must repeat.
func (ch memberChange) hash(r ledger.Request) []byte {
	sum := sha256.Sum256([]byte(encode([]any{ch.what, ch.member, ch.content, ch.expected, r.Channel, r.Reason})))
	return sum[:]
}

// replay answers a request whose key was used: with the version that it made, or with a refusal if it asked for
// something else. Version 0 says that the key is free.
func (ch memberChange) replay(ctx context.Context, tx pgx.Tx, programme uuid.UUID, r ledger.Request) (Member, error) {
	var member string
	var version int64
	var hash []byte
	err := tx.QueryRow(ctx, sqlReadMemberRequest, programme, requestID(programme, r)).Scan(&member, &version, &hash)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Member{}, nil
	case err != nil:
		return Member{}, fmt.Errorf("benefits: read member request: %w", err)
	case !bytes.Equal(hash, ch.hash(r)):
		return Member{}, refuse(ledger.IdempotencyKeyReused)
	}
	return readVersion(ctx, tx, programme, member, version)
}

// readVersion reads one version of a member that there is.
func readVersion(ctx context.Context, tx pgx.Tx, programme uuid.UUID, member string, version int64) (Member, error) {
	versions, err := readVersions(ctx, tx, programme, member, version+1, 1)
	if err != nil {
		return Member{}, err
	}
	return versions[0].Member, nil
}

// kindsIn finds what a member is. Nobody's kind ever changes, so no lock is needed.
func kindsIn(ctx context.Context, tx pgx.Tx, programme uuid.UUID) func(string) (MemberKind, error) {
	return func(member string) (MemberKind, error) {
		found, err := readMembers(ctx, tx, programme, []string{member})
		if err != nil {
			return "", err
		}
		if found[0].Version == 0 {
			return "", refuse(ledger.NotFoundReason, "member", member)
		}
		return found[0].Kind, nil
	}
}

// saveMember writes a version, the member as it is now, and what the member is found by.
func saveMember(ctx context.Context, tx pgx.Tx, programme uuid.UUID, before, m Member, ch memberChange, r ledger.Request) error {
	columns := []any{
		programme, m.Ref, m.Version, m.ChangedAt, string(m.Kind), m.Plan, m.Region, orEmpty(m.Segments), m.Language,
		m.EnrolledAt, int16(m.BirthMonth), int16(m.BirthDay), encodeAttributes(m.Attributes), orEmpty(m.Numbers),
		encode(orEmpty(m.Organisations)), encode(orEmpty(m.Households)),
	}
	if _, err := tx.Exec(ctx, sqlUpdateMember, columns...); err != nil {
		return fmt.Errorf("benefits: update member: %w", err)
	}
	columns = append(columns, requestID(programme, r), ch.hash(r), ch.what, r.Client, r.Key, r.Actor, r.Channel, r.Reason)
	tag, err := tx.Exec(ctx, sqlInsertMemberVersion, columns...)
	switch {
	case err != nil:
		return fmt.Errorf("benefits: insert member version: %w", err)
	case tag.RowsAffected() == 0: // the same key, at the same moment, about another member
		return refuse(ledger.IdempotencyKeyReused)
	}
	return saveTerms(ctx, tx, programme, m.Ref, before.terms(), m.terms())
}

// saveTerms writes the difference between what a member was found by and is.
func saveTerms(ctx context.Context, tx pgx.Tx, programme uuid.UUID, member string, before, after []term) error {
	gone := columnsOf(member, before, after)
	if _, err := tx.Exec(ctx, sqlDeleteTerms, programme, gone.fields, gone.values, gone.slots); err != nil {
		return fmt.Errorf("benefits: delete terms: %w", err)
	}
	fresh := columnsOf(member, after, before)
	tag, err := tx.Exec(ctx, sqlInsertTerms, programme, member, fresh.fields, fresh.values, fresh.slots)
	switch {
	case err != nil:
		return fmt.Errorf("benefits: insert terms: %w", err)
	case tag.RowsAffected() < int64(len(fresh.fields)):
		return refuse(ledger.NumberTaken)
	}
	return nil
}

type termColumns struct{ fields, values, slots []string }

// columnsOf lists those of some terms that are not among others.
func columnsOf(member string, some, others []term) termColumns {
	c := termColumns{fields: []string{}, values: []string{}, slots: []string{}}
	for _, t := range some {
		if _, both := slices.BinarySearchFunc(others, t, compareTerms); both {
			continue
		}
		c.fields, c.values, c.slots = append(c.fields, t.field), append(c.values, t.value), append(c.slots, t.slot(member))
	}
	return c
}

// slot is empty for what one member alone may have.
func (t term) slot(member string) string {
	if t.field == termNumber {
		return ""
	}
	return member
}

func compareTerms(a, b term) int {
	return cmp.Or(strings.Compare(a.field, b.field), strings.Compare(a.value, b.value))
}

// orEmpty is a list that is never NULL.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
