package ledger

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
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

// Redated is what became of a re-dating job.
type Redated struct {
	Lots    int // lots found in wallets that this run re-dated
	Amount  decimal.Decimal
	Members int // whose lots this run re-dated
	// Earlier counts members that an earlier run had done, and Refused those that were refused, by reason.
	Earlier int
	Refused map[Reason]int
}

// RedateAll re-dates every member's live lots of a unit with from <= expires_at < to: an extension for all, or a mass
// expiry. Each member's is a transaction of its own whose key is the job's with the member's reference, so a job that
// was stopped goes on when it is started again, and one that is done changes nothing. What is held or pending when the job
// runs is in no wallet and keeps its expiry. UNKNOWN_UNIT and REASON_REQUIRED
// refuse the job itself; a member's refusal, such as IDEMPOTENCY_KEY_REUSED by another job of that key, is counted.
func (l *Ledger) RedateAll(ctx context.Context, programme uuid.UUID, unit string, from, to, expiresAt time.Time, job Request) (Redated, error) {
	done := Redated{Refused: make(map[Reason]int)}
	p, err := l.Programme(ctx, programme)
	switch {
	case err != nil:
		return done, err
	case p.Units[unit].Code == "":
		return done, refuse(UnknownUnit, "unit", unit)
	case job.Key == "" || job.Reason == "":
		return done, refuse(ReasonRequired)
	}
	var mu sync.Mutex
	asked := make(map[Owner]bool) // the lots of one member may be on many pages
	redate := func(ctx context.Context, page []Due) error {
		mu.Lock()
		var requests []Request
		for _, lot := range page {
			if !asked[lot.Owner] {
				asked[lot.Owner] = true
				r := job
				member, _ := lot.Owner.MemberRef()
				r.Key = job.Key + "/" + member
				requests = append(requests, Redate(member, unit, from, to, expiresAt, r))
			}
		}
		mu.Unlock()
		if len(requests) == 0 {
			return nil
		}
		answers, err := l.postAll(ctx, programme, requests)
		mu.Lock()
		defer mu.Unlock()
		for _, a := range answers {
			done.count(a)
		}
		return err
	}
	err = l.eachBucket(ctx, redate, func(ctx context.Context, bucket int16, do pageFunc) error {
		start := Due{At: from.Add(-time.Microsecond)}
		return l.pages(ctx, sqlRedatableLots, start, do, programme, bucket, to, unit)
	})
	return done, err
}

func (d *Redated) count(a Answer) {
	var refusal *Refusal
	switch {
	case errors.As(a.Err, &refusal):
		d.Refused[refusal.Reason]++
	case a.Replayed:
		d.Earlier++
	default:
		d.Members++
		d.Amount = d.Amount.Add(a.Transaction.Amount)
		for _, leg := range a.Transaction.Legs {
			if leg.From.Account == leg.To.Account {
				d.Lots++
			}
		}
	}
}
