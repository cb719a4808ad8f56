package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tallystick/internal/db"
	"tallystick/internal/document"
)

const (
	sqlInsertVersion = `
INSERT INTO programme_versions (programme_id, version, document, applied_at, applied_by, hash)
VALUES ($1, $2, $3, $4, $5, $6)`

	sqlUpdateVersion = `
UPDATE programmes SET version = $2 WHERE id = $1`
)

// Application is a document that somebody wants to make a programme's current version.
type Application struct {
	Document []byte
	// By is who applies it, which the books keep: 1 to 256 bytes.
	By string
	// Of is the programme that the document must be of; uuid.Nil: of whichever it names.
	Of uuid.UUID
	// After is the version that the document was made from, when it must still be the current one; 0: any.
	After int64
	// Posts are what the document makes the books say, such as the stock that it publishes. Each is posted once, under its
	// key, however often it comes.
	Posts []Request
	// Preview decides everything by the same code, and writes nothing.
	Preview bool
}

// Applied is the programme as it is after an application, or would be after a preview.
type Applied struct {
	*Programme
	// Record is the version's row. Of a preview only its number is known.
	Record Version
	// Before is the document that was current; nil when there was none.
	Before []byte
	// Posted has the transaction of each of the posts that was posted now, and nil for those that were before.
	Posted []*Transaction
}

// PostError is the refusal of one of an application's posts.
type PostError struct {
	Post int // its index
	Err  error
}

func (e *PostError) Error() string { return fmt.Sprintf("post %d: %v", e.Post, e.Err) }

// Unwrap returns the refusal.
func (e *PostError) Unwrap() error { return e.Err }

const maxAppliedBy = 256

// ApplyProgramme makes a document the programme's current version and records what it posts, in one database transaction:
// all of it, or nothing. A document that is already current changes nothing but posts what is missing, whatever After says,
// so a retry is safe. Whether a programme is a sandbox is decided once, when it is first applied; a unit, once declared,
// keeps its kind and its decimal places for ever.
//
// It answers a *document.InvalidError; a *Refusal with PROGRAMME_CHANGED, the current version and the expected one, or with
// NOT_A_SANDBOX; a *PostError; or what became of the database transaction.
func (l *Ledger) ApplyProgramme(ctx context.Context, a Application) (*Applied, error) {
	p, err := ParseProgramme(a.Document, 0)
	if err != nil {
		return nil, err
	}
	if a.By == "" || len(a.By) > maxAppliedBy {
		return nil, refuse(InvalidField, "field", "applied_by")
	}
	if err := l.isOf(ctx, p, a.Of); err != nil {
		return nil, err
	}
	var applied *Applied
	err = db.InTx(ctx, l.posting, db.Locked, func(tx dbTx) error {
		var err error
		if applied, err = l.apply(ctx, tx, *p, a); err == nil && a.Preview {
			applied.Record = Version{Number: applied.Version}
			err = errPreview
		}
		return err
	})
	if err != nil && !errors.Is(err, errPreview) {
		return nil, err
	}
	return applied, nil
}

// isOf refuses the document of another programme.
func (l *Ledger) isOf(ctx context.Context, p *Programme, id uuid.UUID) error {
	if id == uuid.Nil || id == p.ID {
		return nil
	}
	own, err := l.Programme(ctx, id)
	if err != nil {
		return err
	}
	doc := document.Read(p.Document)
	doc.At("programme").Wrong(fmt.Sprintf("%q is another programme", p.Name), "use "+own.Name)
	return doc.Err()
}

// apply locks the programme, adds the version unless it is the current one, and posts.
func (l *Ledger) apply(ctx context.Context, tx dbTx, p Programme, a Application) (*Applied, error) {
	current, sandbox, now, err := lockProgramme(ctx, tx, &p)
	if err != nil {
		return nil, err
	}
	if sandbox != p.Sandbox {
		return nil, refuse(NotSandbox, "programme", p.Name, "sandbox", fmt.Sprint(sandbox))
	}
	before := new(Programme)
	var head Version
	if current > 0 {
		if before, err = l.programmeAt(ctx, tx, p.ID, current); err != nil {
			return nil, err
		}
		if head, err = readVersion(ctx, tx, p.ID, current); err != nil {
			return nil, err
		}
	}
	applied := &Applied{Programme: &p, Record: head, Before: before.Document}
	p.Version = current
	if !bytes.Equal(before.Document, a.Document) {
		if a.After != 0 && a.After != current {
			return nil, refuse(ProgrammeChanged, "version", fmt.Sprint(current), "expected", fmt.Sprint(a.After))
		}
		if err := p.keeps(before); err != nil {
			return nil, err
		}
		p.Version++
		if applied.Record, err = insertVersion(ctx, tx, &p, head.Hash, a.By, now); err != nil {
			return nil, err
		}
	}
	applied.Posted, err = l.postWith(ctx, tx, &p, a.Posts)
	return applied, err
}

// insertVersion makes p the programme's current version, chained to the one before it.
func insertVersion(ctx context.Context, tx dbTx, p *Programme, head []byte, by string, now time.Time) (Version, error) {
	v := Version{Number: p.Version, AppliedAt: now.UTC().Truncate(time.Microsecond), AppliedBy: by}
	v.Hash = chainVersion(head, p.ID, &v, p.Document)
	if _, err := tx.Exec(ctx, sqlInsertVersion, p.ID, v.Number, string(p.Document), v.AppliedAt, v.AppliedBy, v.Hash); err != nil {
		return v, fmt.Errorf("insert programme version: %w", err)
	}
	if _, err := tx.Exec(ctx, sqlUpdateVersion, p.ID, v.Number); err != nil {
		return v, fmt.Errorf("update programme: %w", err)
	}
	return v, nil
}

// postWith decides and saves requests in a transaction that holds all stripes of the programme, under a version that nobody
// else sees yet: it must not get into the cache of versions.
func (l *Ledger) postWith(ctx context.Context, tx dbTx, p *Programme, requests []Request) ([]*Transaction, error) {
	if len(requests) == 0 {
		return nil, nil
	}
	items := []*Item{{Requests: kept(requests)}}
	w, err := l.gather(ctx, tx, p.ID, items, 0)
	if err != nil {
		return nil, err
	}
	w.book.begin(p, w.now())
	posted := make([]*Transaction, len(requests))
	for i, o := range w.apply(items)[0] {
		if o.err == nil && o.tx != nil {
			o.err = o.tx.Err()
		}
		if o.err != nil {
			return nil, &PostError{Post: i, Err: o.err}
		}
		posted[i] = o.tx
	}
	return posted, w.save(ctx, tx, w.leased)
}
