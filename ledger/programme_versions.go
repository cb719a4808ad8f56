package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	sqlReadVersion = `
SELECT v.version, v.applied_at, v.applied_by, v.hash
FROM programme_versions AS v
WHERE v.programme_id = $1 AND v.version = $2`

	sqlListVersions = `
SELECT v.version, v.applied_at, v.applied_by, v.hash
FROM programme_versions AS v
WHERE v.programme_id = $1 AND v.version < $2
ORDER BY v.version DESC
LIMIT $3`
)

// Version is the record of one version of a programme's document, which never changes.
type Version struct {
	Number    int64     // from 1 on, without a gap
	AppliedAt time.Time // by the database's clock, also in a sandbox
	AppliedBy string
	Hash      []byte // over the row, its document and the version before it
}

// ReadVersion returns a version of a programme and its document, byte for byte as it was applied, or NOT_FOUND. Version 0
// is the current one.
func (l *Ledger) ReadVersion(ctx context.Context, programme uuid.UUID, version int64) (Version, []byte, error) {
	if version == 0 {
		state, err := l.State(ctx, programme)
		if err != nil {
			return Version{}, nil, err
		}
		version = state.Version
	}
	v, err := readVersion(ctx, l.posting, programme, version)
	if errors.Is(err, pgx.ErrNoRows) {
		return v, nil, refuse(NotFoundReason, "programme", programme.String(), "version", fmt.Sprint(version))
	}
	if err != nil {
		return v, nil, err
	}
	text, err := readDocument(ctx, l.posting, programme, version)
	return v, []byte(text), err
}

// ListVersions returns up to limit versions of a programme that are older than before, the newest first; before 0 begins
// with the current one.
func (l *Ledger) ListVersions(ctx context.Context, programme uuid.UUID, before int64, limit int) ([]Version, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := l.posting.Query(ctx, sqlListVersions, programme, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list programme versions: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Version, error) { return scanVersion(row) })
}

func readVersion(ctx context.Context, q rower, programme uuid.UUID, version int64) (Version, error) {
	v, err := scanVersion(q.QueryRow(ctx, sqlReadVersion, programme, version))
	if err != nil {
		return v, fmt.Errorf("read programme version %d: %w", version, err)
	}
	return v, nil
}

func scanVersion(row pgx.Row) (v Version, err error) {
	err = row.Scan(&v.Number, &v.AppliedAt, &v.AppliedBy, &v.Hash)
	v.AppliedAt = v.AppliedAt.UTC()
	return v, err
}
