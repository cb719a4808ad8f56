package benefits

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
	"tallystick/ledger"
)

const (
	sqlVerifyTimeout = `SET LOCAL statement_timeout = 0`

	sqlCountMemberVersions = `
SELECT count(*)
FROM member_versions AS v`

	// Members whose versions are not numbered from 1 without a gap, or who do not agree with the last of them.
	sqlStrayMembers = `
SELECT coalesce(m.member, n.member)
FROM members AS m
FULL JOIN (
  SELECT v.programme_id, v.member, max(v.version) AS last, count(*) AS versions
  FROM member_versions AS v
  GROUP BY v.programme_id, v.member
) AS n ON n.programme_id = m.programme_id AND n.member = m.member
LEFT JOIN member_versions AS v ON v.programme_id = m.programme_id AND v.member = m.member AND v.version = m.version
  AND v.changed_at = m.changed_at AND v.kind = m.kind AND v.plan = m.plan AND v.region = m.region
  AND v.segments = m.segments AND v.language = m.language AND v.enrolled_at = m.enrolled_at
  AND v.birth_month = m.birth_month AND v.birth_day = m.birth_day AND v.attributes = m.attributes
  AND v.numbers = m.numbers AND v.organisations = m.organisations AND v.households = m.households
WHERE v.member IS NULL OR n.last <> n.versions OR n.last <> m.version
ORDER BY 1
LIMIT $1`

	// What members are found by and should not be, or should be and are not.
	sqlStrayTerms = `
WITH facts AS (
  SELECT m.programme_id, 'kind' AS field, m.kind AS value, m.member, m.member AS slot FROM members AS m
  UNION SELECT m.programme_id, 'plan', m.plan, m.member, m.member FROM members AS m
  UNION SELECT m.programme_id, 'region', m.region, m.member, m.member FROM members AS m
  UNION SELECT m.programme_id, 'segment', s.value, m.member, m.member FROM members AS m CROSS JOIN LATERAL (SELECT unnest(m.segments) AS value) AS s
  UNION SELECT m.programme_id, 'number', s.value, m.member, '' FROM members AS m CROSS JOIN LATERAL (SELECT unnest(m.numbers) AS value) AS s
  UNION SELECT m.programme_id, 'of', s.value ->> 'of', m.member, m.member
  FROM members AS m CROSS JOIN LATERAL (SELECT jsonb_array_elements(m.organisations::jsonb) AS value) AS s
  UNION SELECT m.programme_id, 'of', s.value ->> 'of', m.member, m.member
  FROM members AS m CROSS JOIN LATERAL (SELECT jsonb_array_elements(m.households::jsonb) AS value) AS s
)
SELECT coalesce(t.member, f.member)
FROM (SELECT f.programme_id, f.field, f.value, f.member, f.slot FROM facts AS f WHERE f.value <> '') AS f
FULL JOIN member_terms AS t
  ON t.programme_id = f.programme_id AND t.field = f.field AND t.value = f.value AND t.slot = f.slot AND t.member = f.member
WHERE t.member IS NULL OR f.member IS NULL
ORDER BY 1
LIMIT $1`
)

// Verify adds to the report of a verified journal whether every member's facts are those of the last version, and members
// are found by them and by nothing else; whether bookings and seats agree with the books; whether every change of tier is
// what was decided; whether visits and their reports agree with the books; whether what was claimed and earned follows from
// the version of the document that it names; and whether rights and allotments re-add. It lifts the session's limit on the
// time of a statement.
func Verify(ctx context.Context, pool *db.Pool, report *ledger.Report) error {
	versions := &versionReader{pool: pool}
	parts := []struct {
		check    ledger.Check
		verify   func(ctx context.Context, tx pgx.Tx, count *int64, failures *[]ledger.Failure) error
		failures []ledger.Failure
	}{
		{check: ledger.Check{Name: "the facts of every member are those of the last version, and find the member"}, verify: verifyMembers},
		{check: ledger.Check{Name: "bookings and check-ins agree with their transactions, and every seat is somewhere"}, verify: verifyEvents},
		{check: ledger.Check{Name: "every change of tier is what was decided"}, verify: verifyTiers},
		{check: ledger.Check{Name: "what was reported of every member's metrics is numbered without a gap"}, verify: verifyMetrics},
		{check: ledger.Check{Name: "visits and their reports agree with their transactions"}, verify: verifyVisits},
		{check: ledger.Check{Name: "deliveries are of claims, and what was posted for them was reported"}, verify: verifyDeliveries},
		{check: ledger.Check{Name: "every claim pays a price, for a right out of a stock, of the version that it names"}, verify: versions.verifyClaims},
		{check: ledger.Check{Name: "every activity earned what rules of the version that it names yielded"}, verify: versions.verifyActivities},
		{check: ledger.Check{Name: "rights and allotments re-add: issued is held, used, expired or in stock, and used is claimed"}, verify: versions.verifyRights},
	}
	err := db.InTx(ctx, pool, db.Snapshot, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlVerifyTimeout); err != nil {
			return err
		}
		for i := range parts {
			part := &parts[i]
			part.check.Invariant, part.failures = "L2", nil // it may run again
			if err := part.verify(ctx, tx, &part.check.Count, &part.failures); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("benefits: verify: %w", err)
	}
	sound := report.OK()
	for _, part := range parts {
		report.Checks = append(report.Checks, part.check)
		for _, f := range part.failures {
			if f.Check = part.check; sound {
				report.Failures = append(report.Failures, f)
			}
		}
	}
	return nil
}

// verifyMembers tells whose facts are not those of the last version, and who is not found by them.
func verifyMembers(ctx context.Context, tx pgx.Tx, count *int64, failures *[]ledger.Failure) error {
	if err := tx.QueryRow(ctx, sqlCountMemberVersions).Scan(count); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, sqlStrayMembers, ledger.MaxFailures)
	if err := name(failures, "its versions are not numbered from 1, or do not end in these facts", rows, err); err != nil {
		return err
	}
	rows, err = tx.Query(ctx, sqlStrayTerms, ledger.MaxFailures)
	return name(failures, "it is not found by what it is", rows, err)
}

// name lists the rows as failures.
func name(failures *[]ledger.Failure, problem string, rows pgx.Rows, err error) error {
	if err != nil {
		return err
	}
	members, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, member := range members {
		*failures = append(*failures, ledger.Failure{Row: "members " + member, Problem: problem})
	}
	return err
}
