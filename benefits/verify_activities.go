package benefits

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

const (
	// Activities of which no accrual was posted for this member and kind.
	sqlStrayActivities = `
SELECT a.transaction_id::text
FROM activities AS a
LEFT JOIN transactions AS t ON t.id = a.transaction_id AND t.programme_id = a.programme_id AND t.member = a.member
  AND t.kind = 'accrual' AND t.rejection = '' AND t.rule = 'activity/' || a.kind
WHERE t.id IS NULL
ORDER BY 1
LIMIT $1`

	// What activities earned, by the version whose rules decided it.
	sqlEarnedLegs = `
SELECT t.programme_id, t.rule_version, t.id, t.rule, coalesce(a.yields, ''), l.rule, l.unit, l.amount
FROM transactions AS t
JOIN legs AS l ON l.transaction_id = t.id AND l.from_place = 'issuance'
LEFT JOIN activities AS a ON a.transaction_id = t.id
WHERE t.rejection = '' AND t.kind = 'accrual' AND t.rule LIKE 'activity/%'
ORDER BY t.programme_id, t.rule_version, t.id, l.leg`
)

// verifyActivities looks whether every activity has its accrual, every accrual of an activity its activity, and whether each
// leg is what a rule of the version that it names yielded, or less where a limit cut it.
func (v *versionReader) verifyActivities(ctx context.Context, tx pgx.Tx, count *int64, failures *[]ledger.Failure) error {
	if err := stray(ctx, tx, sqlStrayActivities, failures, "activities", "no accrual was posted for it"); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, sqlEarnedLegs)
	if err != nil {
		return err
	}
	var programme, id, last uuid.UUID
	var version int64
	var of, text, rule, unit string
	var amount decimal.Decimal
	_, err = pgx.ForEachRow(rows, []any{&programme, &version, &id, &of, &text, &rule, &unit, &amount}, func() error {
		if id != last {
			*count++
			last = id
		}
		if len(*failures) == ledger.MaxFailures {
			return nil
		}
		s, err := v.section(ctx, programme, version)
		if err != nil {
			return err
		}
		if problem := s.misearned(strings.TrimPrefix(of, "activity/"), text, rule, unit, amount); problem != "" {
			*failures = append(*failures, ledger.Failure{Row: "transactions " + id.String(), Problem: problem})
		}
		return nil
	})
	return err
}

// misearned says what of a leg the rules do not allow, or the activity's row does not tell; nothing when it all agrees.
func (s *section) misearned(kind, yields, rule, unit string, amount decimal.Decimal) string {
	if yields == "" {
		return "it has no activity"
	}
	if !slices.ContainsFunc(s.earning.Rules, func(r *Rule) bool { return r.Code == rule && r.On == kind && r.Unit == unit && !r.Draft }) {
		return fmt.Sprintf("its version has no rule %q that gives %s for a %s", rule, unit, kind)
	}
	var list []yieldRow
	if err := json.Unmarshal([]byte(yields), &list); err != nil {
		return "its activity's yields cannot be read"
	}
	if !slices.ContainsFunc(list, func(y yieldRow) bool { return y.Rule == rule && y.Unit == unit && y.Points.GreaterThanOrEqual(amount) }) {
		return fmt.Sprintf("rule %q did not yield so much", rule)
	}
	return ""
}
