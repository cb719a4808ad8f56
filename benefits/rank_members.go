package benefits

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// percentileOf is under which name a member's place among all of a group's is reported. No document can declare a metric of
// that name.
func percentileOf(group string) string { return "percentile/" + group }

// percentileScale is to how many decimal places a percentile is cut.
const percentileScale = 6

// RankMembers closes a period of a group that ranks its members: everyone of the group's kinds for whom a score above 0
// follows from what was reported of the period gets a percentile, the share of them in per cent that has a lower score, so
// who shares a score shares the percentile, and the top 5 of 100 are those from 95 on. It is reported as a metric of the
// period, once: started again it goes on, and a place that was given stays, whatever is reported of the period later.
// tell hears how many were given their place. Refusals: INVALID_FIELD for a group that ranks nobody and a period that is not
// one of its periods or not over.
func (c *Catalog) RankMembers(ctx context.Context, programme uuid.UUID, group, period string, tell func(done, total int64)) (int64, error) {
	t, s, err := c.current(ctx, programme)
	if err != nil {
		return 0, err
	}
	g := s.tiers.Group(group)
	if g == nil || g.Percentile == "" {
		return 0, invalid("group", "use one that has a percentile in the programme's document")
	}
	calendar := calendar{zone: t.Zone}
	current := g.Period.name(g.Period.at(t.Now, calendar), calendar)
	if !periodForm.MatchString(period) || len(period) != len(current) || period >= current {
		return 0, invalid("period", "use one that is over, before "+current)
	}
	scores, err := c.scoresIn(ctx, t.Programme, s, g, period)
	if err != nil {
		return 0, err
	}
	places := percentiles(scores)
	members, done := sortedKeys(places), int64(0)
	for chunk := range slices.Chunk(members, importChunk) {
		reports := make([]*MetricReport, len(chunk))
		for i, member := range chunk {
			reports[i] = &MetricReport{
				Member: member, Period: period, Values: map[string]decimal.Decimal{percentileOf(group): places[member]},
				Actor: systemClient, client: systemClient, key: percentileOf(group) + "/" + period + "/" + member,
			}
		}
		if _, err := c.saveReports(ctx, programme, reports, false); err != nil { // a place that was given stays
			return done, err
		}
		done += int64(len(chunk))
		tell(done, int64(len(members)))
	}
	return done, nil
}

// percentiles are the shares of lower scores, in per cent, by member.
func percentiles(scores map[string]decimal.Decimal) map[string]decimal.Decimal {
	sorted := slices.SortedFunc(maps.Values(scores), decimal.Decimal.Compare)
	places := make(map[string]decimal.Decimal, len(scores))
	all := decimal.NewFromInt(int64(len(scores)))
	for member, score := range scores {
		lower := sort.Search(len(sorted), func(i int) bool { return !sorted[i].LessThan(score) })
		places[member] = decimal.NewFromInt(100*int64(lower)).DivRound(all, percentileScale+3).Truncate(percentileScale)
	}
	return places
}

const sqlReportsOfPeriod = `
SELECT r.member, r.n, r.reported
FROM metric_reports AS r
WHERE r.programme_id = $1 AND r.period = $2 AND (r.member, r.n) > ($3, $4)
ORDER BY r.member, r.n
LIMIT $5`

// scoresIn reads what was reported of a period, in pages, and adds up the score by which a group ranks.
func (c *Catalog) scoresIn(ctx context.Context, p *ledger.Programme, s *section, g *TierGroup, period string) (map[string]decimal.Decimal, error) {
	reports := make(map[string]map[string]decimal.Decimal)
	member, n := "", int64(0)
	for {
		rows, err := c.pool.Query(ctx, sqlReportsOfPeriod, p.ID, period, member, n, importChunk)
		if err != nil {
			return nil, fmt.Errorf("benefits: read metrics: %w", err)
		}
		read, values := 0, ""
		_, err = pgx.ForEachRow(rows, []any{&member, &n, &values}, func() error {
			read++
			if reports[member] == nil {
				reports[member] = make(map[string]decimal.Decimal)
			}
			later := make(map[string]decimal.Decimal)
			err := json.Unmarshal([]byte(values), &later)
			maps.Copy(reports[member], later)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("benefits: read metrics: %w", err)
		}
		if read < importChunk {
			return c.scoresOf(ctx, p, s, g, reports)
		}
	}
}

func (c *Catalog) scoresOf(
	ctx context.Context, p *ledger.Programme, s *section, g *TierGroup, reports map[string]map[string]decimal.Decimal,
) (map[string]decimal.Decimal, error) {
	scores := make(map[string]decimal.Decimal, len(reports))
	for chunk := range slices.Chunk(sortedKeys(reports), importChunk) {
		facts, err := c.Facts(ctx, p.ID, chunk)
		if err != nil {
			return nil, err
		}
		for _, member := range chunk {
			score := g.Scores[g.Percentile].value(reports[member], s.members.Regions.around(facts[member].Region))
			if slices.Contains(g.For, facts[member].Kind) && score.IsPositive() {
				scores[member] = score
			}
		}
	}
	return scores, nil
}
