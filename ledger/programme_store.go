package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
	"tallystick/internal/document"
)

const (
	sqlReadVersion = `
SELECT v.document
FROM programme_versions AS v
WHERE v.programme_id = $1 AND v.version = $2`

	sqlReadVersionHash = `
SELECT v.hash
FROM programme_versions AS v
WHERE v.programme_id = $1 AND v.version = $2`

	sqlInsertProgramme = `
INSERT INTO programmes (id, name, sandbox, clock, open_from, version)
VALUES ($1, $2, $3, $4, $5, 0)
ON CONFLICT (id) DO NOTHING`

	sqlInsertStripes = `
INSERT INTO stripes (programme_id, stripe, seals, events, head, lease_owner, lease_until)
SELECT $1, u.stripe, 0, 0, ''::bytea, $3, $4
FROM unnest($2::int2[]) AS u (stripe)
ON CONFLICT (programme_id, stripe) DO NOTHING`

	sqlInsertVersion = `
INSERT INTO programme_versions (programme_id, version, document, applied_at, hash)
VALUES ($1, $2, $3, $4, $5)`

	sqlUpdateVersion = `
UPDATE programmes SET version = $2 WHERE id = $1`
)

// sandboxEpoch is where a new sandbox's clock stands, before any event that anybody would want to play.
var sandboxEpoch = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)

// ApplyProgramme makes the document the programme's current version, atomically, and returns it. A document that is
// already current changes nothing. Whether a programme is a sandbox is decided once, when it is first applied; a unit,
// once declared, keeps its kind and its decimal places for ever.
func (l *Ledger) ApplyProgramme(ctx context.Context, text []byte) (*Programme, error) {
	p, err := ParseProgramme(text, 0)
	if err != nil {
		return nil, err
	}
	err = db.InTx(ctx, l.posting, db.Locked, func(tx dbTx) error {
		current, sandbox, now, err := lockProgramme(ctx, tx, p)
		if err != nil {
			return err
		}
		if sandbox != p.Sandbox {
			return refuse(NotSandbox, "programme", p.Name, "sandbox", fmt.Sprint(sandbox))
		}
		p.Version = current
		if current > 0 {
			before, err := l.programmeAt(ctx, tx, p.ID, current)
			if err != nil || bytes.Equal(before.Document, text) {
				return err
			}
			if err := p.keeps(before); err != nil {
				return err
			}
		}
		p.Version++
		return insertVersion(ctx, tx, p, now)
	})
	return p, err
}

// PreviewProgramme checks a document as ApplyProgramme does and writes nothing. It returns the programme that the document
// declares, with the version that it would have, and the document that is current now, nil when there is none.
func (l *Ledger) PreviewProgramme(ctx context.Context, text []byte) (p *Programme, current []byte, err error) {
	if p, err = ParseProgramme(text, 1); err != nil {
		return nil, nil, err
	}
	before, err := l.Programme(ctx, p.ID)
	switch {
	case errors.Is(err, &Refusal{Reason: NotFoundReason}):
		return p, nil, nil
	case err != nil:
		return nil, nil, err
	case before.Sandbox != p.Sandbox:
		return nil, nil, refuse(NotSandbox, "programme", p.Name, "sandbox", fmt.Sprint(before.Sandbox))
	}
	p.Version = before.Version
	if !bytes.Equal(before.Document, text) {
		p.Version++
	}
	return p, before.Document, p.keeps(before)
}

// DocumentAt returns a version of a programme's document, byte for byte as it was applied, or NOT_FOUND.
func (l *Ledger) DocumentAt(ctx context.Context, id uuid.UUID, version int64) ([]byte, error) {
	text, err := readDocument(ctx, l.posting, id, version)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, refuse(NotFoundReason, "programme", id.String(), "version", fmt.Sprint(version))
	}
	return []byte(text), err
}

// insertVersion makes p the programme's current version, chained to the one before it.
func insertVersion(ctx context.Context, tx dbTx, p *Programme, now time.Time) error {
	var head []byte
	if p.Version > 1 {
		if err := tx.QueryRow(ctx, sqlReadVersionHash, p.ID, p.Version-1).Scan(&head); err != nil {
			return fmt.Errorf("read programme version %d: %w", p.Version-1, err)
		}
	}
	hash := chainVersion(head, p.ID, p.Version, p.Document, now)
	if _, err := tx.Exec(ctx, sqlInsertVersion, p.ID, p.Version, string(p.Document), now, hash); err != nil {
		return fmt.Errorf("insert programme version: %w", err)
	}
	_, err := tx.Exec(ctx, sqlUpdateVersion, p.ID, p.Version)
	return err
}

// keeps refuses a version that would strand or redefine what accounts hold under the one before.
func (p *Programme) keeps(before *Programme) error {
	doc := document.Read(p.Document)
	for code, was := range before.Units {
		is, declared := p.Units[code]
		switch {
		case !declared:
			doc.At("units").Wrong(fmt.Sprintf("unit %s is gone, and it may hold balances", code), "declare it as it was; a unit is never removed")
		case is.Kind != was.Kind:
			doc.At("units", code, "kind").Wrong(fmt.Sprintf("it was %s, and a unit's kind never changes", was.Kind), "use "+string(was.Kind))
		case is.Scale < was.Scale:
			doc.At("units", code, "scale").Wrong(fmt.Sprintf("amounts with %d decimal places may exist", was.Scale), fmt.Sprintf("use %d or more", was.Scale))
		}
	}
	p.keepsLadders(before, doc)
	return doc.Err()
}

// keepsLadders refuses a version that moves a tier to another group or past another tier: who holds one would rise or fall
// without a decision. Tiers may be added anywhere.
func (p *Programme) keepsLadders(before *Programme, doc *document.Document) {
	for group, ladder := range before.Ladders {
		last := -1
		for _, tier := range ladder {
			rank := slices.Index(p.Ladders[group], tier)
			if rank <= last {
				doc.At("tiers", group, "ladder", tier).Wrong("the tier changed its group or its place", "leave it in "+group+", and the tiers in their order")
			}
			last = rank
		}
	}
}

// lockProgramme makes sure that the programme exists and locks all of its stripes, as every change of it does.
func lockProgramme(ctx context.Context, tx dbTx, p *Programme) (version int64, sandbox bool, now time.Time, err error) {
	stripes := allStripes()
	if _, err := tx.Exec(ctx, sqlInsertProgramme, p.ID, p.Name, p.Sandbox, sandboxEpoch, sandboxEpoch); err != nil {
		return 0, false, now, fmt.Errorf("insert programme: %w", err)
	}
	if _, err := tx.Exec(ctx, sqlInsertStripes, p.ID, stripes, uuid.Nil, sandboxEpoch); err != nil {
		return 0, false, now, fmt.Errorf("insert stripes: %w", err)
	}
	if _, err := tx.Exec(ctx, sqlLockStripes, p.ID, stripes); err != nil {
		return 0, false, now, fmt.Errorf("lock stripes: %w", err)
	}
	var clock, openFrom time.Time
	err = tx.QueryRow(ctx, sqlReadProgramme, p.ID).Scan(&version, &sandbox, &clock, &openFrom, &now)
	return version, sandbox, now, err
}

// rower reads one row: a pool or a transaction.
type rower interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func readDocument(ctx context.Context, q rower, id uuid.UUID, version int64) (string, error) {
	var text string
	err := q.QueryRow(ctx, sqlReadVersion, id, version).Scan(&text)
	return text, err
}

// programmeAt returns one version of a programme, which never changes, and remembers it.
func (l *Ledger) programmeAt(ctx context.Context, q rower, id uuid.UUID, version int64) (*Programme, error) {
	key := programmeVersion{id, version}
	if p, cached := l.programmes.Load(key); cached {
		return p.(*Programme), nil
	}
	text, err := readDocument(ctx, q, id, version)
	if err != nil {
		return nil, fmt.Errorf("read programme version %d: %w", version, err)
	}
	p, err := ParseProgramme([]byte(text), version)
	if err != nil { // not the caller's document: it was valid when it was applied
		return nil, fmt.Errorf("programme version %d: %v", version, err) //nolint:errorlint // see above
	}
	l.programmes.Store(key, p)
	return p, nil
}

// Document returns the current document of a programme and its version, or NOT_FOUND.
func (l *Ledger) Document(ctx context.Context, id uuid.UUID) (text []byte, version int64, err error) {
	state, err := l.State(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	current, err := readDocument(ctx, l.posting, id, state.Version)
	return []byte(current), state.Version, err
}

// Programme returns the current version of a programme, or NOT_FOUND.
func (l *Ledger) Programme(ctx context.Context, id uuid.UUID) (*Programme, error) {
	state, err := l.State(ctx, id)
	if err != nil {
		return nil, err
	}
	return l.programmeAt(ctx, l.posting, id, state.Version)
}

// State is what decides postings of a programme besides its document.
type State struct {
	Version  int64
	Sandbox  bool
	Now      time.Time // the sandbox's clock, or the database's
	OpenFrom time.Time
}

// State reads a programme's state, or NOT_FOUND.
func (l *Ledger) State(ctx context.Context, id uuid.UUID) (State, error) {
	return scanState(l.posting.QueryRow(ctx, sqlReadState, id), id)
}

func scanState(row pgx.Row, id uuid.UUID) (State, error) {
	var s State
	var clock time.Time
	err := row.Scan(&s.Version, &s.Sandbox, &clock, &s.OpenFrom, &s.Now)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, refuse(NotFoundReason, "programme", id.String())
	}
	if s.Sandbox {
		s.Now = clock
	}
	s.Now, s.OpenFrom = s.Now.UTC(), s.OpenFrom.UTC()
	return s, err
}

const sqlReadState = `
SELECT p.version, p.sandbox, p.clock, p.open_from, clock_timestamp()
FROM programmes AS p
WHERE p.id = $1`
