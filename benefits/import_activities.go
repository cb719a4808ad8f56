package benefits

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
	"golang.org/x/sync/errgroup"

	"tallystick/internal/sheet"
	"tallystick/ledger"
)

// Import is how far a file has come, in lines.
type Import struct {
	Read     int64 // of which the others are parts
	Recorded int64 // accrued something now
	Known    int64 // had been recorded before, by this file or otherwise
	Nothing  int64 // earned nothing
	Rejected int64
}

// Verdict is why a line is not in the books.
type Verdict struct {
	Line int
	Key  string
	sheet.Problem
}

// activityColumns are the columns of every file of activities; the fields of the programme's activities are columns too.
var (
	activityColumns = []string{"key", "member", "activity"}
	optionalColumns = []string{"at", "amount", "gifted", "paid_in_points", "channel", "reference"}
)

// importChunk is how many lines are posted, and how far the file has come is noted, at a time.
const importChunk = ledger.MaxBatch

// ImportActivities records the activities of a CSV file: key, member, activity, and as needed at (RFC 3339, or a local day
// or time of the programme's zone), amount, gifted, paid_in_points, channel, reference and the kind's fields. r gives
// client and actor; the key of a line is the caller's own of that activity, so a line that was recorded before has no
// second effect, whichever file or call brought it. Each line is decided by itself: reject hears why a line is not in the
// books, tell how far the file has come. content is the hash of the whole file: started again on the same file, it goes
// on after the last lines that it noted.
func (c *Catalog) ImportActivities(
	ctx context.Context, programme uuid.UUID, file io.Reader, content [sha256.Size]byte, r ledger.Request, tell func(Import), reject func(Verdict) error,
) (Import, error) {
	p, s, err := c.current(ctx, programme)
	if err != nil {
		return Import{}, err
	}
	fields := s.earning.fieldNames()
	rows, err := sheet.NewReader(file, activityColumns, slices.Concat(optionalColumns, fields))
	if err != nil {
		return Import{}, err
	}
	i := &activityImport{
		Catalog: c, programme: p, fields: fields, r: r, reject: reject,
		id: uuid.NewSHA1(p.ID, append([]byte("activities "), content[:]...)),
	}
	if i.done, err = c.begun(ctx, i.id); err != nil {
		return Import{}, err
	}
	err = i.run(ctx, rows, tell)
	return i.done, err
}

// fieldNames are the fields of all activities.
func (e *Earning) fieldNames() []string {
	names := make(map[string]bool)
	for _, kind := range e.Activities {
		for name := range kind.Fields {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

type activityImport struct {
	*Catalog
	programme *ledger.Programme
	id        uuid.UUID
	fields    []string // of all kinds of activity
	r         ledger.Request
	reject    func(Verdict) error
	done      Import
}

// line is a line of the file on its way.
type line struct {
	number   int
	key      string
	activity Activity
	problem  *sheet.Problem
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

// begun reads how far an earlier run of an import has come.
func (c *Catalog) begun(ctx context.Context, id uuid.UUID) (d Import, err error) {
	err = c.pool.QueryRow(ctx, sqlReadImport, id).Scan(&d.Read, &d.Recorded, &d.Known, &d.Nothing, &d.Rejected)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return d, fmt.Errorf("benefits: read import: %w", err)
	}
	return d, nil
}

// note keeps how far an import has come.
func (c *Catalog) note(ctx context.Context, id, programme uuid.UUID, what string, d Import) error {
	if _, err := c.pool.Exec(ctx, sqlSaveImport, id, programme, what, d.Read, d.Recorded, d.Known, d.Nothing, d.Rejected); err != nil {
		return fmt.Errorf("benefits: save import: %w", err)
	}
	return nil
}

// run reads the next lines while those before are posted.
func (i *activityImport) run(ctx context.Context, rows *sheet.Reader, tell func(Import)) error {
	chunks := make(chan []line, 1)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(chunks)
		return i.read(ctx, rows, chunks)
	})
	group.Go(func() error {
		for chunk := range chunks {
			if err := i.record(ctx, chunk); err != nil {
				return err
			}
			if err := i.note(ctx, i.id, i.programme.ID, "activities", i.done); err != nil {
				return err
			}
			tell(i.done)
		}
		return nil
	})
	return group.Wait()
}

// read skips what an earlier run did and hands out the rest in chunks.
func (i *activityImport) read(ctx context.Context, rows *sheet.Reader, chunks chan<- []line) error {
	skip := i.done.Read
	_, s, err := i.current(ctx, i.programme.ID)
	if err != nil {
		return err
	}
	var chunk []line
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
			chunk = append(chunk, i.lineOf(s.earning, row))
		}
		if len(chunk) < importChunk && err == nil {
			continue
		}
		select {
		case chunks <- chunk:
			chunk = nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lineOf reads an activity from a row.
func (i *activityImport) lineOf(e *Earning, row sheet.Row) line {
	l := line{number: row.Line, key: row.Cell("key"), problem: row.Problem}
	if l.problem != nil {
		return l
	}
	a := &l.activity
	a.Kind, a.Member, a.Channel, a.Reference = row.Cell("activity"), row.Cell("member"), row.Cell("channel"), row.Cell("reference")
	kind := e.Activities[a.Kind]
	switch {
	case !validKey.MatchString(l.key):
		l.problem = &sheet.Problem{Column: "key", Reason: "give each line a key of its own: 1 to 128 letters, digits, _ . : and -"}
	case !validMember.MatchString(a.Member):
		l.problem = &sheet.Problem{Column: "member", Reason: "use 1 to 64 letters, digits, _ . and -"}
	case kind == nil:
		l.problem = &sheet.Problem{Column: "activity", Reason: "the programme has no activity " + strconv.Quote(a.Kind)}
	default:
		l.problem = a.readCells(kind, i.fields, &row, i.programme.Zone)
	}
	return l
}

// readCells reads the columns whose form depends on the kind of activity.
func (a *Activity) readCells(kind *ActivityKind, fields []string, row *sheet.Row, zone *time.Location) *sheet.Problem {
	if text := row.Cell("at"); text != "" {
		var err error
		if a.At, err = parseLocal(text, zone); err != nil {
			return &sheet.Problem{Column: "at", Reason: "use a time such as 2026-03-01T10:00:00+08:00, 2026-03-01 10:00:00 or 2026-03-01"}
		}
	}
	for name, into := range map[string]*decimal.Decimal{"amount": &a.Amount, "gifted": &a.Gifted, "paid_in_points": &a.PaidInPoints} {
		if text := row.Cell(name); text != "" {
			n, err := decimal.NewFromString(text)
			if err != nil {
				return &sheet.Problem{Column: name, Reason: strconv.Quote(text) + " is not a number"}
			}
			*into = n
		}
	}
	for _, name := range fields {
		text := row.Cell(name)
		if text == "" {
			continue
		}
		t, declared := kind.Fields[name]
		if !declared {
			return &sheet.Problem{Column: name, Reason: "this kind of activity has no such field"}
		}
		value, err := t.parse(text)
		if err != nil {
			return &sheet.Problem{Column: name, Reason: err.Error()}
		}
		if a.Fields == nil {
			a.Fields = make(map[string]any)
		}
		a.Fields[name] = value
	}
	return nil
}

// parse reads a value of the type from text.
func (t FieldType) parse(text string) (any, error) {
	switch t {
	case NumberField:
		n, err := decimal.NewFromString(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", text)
		}
		return n, nil
	case FlagField:
		flag, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither true nor false", text)
		}
		return flag, nil
	default:
		return text, nil
	}
}

// parseLocal reads a time with its offset, or a local time or day of zone.
func parseLocal(text string, zone *time.Location) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.DateTime} {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil {
			return at, nil
		}
	}
	return time.Parse(time.RFC3339, text)
}

// record posts a chunk in one batch and counts what became of each line.
func (i *activityImport) record(ctx context.Context, chunk []line) error {
	var good []*line
	for n := range chunk {
		if chunk[n].problem == nil {
			good = append(good, &chunk[n])
		}
	}
	for len(good) > 0 { // until none has to be built anew
		var err error
		if good, err = i.post(ctx, good); err != nil {
			return err
		}
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

// post builds and posts lines, and returns those whose terms changed meanwhile.
func (i *activityImport) post(ctx context.Context, lines []*line) ([]*line, error) {
	p, s, err := i.current(ctx, i.programme.ID)
	if err != nil {
		return nil, err
	}
	state, err := i.ledger.State(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	who, err := i.earners(ctx, p.ID, lines)
	if err != nil {
		return nil, err
	}
	var requests []ledger.Request
	var posted []*line
	for _, l := range lines {
		r := i.r
		r.Key = l.key
		r, _, err := s.accrual(p, l.activity, who[l.activity.Member], state.Now, r)
		if refusal := new(ledger.Refusal); errors.As(err, &refusal) {
			l.problem = problemOf(refusal)
			continue
		} else if err != nil {
			return nil, err
		}
		requests, posted = append(requests, r.Under(p)), append(posted, l)
	}
	if len(requests) == 0 {
		return nil, nil
	}
	answers, err := i.ledger.PostBatch(ctx, p.ID, requests, false)
	if err != nil {
		return nil, err
	}
	var again []*line
	for n, answer := range answers {
		if errors.Is(answer.Err, ledger.ErrTermsChanged) {
			again = append(again, posted[n])
		} else if err := i.count(posted[n], answer); err != nil {
			return nil, err
		}
	}
	return again, nil
}

func (i *activityImport) count(l *line, answer ledger.Answer) error {
	refusal := new(ledger.Refusal)
	switch {
	case answer.Replayed:
		i.done.Known++
	case answer.Err == nil:
		i.done.Recorded++
	case errors.Is(answer.Err, &ledger.Refusal{Reason: ledger.NothingEarned}):
		i.done.Nothing++
	case errors.As(answer.Err, &refusal):
		l.problem = problemOf(refusal)
	default:
		return answer.Err
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

// earners reads what rules may know of the members of many lines.
func (i *activityImport) earners(ctx context.Context, programme uuid.UUID, lines []*line) (map[string]Earner, error) {
	set := make(map[string]bool)
	for _, l := range lines {
		set[l.activity.Member] = true
	}
	return i.Catalog.earners(ctx, programme, slices.Sorted(maps.Keys(set)))
}
