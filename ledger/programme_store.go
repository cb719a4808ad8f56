package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/internal/document"
)

const (
	sqlReadDocument = `
SELECT v.document
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
)

// sandboxEpoch is where a new sandbox's clock stands, before any event that anybody would want to play.
var sandboxEpoch = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)

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
	err := q.QueryRow(ctx, sqlReadDocument, id, version).Scan(&text)
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

// Terms are what is decided by: the version of a programme's document that is in force, and the time that it is there.
type Terms struct {
	*Programme
	Now time.Time // the sandbox's clock, or the database's
}

// Terms returns the terms of a programme, or NOT_FOUND.
func (l *Ledger) Terms(ctx context.Context, id uuid.UUID) (Terms, error) {
	state, err := l.State(ctx, id)
	if err != nil {
		return Terms{}, err
	}
	p, err := l.programmeAt(ctx, l.posting, id, state.Version)
	return Terms{p, state.Now}, err
}

// Programme returns the current version of a programme, or NOT_FOUND.
func (l *Ledger) Programme(ctx context.Context, id uuid.UUID) (*Programme, error) {
	terms, err := l.Terms(ctx, id)
	return terms.Programme, err
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
