package benefits

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"tallystick/internal/sheet"
	"tallystick/ledger"
)

// A file of tiers is what [Catalog.ExportTiers] writes. Its source is where the tier was from in the system that wrote it.
var (
	tierColumns     = []string{"key", "member", "tier", "until"}
	tierAlsoColumns = []string{"group", "source", "from", "reason"}
)

// ImportTiers takes over tiers that members hold elsewhere, such as in the system before this one or in a partner's whose
// status is matched: each line is an OverrideTier, with its reason, or without one its source. r gives client and actor; the
// key of a line is the caller's own. A line that was recorded before has no second effect. Each line is decided by itself.
func (c *Catalog) ImportTiers(ctx context.Context, programme uuid.UUID, file SourceFile, r ledger.Request) (Import, error) {
	t, err := c.ledger.Terms(ctx, programme)
	if err != nil {
		return Import{}, err
	}
	rows, err := sheet.NewReader(file.Lines, tierColumns, tierAlsoColumns)
	if err != nil {
		return Import{}, err
	}
	i := &tierImport{r: r}
	i.fileImport = fileImport[tierItem]{
		Catalog: c, programme: t.Programme, what: "tiers", post: i.postOverrides,
		parse: func(row sheet.Row) importLine[tierItem] { return i.overrideOf(row) },
	}
	return i.run(ctx, rows, file)
}

type tierImport struct {
	fileImport[tierItem]
	r ledger.Request
}

// tierItem is what a line asks for.
type tierItem struct {
	Override
	reason string
}

// overrideOf reads an override from a row.
func (i *tierImport) overrideOf(row sheet.Row) (l importLine[tierItem]) {
	o := tierItem{Override{Member: row.Cell("member"), Group: row.Cell("group"), Tier: row.Cell("tier")}, row.Cell("reason")}
	if source := row.Cell("source"); o.reason == "" && source != "" {
		o.reason = "imported from " + source
	}
	wrong := func(column, reason string) importLine[tierItem] {
		return importLine[tierItem]{problem: &sheet.Problem{Column: column, Reason: reason}}
	}
	const form = "use a time such as 2026-03-01T10:00:00+08:00, 2026-03-01 10:00:00 or 2026-03-01"
	var err error
	switch {
	case !validMember.MatchString(o.Member):
		return wrong("member", "use the reference of a member")
	case o.Tier == "":
		return wrong("tier", "say which")
	case !validText.MatchString(o.reason):
		return wrong("reason", "use up to 256 characters that print")
	}
	if o.Until, err = parseLocal(row.Cell("until"), i.programme.Zone); err != nil {
		return wrong("until", form)
	}
	if from := row.Cell("from"); from != "" {
		if o.From, err = parseLocal(from, i.programme.Zone); err != nil {
			return wrong("from", form)
		}
	}
	l.item = o
	return l
}

// postOverrides decides the lines of a chunk on one rating of their members. A member's second line has its turn in another
// round, when the first counts, and so has a line whose member's tier or whose terms changed meanwhile.
func (i *tierImport) postOverrides(ctx context.Context, lines []*importLine[tierItem]) (again []*importLine[tierItem], err error) {
	t, s, err := i.current(ctx, i.programme.ID)
	if err != nil {
		return nil, err
	}
	first := make(map[string]*importLine[tierItem], len(lines))
	for _, l := range lines {
		if first[l.item.Member] == nil {
			first[l.item.Member] = l
		} else {
			again = append(again, l)
		}
	}
	rater, err := i.rate(ctx, t, s, sortedKeys(first))
	if err != nil {
		return nil, err
	}
	var requests []ledger.Request
	var posted []*importLine[tierItem]
	for _, m := range rater.ratings {
		l, r := first[m.member], i.r
		r.Key, r.Reason = l.key, l.item.reason
		r, err := m.override(rater, l.item.Override, r)
		if refusal := new(ledger.Refusal); errors.As(err, &refusal) {
			l.problem = tierProblem(refusal)
			continue
		} else if err != nil {
			return nil, err
		}
		requests, posted = append(requests, r), append(posted, l)
	}
	moved, err := i.settle(ctx, requests, posted)
	return append(moved, again...), err
}

// settle posts overrides and says what became of each; it returns those whose state moved.
func (i *tierImport) settle(ctx context.Context, requests []ledger.Request, lines []*importLine[tierItem]) (again []*importLine[tierItem], err error) {
	if len(requests) == 0 {
		return nil, nil
	}
	answers, err := i.ledger.PostBatch(ctx, i.programme.ID, requests, false)
	if err != nil {
		return nil, err
	}
	for n, answer := range answers {
		refusal := new(ledger.Refusal)
		switch {
		case errors.Is(answer.Err, ledger.ErrTermsChanged), errors.Is(answer.Err, &ledger.Refusal{Reason: ledger.TierMoved}):
			again = append(again, lines[n])
		case errors.As(answer.Err, &refusal):
			lines[n].problem = tierProblem(refusal)
		case answer.Err != nil:
			return nil, answer.Err
		case answer.Replayed:
			i.done.Known++
		default:
			i.done.Recorded++
		}
	}
	return again, nil
}

// tierProblem says of a refusal which column it is about.
func tierProblem(refusal *ledger.Refusal) *sheet.Problem {
	switch refusal.Reason {
	case ledger.TimeNotInFuture:
		return &sheet.Problem{Column: "until", Reason: "it is over"}
	case ledger.MemberTerminated:
		return &sheet.Problem{Column: "member", Reason: refusal.Error()}
	default:
		return problemOf(refusal)
	}
}
