package benefits

import (
	"context"
	"errors"
	"strconv"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/internal/sheet"
	"tallystick/ledger"
)

// metricColumns are the columns of every file of metrics; the metrics that the programme declares are columns too.
var metricColumns = []string{"key", "member", "period"}

// ImportMetrics records what a CSV file reports of members: key, member, period, and a column for each metric, which a line
// may leave empty. r gives client and actor; the key of a line is the caller's own of that report, as of [Catalog.SetMetrics],
// so a line that was recorded before has no second effect. Each line is decided by itself.
func (c *Catalog) ImportMetrics(ctx context.Context, programme uuid.UUID, file SourceFile, r ledger.Request) (Import, error) {
	p, s, err := c.current(ctx, programme)
	if err != nil {
		return Import{}, err
	}
	rows, err := sheet.NewReader(file.Lines, metricColumns, sortedKeys(s.metrics))
	if err != nil {
		return Import{}, err
	}
	i := &metricImport{r: r}
	i.fileImport = fileImport[*MetricReport]{
		Catalog: c, programme: p.Programme, what: "metrics", post: i.postReports,
		parse: func(row sheet.Row) importLine[*MetricReport] { return i.reportOf(s, row) },
	}
	return i.run(ctx, rows, file)
}

type metricImport struct {
	fileImport[*MetricReport]
	r ledger.Request
}

// reportOf reads a report from a row.
func (i *metricImport) reportOf(s *section, row sheet.Row) (l importLine[*MetricReport]) {
	report := &MetricReport{
		Member: row.Cell("member"), Period: row.Cell("period"), Values: make(map[string]decimal.Decimal),
		Actor: i.r.Actor, Reason: i.r.Reason, client: i.r.Client, key: row.Cell("key"), channel: i.r.Channel,
	}
	l.item = report
	for _, code := range sortedKeys(s.metrics) {
		text := row.Cell(code)
		if text == "" {
			continue
		}
		value, err := decimal.NewFromString(text)
		if err != nil || value.Exponent() > mostExponent || value.Exponent() < -mostExponent {
			l.problem = &sheet.Problem{Column: code, Reason: strconv.Quote(text) + " is not a number"}
			return l
		}
		if problem := s.metrics[code].check(value); problem != "" {
			l.problem = &sheet.Problem{Column: code, Reason: problem}
			return l
		}
		report.Values[code] = value
	}
	if refusal := new(ledger.Refusal); errors.As(s.checkReport(report), &refusal) {
		l.problem = problemOf(refusal)
	}
	return l
}

// mostExponent keeps what stands in a file from growing when it is compared.
const mostExponent = 64

// postReports saves the reports of a chunk and says what became of each.
func (i *metricImport) postReports(ctx context.Context, lines []*importLine[*MetricReport]) ([]*importLine[*MetricReport], error) {
	reports := make([]*MetricReport, len(lines))
	for n, l := range lines {
		reports[n] = l.item
	}
	done, err := i.saveReports(ctx, i.programme.ID, reports, false)
	if err != nil {
		return nil, err
	}
	for n, l := range lines {
		refusal := new(ledger.Refusal)
		switch {
		case errors.As(done[n].err, &refusal):
			l.problem = problemOf(refusal)
		case done[n].known:
			i.done.Known++
		default:
			i.done.Recorded++
		}
	}
	return nil, nil
}
