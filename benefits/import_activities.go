package benefits

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/internal/sheet"
	"tallystick/ledger"
)

// activityColumns are the columns of every file of activities; the fields of the programme's activities are columns too.
var (
	activityColumns = []string{"key", "member", "activity"}
	optionalColumns = []string{"at", "amount", "gifted", "paid_in_points", "channel", "reference"}
)

// ImportActivities records the activities of a CSV file: key, member, activity, and as needed at (RFC 3339, or a local day
// or time of the programme's zone), amount, gifted, paid_in_points, channel, reference and the kind's fields. r gives
// client and actor; the key of a line is the caller's own of that activity, so a line that was recorded before has no
// second effect, whichever file or call brought it. Each line is decided by itself.
func (c *Catalog) ImportActivities(ctx context.Context, programme uuid.UUID, file SourceFile, r ledger.Request) (Import, error) {
	p, s, err := c.current(ctx, programme)
	if err != nil {
		return Import{}, err
	}
	fields := s.earning.fieldNames()
	rows, err := sheet.NewReader(file.Lines, activityColumns, slices.Concat(optionalColumns, fields))
	if err != nil {
		return Import{}, err
	}
	i := &activityImport{fields: fields, r: r}
	i.fileImport = fileImport[activityItem]{
		Catalog: c, programme: p.Programme, what: "activities", prepare: i.readEarners, post: i.postActivities,
		parse: func(row sheet.Row) activityLine { return i.activityOf(s.earning, row) },
	}
	return i.run(ctx, rows, file)
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

// activityItem is an activity and who is to earn by it.
type activityItem struct {
	Activity
	who Earner
}

type activityImport struct {
	fileImport[activityItem]
	fields []string // of all kinds of activity
	r      ledger.Request
}

type activityLine = importLine[activityItem]

// activityOf reads an activity from a row.
func (i *activityImport) activityOf(e *Earning, row sheet.Row) (l activityLine) {
	a := &l.item.Activity
	a.Kind, a.Member, a.Channel, a.Reference = row.Cell("activity"), row.Cell("member"), row.Cell("channel"), row.Cell("reference")
	kind := e.Activities[a.Kind]
	switch {
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

// postActivities builds and posts lines, and returns those whose terms changed meanwhile.
func (i *activityImport) postActivities(ctx context.Context, lines []*activityLine) ([]*activityLine, error) {
	t, s, err := i.current(ctx, i.programme.ID)
	if err != nil {
		return nil, err
	}
	var requests []ledger.Request
	var posted []*activityLine
	for _, l := range lines {
		r := i.r
		r.Key = l.key
		l.item.importID = i.id
		r, _, err := s.accrual(t.Programme, l.item.Activity, l.item.who, t.Now, r)
		if refusal := new(ledger.Refusal); errors.As(err, &refusal) {
			l.problem = problemOf(refusal)
			continue
		} else if err != nil {
			return nil, err
		}
		requests, posted = append(requests, r.Under(t.Programme)), append(posted, l)
	}
	if len(requests) == 0 {
		return nil, nil
	}
	answers, err := i.ledger.PostBatch(ctx, t.ID, requests, false)
	if err != nil {
		return nil, err
	}
	var again []*activityLine
	for n, answer := range answers {
		if errors.Is(answer.Err, ledger.ErrTermsChanged) {
			again = append(again, posted[n])
		} else if err := i.count(posted[n], answer); err != nil {
			return nil, err
		}
	}
	return again, nil
}

func (i *activityImport) count(l *activityLine, answer ledger.Answer) error {
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

// readEarners reads what rules may know of the members of many lines.
func (i *activityImport) readEarners(ctx context.Context, lines []*activityLine) error {
	set := make(map[string]bool)
	for _, l := range lines {
		set[l.item.Member] = true
	}
	who, err := i.earners(ctx, i.programme.ID, sortedKeys(set))
	for _, l := range lines {
		l.item.who = who[l.item.Member]
	}
	return err
}
