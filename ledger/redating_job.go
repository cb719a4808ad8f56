package ledger

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// The lots of one bucket and unit that a job re-dates, paged as the sweep pages what is due.
const sqlRedatableLots = `
SELECT l.expires_at, l.account_id, l.fund, a.owner, a.unit, l.remaining, 'wallet', 'redating'
FROM lots AS l
JOIN accounts AS a ON a.id = l.account_id
WHERE l.programme_id = $1 AND l.bucket = $2 AND l.expires_at < $3 AND (l.expires_at, l.account_id, l.fund) > ($5, $6, $7)
  AND a.unit = $4
ORDER BY l.expires_at, l.account_id, l.fund
LIMIT $8`

// RedateAll re-dates every member's live lots of a unit with from <= expires_at < to: an extension for all, or a mass
// expiry. Each member's is a transaction of its own whose key is the job's with the member's reference, so a job that
// was stopped goes on when it is started again, and one that is done changes nothing. visit, when given, is called for
// each lot that was found, by one goroutine at a time.
func (l *Ledger) RedateAll(ctx context.Context, programme uuid.UUID, unit string, from, to, expiresAt time.Time, job Request, visit func(Due)) error {
	if job.Key == "" || job.Reason == "" {
		return refuse(ReasonRequired)
	}
	redate := func(ctx context.Context, page []Due) error {
		var requests []Request
		seen := make(map[Owner]bool)
		for _, lot := range page {
			member, _ := lot.Owner.MemberRef()
			if seen[lot.Owner] {
				continue
			}
			seen[lot.Owner] = true
			r := job
			r.Key = job.Key + "/" + member
			requests = append(requests, Redate(member, unit, from, to, expiresAt, r))
		}
		return l.postAll(ctx, programme, requests)
	}
	return l.eachBucket(ctx, visiting(redate, visit), func(ctx context.Context, bucket int16, do pageFunc) error {
		start := Due{At: from.Add(-time.Microsecond)}
		return l.pages(ctx, sqlRedatableLots, start, do, programme, bucket, to, unit)
	})
}
