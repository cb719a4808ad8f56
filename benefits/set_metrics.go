package benefits

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
	"tallystick/ledger"
)

// MetricReport says what was measured of a member in a period.
type MetricReport struct {
	Member string
	Period string // see [Period]: "2026", "2026-H1", "2026-Q1", "2026-03", "2026-03-15", "ever"
	Values map[string]decimal.Decimal
	// N counts the reports of a member and period, and At is when it was recorded.
	N             int64
	At            time.Time
	Actor, Reason string

	client, key, channel string
}

// SetMetrics records what was measured of a member in a period. It overrules what was reported before of the same metrics,
// member and period, and the member is rated by it from then on. r gives client, key, actor, channel and reason. A retry
// with the same client and key answers the first report; it does not overrule a later one.
// Refusals, none of which takes the key: INVALID_FIELD for a metric that the document does not declare, a value that it
// cannot have, and what is no name of a period; IDEMPOTENCY_KEY_REUSED.
func (c *Catalog) SetMetrics(ctx context.Context, programme uuid.UUID, report MetricReport, r ledger.Request, preview bool) (MetricReport, error) {
	_, s, err := c.current(ctx, programme)
	if err != nil {
		return MetricReport{}, err
	}
	if err := s.checkReport(&report); err != nil {
		return MetricReport{}, err
	}
	report.client, report.key, report.Actor, report.channel, report.Reason = r.Client, r.Key, r.Actor, r.Channel, r.Reason
	done, err := c.saveReports(ctx, programme, []*MetricReport{&report}, preview)
	if err != nil {
		return MetricReport{}, err
	}
	return report, done[0].err
}

func (s *section) checkReport(report *MetricReport) error {
	if !validMember.MatchString(report.Member) {
		return invalid("member", "use 1 to 64 letters, digits, _ . and -")
	}
	if !periodForm.MatchString(report.Period) {
		return invalid("period", "use a period such as 2026, 2026-H1, 2026-Q1, 2026-03, 2026-03-15 or ever")
	}
	if len(report.Values) == 0 {
		return invalid("values", "report at least one metric")
	}
	for _, code := range slices.Sorted(maps.Keys(report.Values)) {
		metric := s.metrics[code]
		if metric == nil {
			return invalid("values", "the programme's document declares no metric "+code)
		}
		if problem := metric.check(report.Values[code]); problem != "" {
			return invalid("values", code+": "+problem)
		}
	}
	return nil
}

const (
	sqlReadReportsByRequest = `
SELECT r.request_id, r.member, r.period, r.n, r.reported, r.reported_at, r.channel, r.reason
FROM metric_reports AS r
WHERE r.programme_id = $1 AND r.request_id = ANY($2::uuid[])`

	sqlCountReports = `
SELECT r.member, r.period, max(r.n)
FROM unnest($2::text[], $3::text[]) AS u (member, period)
JOIN metric_reports AS r ON r.programme_id = $1 AND r.member = u.member AND r.period = u.period
GROUP BY r.member, r.period`

	sqlInsertReports = `
INSERT INTO metric_reports (programme_id, member, period, n, reported, reported_at, request_id, client, idempotency_key,
    actor, channel, reason)
SELECT $1, u.member, u.period, u.n, u.reported, $2, u.request_id, u.client, u.idempotency_key, u.actor, u.channel, u.reason
FROM unnest($3::text[], $4::text[], $5::int8[], $6::text[], $7::uuid[], $8::text[], $9::text[], $10::text[], $11::text[],
    $12::text[]) AS u (member, period, n, reported, request_id, client, idempotency_key, actor, channel, reason)`
)

// reported is what became of a report: it was known before, or refused.
type reported struct {
	known bool
	err   error
}

// saveReports adds reports, each with its own key, in one statement. Of two who report on one member and period at once
// the second counts on.
func (c *Catalog) saveReports(ctx context.Context, programme uuid.UUID, reports []*MetricReport, preview bool) ([]reported, error) {
	state, err := c.ledger.State(ctx, programme)
	if err != nil {
		return nil, err
	}
	const attempts = 10
	for range attempts {
		done, open, err := c.knownReports(ctx, programme, reports)
		if err != nil || len(open) == 0 {
			return done, err
		}
		if err := c.number(ctx, programme, open, state.Now); err != nil || preview {
			return done, err
		}
		if err := c.insertReports(ctx, programme, open, state.Now); !db.IsUniqueViolation(err) {
			return done, err
		}
	}
	return nil, db.ErrContention
}

// knownReports tells which keys were used, and which reports are still to be added.
func (c *Catalog) knownReports(ctx context.Context, programme uuid.UUID, reports []*MetricReport) ([]reported, []*MetricReport, error) {
	ids := make([]uuid.UUID, len(reports))
	for i, r := range reports {
		ids[i] = requestID(programme, ledger.Request{Client: r.client, Key: r.key})
	}
	rows, err := c.pool.Query(ctx, sqlReadReportsByRequest, programme, ids)
	if err != nil {
		return nil, nil, fmt.Errorf("benefits: read metrics: %w", err)
	}
	found := make(map[uuid.UUID]MetricReport)
	var id uuid.UUID
	var was MetricReport
	var values string
	_, err = pgx.ForEachRow(rows, []any{&id, &was.Member, &was.Period, &was.N, &values, &was.At, &was.channel, &was.Reason}, func() error {
		was.Values = make(map[string]decimal.Decimal)
		found[id] = was
		return json.Unmarshal([]byte(values), &was.Values)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("benefits: read metrics: %w", err)
	}
	done := make([]reported, len(reports))
	var open []*MetricReport
	first := make(map[uuid.UUID]*MetricReport, len(reports))
	for i, r := range reports {
		was, known := found[ids[i]]
		before := first[ids[i]]
		switch {
		case known && !was.says(r), before != nil && !before.says(r):
			done[i].err = refuse(ledger.IdempotencyKeyReused)
		case known:
			done[i].known, r.N, r.At = true, was.N, was.At.UTC()
		case before != nil:
			done[i].known = true
		default:
			first[ids[i]], open = r, append(open, r)
		}
	}
	return done, open, nil
}

// says reports whether two reports are of the same content.
func (r *MetricReport) says(other *MetricReport) bool {
	return r.Member == other.Member && r.Period == other.Period && r.channel == other.channel && r.Reason == other.Reason &&
		maps.EqualFunc(r.Values, other.Values, decimal.Decimal.Equal)
}

// number gives each report the number after the last of its member and period.
func (c *Catalog) number(ctx context.Context, programme uuid.UUID, reports []*MetricReport, now time.Time) error {
	members, periods := make([]string, len(reports)), make([]string, len(reports))
	for i, r := range reports {
		members[i], periods[i] = r.Member, r.Period
	}
	rows, err := c.pool.Query(ctx, sqlCountReports, programme, members, periods)
	if err != nil {
		return fmt.Errorf("benefits: count metrics: %w", err)
	}
	last := make(map[[2]string]int64)
	var member, period string
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&member, &period, &n}, func() error { last[[2]string{member, period}] = n; return nil }); err != nil {
		return fmt.Errorf("benefits: count metrics: %w", err)
	}
	for _, r := range reports {
		of := [2]string{r.Member, r.Period}
		last[of]++
		r.N, r.At = last[of], now
	}
	return nil
}

// insertReports adds all of them or, with a unique violation, none.
func (c *Catalog) insertReports(ctx context.Context, programme uuid.UUID, reports []*MetricReport, now time.Time) error {
	slices.SortFunc(reports, func(a, b *MetricReport) int { // two who insert the same meet in the same order
		return cmp.Or(cmp.Compare(a.Member, b.Member), cmp.Compare(a.Period, b.Period), cmp.Compare(a.N, b.N))
	})
	n := len(reports)
	members, periods, values := make([]string, n), make([]string, n), make([]string, n)
	clients, keys, actors, channels, reasons := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	numbers, ids := make([]int64, n), make([]uuid.UUID, n)
	for i, r := range reports {
		members[i], periods[i], values[i], numbers[i] = r.Member, r.Period, encode(r.Values), r.N
		clients[i], keys[i], actors[i], channels[i], reasons[i] = r.client, r.key, r.Actor, r.channel, r.Reason
		ids[i] = requestID(programme, ledger.Request{Client: r.client, Key: r.key})
	}
	_, err := c.pool.Exec(ctx, sqlInsertReports, programme, now, members, periods, numbers, values, ids, clients, keys, actors, channels, reasons)
	if err != nil {
		return fmt.Errorf("benefits: save metrics: %w", err)
	}
	return nil
}

const sqlListReports = `
SELECT r.member, r.period, r.n, r.reported, r.reported_at, r.actor, r.reason
FROM metric_reports AS r
WHERE r.programme_id = $1 AND r.member = $2 AND (r.period, r.n) < ($3, $4)
ORDER BY r.period DESC, r.n DESC
LIMIT $5`

// Metrics reads what was reported of a member, the latest period first and of a period the last report first. A page begins
// after the report of a period and number; an empty period is the beginning.
func (c *Catalog) Metrics(ctx context.Context, programme uuid.UUID, member, period string, n int64, limit int) ([]MetricReport, error) {
	if period == "" {
		period = "~" // after every name
	}
	rows, err := c.pool.Query(ctx, sqlListReports, programme, member, period, n, limit)
	if err != nil {
		return nil, fmt.Errorf("benefits: list metrics: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r MetricReport, err error) {
		var values string
		if err := row.Scan(&r.Member, &r.Period, &r.N, &values, &r.At, &r.Actor, &r.Reason); err != nil {
			return r, err
		}
		r.At = r.At.UTC()
		return r, json.Unmarshal([]byte(values), &r.Values)
	})
	if err != nil {
		return nil, fmt.Errorf("benefits: list metrics: %w", err)
	}
	return list, nil
}
