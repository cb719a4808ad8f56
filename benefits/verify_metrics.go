package benefits

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tallystick/ledger"
)

const (
	sqlCountMetricReports = `
SELECT count(*)
FROM metric_reports AS r`

	// Members of whose reports of a period one is missing.
	sqlStrayMetricReports = `
SELECT r.member || ' ' || r.period
FROM metric_reports AS r
GROUP BY r.programme_id, r.member, r.period
HAVING min(r.n) <> 1 OR max(r.n) <> count(*)
ORDER BY 1
LIMIT $1`
)

// verifyMetrics looks whether any report of a metric is missing: a score would be another without it.
func verifyMetrics(ctx context.Context, tx pgx.Tx, count *int64, failures *[]ledger.Failure) error {
	if err := tx.QueryRow(ctx, sqlCountMetricReports).Scan(count); err != nil {
		return err
	}
	return stray(ctx, tx, sqlStrayMetricReports, failures, "metric_reports", "they are not numbered from 1 without a gap")
}
