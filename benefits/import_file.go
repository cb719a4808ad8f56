package benefits

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tallystick/internal/sheet"
	"tallystick/ledger"
)

// Import is how far a file has come, in lines.
type Import struct {
	Read     int64 // of which the others are parts
	Recorded int64 // came into the books now
	Known    int64 // had been recorded before, by this file or otherwise
	Nothing  int64 // changed nothing
	Rejected int64
}

// Verdict is why a line is not in the books.
type Verdict struct {
	Line int
	Key  string
	sheet.Problem
}

// importChunk is how many lines are posted, and how far the file has come is noted, at a time.
const importChunk = ledger.MaxBatch

// SourceFile is a file that is imported. Content is the hash of all of it: started again on the same file, an import goes on after
// the last lines that it noted. Tell hears how far it has come, Reject why a line is not in the books.
type SourceFile struct {
	Lines   io.Reader
	Content [sha256.Size]byte
	Tell    func(Import)
	Reject  func(Verdict) error
}

// importLine is a line of a file on its way, of which item is what it says.
type importLine[T any] struct {
	number  int
	key     string
	problem *sheet.Problem // why it is rejected
	item    T
}

// fileImport takes a file into the books in chunks. parse reads a line; prepare reads what decides those of a chunk, while the
// chunk before is posted; post decides those that can be read, says of each what became of it, and returns those that it has
// to be asked for again, which are prepared anew.
type fileImport[T any] struct {
	*Catalog
	programme *ledger.Programme
	what      string
	parse     func(sheet.Row) importLine[T]
	prepare   func(context.Context, []*importLine[T]) error // may be nil
	post      func(context.Context, []*importLine[T]) ([]*importLine[T], error)
	reject    func(Verdict) error

	id   uuid.UUID
	done Import
}

const (
	sqlReadImport = `
SELECT i.read, i.recorded, i.known, i.nothing, i.rejected
FROM imports AS i
WHERE i.id = $1`

	sqlSaveImport = `
INSERT INTO imports (id, programme_id, what, read, recorded, known, nothing, rejected)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (id) DO UPDATE
SET read = excluded.read, recorded = excluded.recorded, known = excluded.known, nothing = excluded.nothing, rejected = excluded.rejected`
)

// run reads the next lines while those before are posted.
func (i *fileImport[T]) run(ctx context.Context, rows *sheet.Reader, file SourceFile) (Import, error) {
	i.reject, i.id = file.Reject, uuid.NewSHA1(i.programme.ID, append([]byte(i.what+" "), file.Content[:]...))
	if err := i.begin(ctx); err != nil {
		return Import{}, err
	}
	chunks := make(chan []importLine[T], 1)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(chunks)
		return i.read(ctx, rows, i.done.Read, chunks)
	})
	group.Go(func() error {
		for chunk := range chunks {
			if err := i.record(ctx, chunk); err != nil {
				return err
			}
			if err := i.note(ctx); err != nil {
				return err
			}
			file.Tell(i.done)
		}
		return nil
	})
	err := group.Wait()
	return i.done, err
}

// begin reads how far an earlier run has come.
func (i *fileImport[T]) begin(ctx context.Context) error {
	d := &i.done
	err := i.pool.QueryRow(ctx, sqlReadImport, i.id).Scan(&d.Read, &d.Recorded, &d.Known, &d.Nothing, &d.Rejected)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("benefits: read import: %w", err)
	}
	return nil
}

// note keeps how far the file has come.
func (i *fileImport[T]) note(ctx context.Context) error {
	d := i.done
	if _, err := i.pool.Exec(ctx, sqlSaveImport, i.id, i.programme.ID, i.what, d.Read, d.Recorded, d.Known, d.Nothing, d.Rejected); err != nil {
		return fmt.Errorf("benefits: save import: %w", err)
	}
	return nil
}

// read skips what an earlier run did and hands out the rest in chunks.
func (i *fileImport[T]) read(ctx context.Context, rows *sheet.Reader, skip int64, chunks chan<- []importLine[T]) error {
	var chunk []importLine[T]
	for {
		row, err := rows.Next()
		switch end := errors.Is(err, io.EOF); {
		case err != nil && !end:
			return fmt.Errorf("the file: %w", err)
		case end && len(chunk) == 0:
			return nil
		case !end && skip > 0:
			skip--
			continue
		case !end:
			chunk = append(chunk, i.lineOf(row))
		}
		if len(chunk) < importChunk && err == nil {
			continue
		}
		if err := i.ready(ctx, goodOf(chunk)); err != nil {
			return err
		}
		select {
		case chunks <- chunk:
			chunk = nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lineOf reads a line, whose key every kind of file has.
func (i *fileImport[T]) lineOf(row sheet.Row) importLine[T] {
	switch {
	case row.Problem != nil:
		return importLine[T]{number: row.Line, key: row.Cell("key"), problem: row.Problem}
	case !validKey.MatchString(row.Cell("key")):
		problem := &sheet.Problem{Column: "key", Reason: "give each line a key of its own: 1 to 128 letters, digits, _ . : and -"}
		return importLine[T]{number: row.Line, key: row.Cell("key"), problem: problem}
	}
	l := i.parse(row)
	l.number, l.key = row.Line, row.Cell("key")
	return l
}

// goodOf are the lines that can be read.
func goodOf[T any](chunk []importLine[T]) (good []*importLine[T]) {
	for n := range chunk {
		if chunk[n].problem == nil {
			good = append(good, &chunk[n])
		}
	}
	return good
}

// ready reads what decides lines.
func (i *fileImport[T]) ready(ctx context.Context, lines []*importLine[T]) error {
	if i.prepare == nil || len(lines) == 0 {
		return nil
	}
	return i.prepare(ctx, lines)
}

// record posts a chunk and counts what became of each line.
func (i *fileImport[T]) record(ctx context.Context, chunk []importLine[T]) error {
	good, err := i.post(ctx, goodOf(chunk))
	for err == nil && len(good) > 0 { // until none has to be built anew
		if err = i.ready(ctx, good); err == nil {
			good, err = i.post(ctx, good)
		}
	}
	if err != nil {
		return err
	}
	for _, l := range chunk {
		i.done.Read++
		if l.problem == nil {
			continue
		}
		i.done.Rejected++
		if err := i.reject(Verdict{Line: l.number, Key: l.key, Problem: *l.problem}); err != nil {
			return err
		}
	}
	return nil
}

// problemOf says of a refusal which column it is about, as far as the refusal tells.
func problemOf(refusal *ledger.Refusal) *sheet.Problem {
	column := map[ledger.Reason]string{
		ledger.IdempotencyKeyReused: "key", ledger.ReferenceUsed: "reference", ledger.EffectiveInFuture: "at", ledger.PeriodClosed: "at",
		ledger.BackDatingLimit: "at", ledger.MemberFrozen: "member", ledger.NotFoundReason: "activity",
	}[refusal.Reason]
	if refusal.Reason == ledger.InvalidField {
		return &sheet.Problem{Column: refusal.Detail["field"], Reason: refusal.Detail["problem"]}
	}
	return &sheet.Problem{Column: column, Reason: refusal.Error()}
}
