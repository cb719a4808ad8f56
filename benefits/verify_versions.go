package benefits

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"tallystick/internal/db"
	"tallystick/ledger"
)

const sqlVersionDocument = `
SELECT v.document
FROM programme_versions AS v
WHERE v.programme_id = $1 AND v.version = $2`

// versionReader gives the sections of a programme's versions, for who reads in their order: it remembers the last one, so
// that its memory does not grow with the versions. Versions never change, so they need not be read in one snapshot.
type versionReader struct {
	pool      *db.Pool
	programme uuid.UUID
	version   int64
	last      *section
}

func (v *versionReader) section(ctx context.Context, programme uuid.UUID, version int64) (*section, error) {
	if v.last != nil && v.programme == programme && v.version == version {
		return v.last, nil
	}
	var text string
	if err := v.pool.QueryRow(ctx, sqlVersionDocument, programme, version).Scan(&text); err != nil {
		return nil, fmt.Errorf("version %d: %w", version, err)
	}
	p, err := ledger.ParseProgramme([]byte(text), version)
	if err != nil { // it was valid when it was applied
		return nil, fmt.Errorf("version %d: %v", version, err) //nolint:errorlint // see above
	}
	s, err := parse(p)
	if err != nil {
		return nil, fmt.Errorf("version %d: %v", version, err) //nolint:errorlint // see above
	}
	v.programme, v.version, v.last = programme, version, s
	return s, nil
}
