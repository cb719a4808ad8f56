package benefits

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tallystick/ledger"
)

const (
	sqlCountTierDecisions = `
SELECT count(*)
FROM tier_decisions AS d`

	// Changes of tier without their decision, decisions without their change, and those that do not agree.
	sqlStrayTierDecisions = `
SELECT coalesce(d.transaction_id, t.id)::text
FROM (
  SELECT t.id, t.programme_id, t.member, t.reason, t.rule
  FROM transactions AS t
  WHERE t.kind = 'tier' AND t.rejection = ''
) AS t
FULL JOIN tier_decisions AS d ON d.transaction_id = t.id
WHERE t.id IS NULL OR d.transaction_id IS NULL OR d.programme_id <> t.programme_id OR d.member <> t.member
  OR d.cause <> t.reason OR t.rule <> 'tier/' || d.tier_group || '/' || d.source
ORDER BY 1
LIMIT $1`

	// Decisions whose tiers are not those that their change took and gave. What is taken may be more than what was held
	// last, for a source may have given two lots; what is given is one.
	sqlStrayTiersGiven = `
SELECT d.transaction_id::text
FROM tier_decisions AS d
LEFT JOIN legs AS l ON l.transaction_id = d.transaction_id AND l.from_place = 'issuance'
WHERE coalesce(l.unit, '') <> d.tier
ORDER BY 1
LIMIT $1`
)

// verifyTiers looks whether every change of tier has its decision, and gave what was decided.
func verifyTiers(ctx context.Context, tx pgx.Tx, count *int64, failures *[]ledger.Failure) error {
	if err := tx.QueryRow(ctx, sqlCountTierDecisions).Scan(count); err != nil {
		return err
	}
	if err := stray(ctx, tx, sqlStrayTierDecisions, failures, "tier_decisions", "it is not what a change of tier was posted for"); err != nil {
		return err
	}
	return stray(ctx, tx, sqlStrayTiersGiven, failures, "tier_decisions", "its change gave another tier")
}
