package ledger

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
)

// notified remembers, by programme, the local day on which notices were last looked for.
type notified struct {
	mu  sync.Mutex
	day map[uuid.UUID]string
}

// NotifyToday gives the notices of a programme once on each local day; it is for a loop that runs all the time.
func (l *Ledger) NotifyToday(ctx context.Context, programme uuid.UUID) error {
	l.notified.mu.Lock()
	defer l.notified.mu.Unlock()
	p, err := l.Programme(ctx, programme)
	if err != nil || p.ExpiryNotice == 0 {
		return err
	}
	state, err := l.State(ctx, programme)
	if err != nil {
		return err
	}
	today := fmt.Sprint(Day.Of(state.Now, p.Zone), " ", p.Version)
	if l.notified.day[programme] == today {
		return nil
	}
	if _, err := l.Notify(ctx, programme); err != nil {
		return err
	}
	if l.notified.day == nil {
		l.notified.day = make(map[uuid.UUID]string)
	}
	l.notified.day[programme] = today
	return nil
}

// What wallets hold that expires in a span of time, by wallet and expiry.
const sqlExpiringLots = `
SELECT l.expires_at, l.account_id, a.owner, a.unit, sum(l.remaining)
FROM lots AS l
JOIN accounts AS a ON a.id = l.account_id
WHERE l.programme_id = $1 AND l.bucket = $2 AND l.expires_at > $3 AND l.expires_at <= $4 AND a.unit = ANY($5::text[])
  AND (l.expires_at, l.account_id) > ($6, $7)
GROUP BY l.expires_at, l.account_id, a.owner, a.unit
ORDER BY l.expires_at, l.account_id
LIMIT $8`

// Notify records for every member what will expire within the time that the programme's document names, and returns how
// many notices are new. A notice is a transaction that moves nothing, so it is an event like any other. It is given once
// for a wallet and an expiry, however often this runs: what is added to the same lot later is not told of again.
func (l *Ledger) Notify(ctx context.Context, programme uuid.UUID) (int64, error) {
	p, err := l.Programme(ctx, programme)
	if err != nil || p.ExpiryNotice == 0 {
		return 0, err
	}
	state, err := l.State(ctx, programme)
	if err != nil {
		return 0, err
	}
	var units []string
	for code, unit := range p.Units {
		if unit.Kind == PointsUnit || unit.Kind == AllotmentUnit {
			units = append(units, code)
		}
	}
	var count int64
	for bucket := range int16(buckets) {
		last := expiring{}
		for more := true; more; {
			rows, err := l.posting.Query(ctx, sqlExpiringLots, programme, bucket, state.Now, state.Now.Add(p.ExpiryNotice), units, last.at, last.account, sweepPage)
			if err != nil {
				return count, fmt.Errorf("read what will expire: %w", err)
			}
			page, err := pgx.CollectRows(rows, scanExpiring)
			if err != nil {
				return count, fmt.Errorf("read what will expire: %w", err)
			}
			if more = len(page) > 0; !more {
				break
			}
			last = page[len(page)-1]
			posted, err := l.notify(ctx, p, page)
			if count += posted; err != nil {
				return count, err
			}
		}
	}
	return count, nil
}

// expiring is what one wallet loses at one time.
type expiring struct {
	at      time.Time
	account uuid.UUID
	owner   Owner
	unit    string
	amount  decimal.Decimal
}

func scanExpiring(row pgx.CollectableRow) (expiring, error) {
	var e expiring
	err := row.Scan(&e.at, &e.account, &e.owner, &e.unit, &e.amount)
	e.at = e.at.UTC()
	return e, err
}

// notify posts the notices of a page that were not given before.
func (l *Ledger) notify(ctx context.Context, p *Programme, page []expiring) (int64, error) {
	requests := make([]Request, 0, len(page))
	ids := make([]uuid.UUID, 0, len(page))
	for _, e := range page {
		member, _ := e.owner.MemberRef()
		r := Request{
			own: true, Client: systemClient, Key: fmt.Sprintf("expiring/%s/%s/%d", e.unit, member, e.at.UnixMicro()), Kind: KindNotice,
			Member: member, Amount: e.amount, DueAt: e.at, Rule: "expiring/" + e.unit,
		}
		requests, ids = append(requests, r), append(ids, TransactionID(p.ID, r.Client, r.Key))
	}
	given, err := l.posted(ctx, ids)
	if err != nil {
		return 0, err
	}
	fresh := requests[:0]
	for i, r := range requests {
		if !given[ids[i]] {
			fresh = append(fresh, r)
		}
	}
	if len(fresh) == 0 {
		return 0, nil
	}
	answers, err := l.postAll(ctx, p.ID, fresh)
	var count int64
	for _, a := range answers {
		if a.Err == nil && !a.Replayed {
			count++
		}
	}
	return count, err
}

const sqlReadPosted = `
SELECT t.id
FROM transactions AS t
WHERE t.id = ANY($1::uuid[])`

// posted reports which ids are recorded.
func (l *Ledger) posted(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	rows, err := l.posting.Query(ctx, sqlReadPosted, ids)
	if err != nil {
		return nil, fmt.Errorf("read transactions: %w", err)
	}
	found := make(map[uuid.UUID]bool)
	var id uuid.UUID
	if _, err := pgx.ForEachRow(rows, []any{&id}, func() error { found[id] = true; return nil }); err != nil {
		return nil, fmt.Errorf("read transactions: %w", err)
	}
	return found, nil
}
