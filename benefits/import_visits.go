package benefits

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"tallystick/internal/sheet"
	"tallystick/ledger"
)

// visitColumns are the columns of every operator's file; a line names the visit by its id or by the code of the pass.
var (
	visitColumns    = []string{"key", "lounge", "at"}
	visitAlsoColumn = []string{"visit", "code", "guests"}
)

// ImportVisits takes an operator's file of visits: key (the operator's own id of the record), lounge, at (RFC 3339, or a local
// day or time of the programme's zone), visit or code, and guests. Each line is a [Catalog.ReportVisit] and decided by itself,
// however late it comes; a record that was taken before has no second effect. A record of which somebody could not be
// charged is kept and rejected, and tried again when it comes again. r.Client is the operator: the partner's code.
func (c *Catalog) ImportVisits(ctx context.Context, programme uuid.UUID, file SourceFile, r ledger.Request) (Import, error) {
	p, s, err := c.current(ctx, programme)
	if err != nil {
		return Import{}, err
	}
	if s.agreements[r.Client] == nil {
		return Import{}, refuse(ledger.NotFoundReason, "operator", r.Client)
	}
	rows, err := sheet.NewReader(file.Lines, visitColumns, visitAlsoColumn)
	if err != nil {
		return Import{}, err
	}
	i := &visitImport{r: r}
	i.fileImport = fileImport[VisitRecord]{
		Catalog: c, programme: p.Programme, what: "visits/" + r.Client, post: i.postRecords,
		parse: func(row sheet.Row) importLine[VisitRecord] { return i.recordOf(row) },
	}
	return i.run(ctx, rows, file)
}

type visitImport struct {
	fileImport[VisitRecord]
	r ledger.Request
}

// recordOf reads a record from a row.
func (i *visitImport) recordOf(row sheet.Row) (l importLine[VisitRecord]) {
	w := VisitRecord{Operator: i.r.Client, Record: row.Cell("key"), Code: row.Cell("code"), Lounge: row.Cell("lounge")}
	wrong := func(column, reason string) importLine[VisitRecord] {
		return importLine[VisitRecord]{problem: &sheet.Problem{Column: column, Reason: reason}}
	}
	visit := row.Cell("visit")
	if (visit == "") == (w.Code == "") {
		return wrong("visit", "give the id of the visit or the code of the pass, one of the two")
	}
	var err error
	if visit != "" {
		if w.Visit, err = uuid.Parse(visit); err != nil {
			return wrong("visit", "use the id that the check-in answered")
		}
	}
	if w.At, err = parseLocal(row.Cell("at"), i.programme.Zone); err != nil {
		return wrong("at", "use a time such as 2026-03-01T10:00:00+08:00, 2026-03-01 10:00:00 or 2026-03-01")
	}
	if text := row.Cell("guests"); text != "" {
		if w.Guests, err = strconv.Atoi(text); err != nil {
			return wrong("guests", strconv.Quote(text)+" is no number of guests")
		}
	}
	l.item = w
	return l
}

// reportsAtOnce is how many records are charged at a time.
const reportsAtOnce = 16

// postRecords charges the records of a chunk, several at a time, and says what became of each. What names a record or a visit
// that stands above has its turn in another round, so that the order of the file decides.
func (i *visitImport) postRecords(ctx context.Context, all []*importLine[VisitRecord]) ([]*importLine[VisitRecord], error) {
	lines, later := inOrder(all)
	done := make([]Reported, len(lines))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(reportsAtOnce)
	for n, l := range lines {
		group.Go(func() (err error) {
			done[n], err = i.ReportVisit(ctx, i.programme.ID, l.item, i.r)
			if refusal := new(ledger.Refusal); errors.As(err, &refusal) {
				l.problem = visitProblem(refusal)
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for n, l := range lines {
		switch {
		case l.problem != nil:
		case done[n].Open > 0:
			l.problem = &sheet.Problem{Column: "guests", Reason: fmt.Sprintf("%d of those who came could not be charged: settle it with the member, or report it again", done[n].Open)}
		case done[n].Known:
			i.done.Known++
		default:
			i.done.Recorded++
		}
	}
	return later, nil
}

// inOrder parts lines into those that name what none above them does, and the others.
func inOrder(all []*importLine[VisitRecord]) (first, later []*importLine[VisitRecord]) {
	named := make(map[string]bool)
	for _, l := range all {
		record, visit := "record "+l.item.Record, l.item.Visit.String()+l.item.Code
		if named[record] || named[visit] {
			later = append(later, l)
		} else {
			first = append(first, l)
		}
		named[record], named[visit] = true, true
	}
	return first, later
}

// visitProblem says of a refusal which column it is about.
func visitProblem(refusal *ledger.Refusal) *sheet.Problem {
	column := map[ledger.Reason]string{
		ledger.CodeMalformed: "code", ledger.NotFoundReason: "visit", ledger.HoldClosed: "visit", ledger.ReferenceUsed: "key",
	}[refusal.Reason]
	if refusal.Reason == ledger.InvalidField {
		return problemOf(refusal)
	}
	return &sheet.Problem{Column: column, Reason: refusal.Error()}
}
