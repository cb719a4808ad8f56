package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
	"golang.org/x/sync/errgroup"
)

// Due is one thing that time has made necessary: a lot that expired, a hold that timed out, a pending accrual that
// activates, a voucher that nobody used.
type Due struct {
	Kind   Kind
	Owner  Owner
	Unit   string
	Amount decimal.Decimal
	At     time.Time

	account uuid.UUID
	fund    string
	of      uuid.UUID // the transaction that opened the place; nil for a wallet's lot
}

// Both queries page by key, so that a sweep ends even when something it meets cannot be posted.
const (
	sqlDueLots = `
SELECT l.expires_at, l.account_id, l.fund, a.owner, a.unit, l.remaining, 'wallet', 'expiry'
FROM lots AS l
JOIN accounts AS a ON a.id = l.account_id
WHERE l.programme_id = $1 AND l.bucket = $2 AND l.expires_at <= $3 AND (l.expires_at, l.account_id, l.fund) > ($4, $5, $6)
ORDER BY l.expires_at, l.account_id, l.fund
LIMIT $7`

	sqlDuePlaces = `
SELECT o.due_at, o.account_id, '', o.owner, o.unit, a.balance, o.place, o.due_kind
FROM open_places AS o
JOIN accounts AS a ON a.id = o.account_id
WHERE o.programme_id = $1 AND o.bucket = $2 AND o.due_at <= $3 AND (o.due_at, o.account_id, '') > ($4, $5, $6::text)
ORDER BY o.due_at, o.account_id
LIMIT $7`

	sqlCountDue = `
SELECT (SELECT count(*) FROM lots AS l WHERE l.programme_id = $1 AND l.bucket = ANY($3::int2[]) AND l.expires_at <= $2)
     + (SELECT count(*) FROM open_places AS o WHERE o.programme_id = $1 AND o.bucket = ANY($3::int2[]) AND o.due_at <= $2)`

	sqlOldestDue = `
SELECT least(
    (SELECT min(l.expires_at) FROM lots AS l WHERE l.programme_id = $1 AND l.bucket = ANY($3::int2[]) AND l.expires_at <= $2),
    (SELECT min(o.due_at) FROM open_places AS o WHERE o.programme_id = $1 AND o.bucket = ANY($3::int2[]) AND o.due_at <= $2))`
)

const (
	sweepPage    = 500 // what one database transaction takes on
	sweepWorkers = 2   // so that one reads while the other's page is posted
)

// Sweep posts everything that is due in a programme: expired lots, timed-out holds, activations, unused vouchers. It may
// be stopped at any moment and run by any number of processes at once: what is posted twice is posted once. No
// balance depends on it for lots and vouchers, because postings and reads leave out what is due; timed-out holds and
// activations become available when it has posted them.
// visit, when given, is called for each thing that this sweep posted, with what was moved, by one goroutine at a time. What
// others posted first is theirs to count, and so is, after a COMMIT whose answer was lost, what it had posted.
func (l *Ledger) Sweep(ctx context.Context, programme uuid.UUID, visit func(Due)) error {
	return l.eachDue(ctx, programme, visiting(func(ctx context.Context, page []Due) ([]Due, error) {
		answers, err := l.postAll(ctx, programme, settling(page))
		return settled(page, answers), err
	}, visit))
}

// DueNow lists what Sweep would post, decided by the same code on the same state, and posts nothing. visit is called by
// one goroutine at a time.
func (l *Ledger) DueNow(ctx context.Context, programme uuid.UUID, visit func(Due)) error {
	return l.eachDue(ctx, programme, visiting(func(ctx context.Context, page []Due) ([]Due, error) {
		answers, err := l.PreviewBatch(ctx, programme, settling(page), false)
		if err != nil {
			return nil, err
		}
		// A request also settles what is on other pages. There it is met again, because nothing is posted.
		return slices.DeleteFunc(settled(page, answers), func(d Due) bool { return !slices.ContainsFunc(page, d.is) }), nil
	}, visit))
}

// is reports whether two name the same thing.
func (d Due) is(other Due) bool {
	return d.account == other.account && (d.of != uuid.Nil || d.fund == other.fund && d.At.Equal(other.At))
}

// pageFunc does what a job does with one page.
type pageFunc func(ctx context.Context, page []Due) error

// visiting calls visit, unless it is nil, for each thing that do says it did with a page, by one goroutine at a time.
func visiting(do func(ctx context.Context, page []Due) ([]Due, error), visit func(Due)) pageFunc {
	var mu sync.Mutex
	return func(ctx context.Context, page []Due) error {
		done, err := do(ctx, page)
		if err != nil || visit == nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, due := range done {
			visit(due)
		}
		return nil
	}
}

// CountDue is how many things a sweep would find now.
func (l *Ledger) CountDue(ctx context.Context, programme uuid.UUID) (int64, error) {
	state, err := l.State(ctx, programme)
	if err != nil {
		return 0, err
	}
	var n int64
	err = l.posting.QueryRow(ctx, sqlCountDue, programme, state.Now, allBuckets()).Scan(&n)
	return n, err
}

// SweepLag is how long the oldest due thing has been waiting, in the programme's time; zero when nothing is due.
func (l *Ledger) SweepLag(ctx context.Context, programme uuid.UUID) (time.Duration, error) {
	state, err := l.State(ctx, programme)
	if err != nil {
		return 0, err
	}
	var oldest *time.Time
	err = l.posting.QueryRow(ctx, sqlOldestDue, programme, state.Now, allBuckets()).Scan(&oldest)
	if err != nil || oldest == nil {
		return 0, err
	}
	return state.Now.Sub(*oldest), nil
}

func allBuckets() []int16 {
	list := make([]int16, buckets)
	for i := range list {
		list[i] = int16(i)
	}
	return list
}

// eachDue goes through everything that is due, a page at a time.
func (l *Ledger) eachDue(ctx context.Context, programme uuid.UUID, do pageFunc) error {
	state, err := l.State(ctx, programme)
	if err != nil {
		return err
	}
	return l.eachBucket(ctx, do, func(ctx context.Context, bucket int16, do pageFunc) error {
		if err := l.pages(ctx, sqlDuePlaces, Due{}, do, programme, bucket, state.Now); err != nil {
			return err
		}
		return l.pages(ctx, sqlDueLots, Due{}, do, programme, bucket, state.Now)
	})
}

// eachBucket gives the buckets to a few workers.
func (l *Ledger) eachBucket(ctx context.Context, do pageFunc, work func(ctx context.Context, bucket int16, do pageFunc) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(sweepWorkers)
	for bucket := range int16(buckets) {
		group.Go(func() error { return work(ctx, bucket, do) })
	}
	return group.Wait()
}

// pages reads what a statement finds after start, in order, and hands it on page by page.
func (l *Ledger) pages(ctx context.Context, sql string, start Due, do pageFunc, args ...any) error {
	for last := start; ; {
		rows, err := l.posting.Query(ctx, sql, append(args[:len(args):len(args)], last.At, last.account, last.fund, sweepPage)...)
		if err != nil {
			return fmt.Errorf("read what is due: %w", err)
		}
		page, err := pgx.CollectRows(rows, scanDue)
		if err != nil {
			return fmt.Errorf("read what is due: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		if err := do(ctx, page); err != nil {
			return err
		}
		last = page[len(page)-1]
	}
}

func scanDue(row pgx.CollectableRow) (Due, error) {
	var d Due
	var place string
	if err := row.Scan(&d.At, &d.account, &d.fund, &d.Owner, &d.Unit, &d.Amount, &place, &d.Kind); err != nil {
		return d, err
	}
	at, err := ParsePlace(place)
	d.of = at.Of
	d.At = d.At.UTC()
	return d, err
}

// settling makes the requests that settle a page of due things. What another process posted meanwhile is refused without
// a record, or is a replay; both are fine.
func settling(page []Due) []Request {
	var requests []Request
	for i, d := range page {
		member, _ := d.Owner.MemberRef()
		switch {
		case d.of != uuid.Nil:
			requests = append(requests, Request{
				own: true, Client: systemClient, Key: string(d.Kind) + "/" + d.of.String(), Kind: d.Kind, Original: d.of,
			})
		case i == 0 || d.account != page[i-1].account:
			wallet := walletOf(member, d.Unit)
			requests = append(requests, Request{
				own: true, Client: systemClient, Key: "touch", Kind: touch, Member: member, Legs: []Leg{{From: wallet, To: wallet, Unit: d.Unit}},
			})
		}
	}
	return requests
}

// settled lists what the answers to a page's requests say was posted: the expired lots of the wallets that they touched,
// and the places that they emptied.
func settled(page []Due, answers []Answer) []Due {
	var done []Due
	for _, a := range answers {
		for _, t := range a.expired {
			done = append(done, movedOut(t)...)
		}
		if a.Transaction == nil || a.Replayed || a.Err != nil {
			continue
		}
		places := movedOut(a.Transaction)
		for i := range places {
			if at := slices.IndexFunc(page, places[i].is); at >= 0 {
				places[i].At = page[at].At
			}
		}
		done = append(done, places...)
	}
	return done
}

// movedOut lists what a transaction that time made necessary took out of the place that it is about: a wallet, or the
// place that its original opened.
func movedOut(t *Transaction) []Due {
	var list []Due
	for _, leg := range t.Legs {
		from := leg.From.Account
		if from.Of != t.Original {
			continue // a debt that was paid by it
		}
		i := slices.IndexFunc(list, func(d Due) bool { return d.account == leg.From.AccountID })
		if i < 0 {
			first := leg.From.Draws[0]
			d := Due{Kind: t.Kind, Owner: from.Owner, Unit: leg.Unit, At: first.ExpiresAt, account: leg.From.AccountID, of: from.Of}
			if from.Of == uuid.Nil {
				d.fund = first.Fund
			}
			i, list = len(list), append(list, d)
		}
		list[i].Amount = list[i].Amount.Add(leg.Amount)
	}
	return list
}

// postAll posts a job's requests in one database transaction, outside the callers' lanes and after them.
func (l *Ledger) postAll(ctx context.Context, programme uuid.UUID, requests []Request) ([]Answer, error) {
	if len(requests) >= longPage {
		if err := l.giveWay(ctx, programme); err != nil {
			return nil, err
		}
	}
	return l.jobs.post(ctx, programme, Item{Requests: requests})
}

// SweepForever sweeps every programme again and again until ctx ends, and tells of what went wrong. A failure is met
// again in the next round.
func (l *Ledger) SweepForever(ctx context.Context, pause time.Duration, failed func(error)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := l.sweepAll(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
		timer.Reset(pause)
	}
}

const sqlListProgrammes = `SELECT p.id FROM programmes AS p ORDER BY p.id`

// Programmes lists the ids of all programmes.
func (l *Ledger) Programmes(ctx context.Context) ([]uuid.UUID, error) {
	rows, err := l.posting.Query(ctx, sqlListProgrammes)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

func (l *Ledger) sweepAll(ctx context.Context) error {
	ids, err := l.Programmes(ctx)
	for _, id := range ids {
		err = errors.Join(err, l.Sweep(ctx, id, nil), l.NotifyToday(ctx, id))
	}
	return err
}
