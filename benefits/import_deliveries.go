package benefits

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"tallystick/internal/sheet"
	"tallystick/ledger"
)

var (
	deliveryColumns     = []string{"key", "claim", "what"}
	deliveryAlsoColumns = []string{"at", "carrier", "number"}
)

// ImportDeliveries takes an operator's file of what was shipped, delivered, returned and lost: each line is a ReportDelivery, of
// which the key is the operator's own record. r gives as its client the operator, and the actor. A line that was there before has
// no second effect; what a line could not post, it tries again. The lines of a claim count in their order.
func (c *Catalog) ImportDeliveries(ctx context.Context, programme uuid.UUID, file SourceFile, r ledger.Request) (Import, error) {
	t, s, err := c.current(ctx, programme)
	if err != nil {
		return Import{}, err
	}
	if s.agreements[r.Client] == nil {
		return Import{}, refuse(ledger.NotFoundReason, "operator", r.Client)
	}
	rows, err := sheet.NewReader(file.Lines, deliveryColumns, deliveryAlsoColumns)
	if err != nil {
		return Import{}, err
	}
	i := &deliveryImport{r: r}
	i.fileImport = fileImport[DeliveryRecord]{
		Catalog: c, programme: t.Programme, what: "deliveries/" + r.Client, post: i.postDeliveries,
		parse: func(row sheet.Row) importLine[DeliveryRecord] { return i.deliveryOf(row) },
	}
	return i.run(ctx, rows, file)
}

type deliveryImport struct {
	fileImport[DeliveryRecord]
	r ledger.Request
}

// deliveryOf reads a record from a row.
func (i *deliveryImport) deliveryOf(row sheet.Row) (l importLine[DeliveryRecord]) {
	w := DeliveryRecord{
		Operator: i.r.Client, Record: row.Cell("key"), What: DeliveryEvent(row.Cell("what")), Carrier: row.Cell("carrier"), Number: row.Cell("number"),
	}
	wrong := func(column, reason string) importLine[DeliveryRecord] {
		return importLine[DeliveryRecord]{problem: &sheet.Problem{Column: column, Reason: reason}}
	}
	var err error
	if w.Claim, err = uuid.Parse(row.Cell("claim")); err != nil {
		return wrong("claim", "use the id that the list of deliveries has")
	}
	if !slices.Contains(w.What.Values(), string(w.What)) {
		return wrong("what", "use shipped, delivered, returned or lost")
	}
	if at := row.Cell("at"); at != "" {
		if w.At, err = parseLocal(at, i.programme.Zone); err != nil {
			return wrong("at", "use a time such as 2026-03-01T10:00:00+08:00, 2026-03-01 10:00:00 or 2026-03-01")
		}
	}
	l.item = w
	return l
}

// postDeliveries takes the records of a chunk in their order, and says what became of each.
func (i *deliveryImport) postDeliveries(ctx context.Context, lines []*importLine[DeliveryRecord]) ([]*importLine[DeliveryRecord], error) {
	for _, l := range lines {
		_, known, err := i.ReportDelivery(ctx, i.programme.ID, l.item, i.r)
		refusal := new(ledger.Refusal)
		switch {
		case errors.As(err, &refusal):
			l.problem = deliveryProblem(refusal)
		case err != nil:
			return nil, err
		case known:
			i.done.Known++
		default:
			i.done.Recorded++
		}
	}
	return nil, nil
}

// deliveryProblem says of a refusal which column it is about.
func deliveryProblem(refusal *ledger.Refusal) *sheet.Problem {
	switch refusal.Reason {
	case ledger.InvalidField:
		return problemOf(refusal)
	case ledger.ReferenceUsed:
		return &sheet.Problem{Column: "key", Reason: refusal.Error()}
	default:
		return &sheet.Problem{Column: "claim", Reason: refusal.Error()}
	}
}
