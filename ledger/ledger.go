package ledger

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"tallystick/internal/db"
)

// Ledger posts to and reads from one database. It is safe for concurrent use; several processes may share a database.
type Ledger struct {
	posting    *db.Pool // postings and reads by key: plans by index only
	reports    *db.Pool // long reads
	lanes      []*lane
	jobs       *lane // of the sweep and other jobs, whose batches callers should not wait for
	courtesy   courtesy
	programmes sync.Map // programmeVersion → *Programme
	balances   balanceLane
	notified   notified
	observer   Observer
}

type programmeVersion struct {
	id      uuid.UUID
	version int64
}

// lanesFor is how many lanes callers share on so many processors. With two processors for callers, server and database
// together, one lane posts more than two: its batches are twice as long, and what a batch costs by itself is as much as
// ten postings. A lane keeps a processor here and one in the database busy, so it takes many to feed a second.
func lanesFor(processors int) int { return min(max(processors/4, 1), 4) }

// New returns a ledger and starts its lanes. posting must have been opened with db.Options.ByIndex; reports is for
// statements that take long. Close stops the lanes; the pools stay the caller's.
func New(posting, reports *db.Pool) *Ledger {
	return withLanes(posting, reports, lanesFor(runtime.GOMAXPROCS(0)))
}

// NewJob is New for a job that has the machine to itself and posts large batches, such as an import: it has a lane for each
// processor, so that one is decided while another is written.
func NewJob(posting, reports *db.Pool) *Ledger {
	return withLanes(posting, reports, min(max(runtime.GOMAXPROCS(0), 1), 4))
}

func withLanes(posting, reports *db.Pool, lanes int) *Ledger {
	l := &Ledger{posting: posting, reports: reports}
	l.jobs = startLane(l)
	for range lanes {
		l.lanes = append(l.lanes, startLane(l))
	}
	return l
}

// Close waits for what is queued and stops the lanes. Posting afterwards answers db.ErrUnavailable.
func (l *Ledger) Close() {
	for _, lane := range l.lanes {
		lane.stop()
	}
	l.jobs.stop()
}

// Answer is what became of one request.
type Answer struct {
	// Transaction is set when the request was recorded, posted or rejected. It is the same for every retry.
	Transaction *Transaction
	// Replayed says that an earlier request with the same key was answered, and this one changed nothing.
	Replayed bool
	// Err is a *Refusal when the request was rejected or could not be decided.
	Err error

	expired []*Transaction // that had to be posted before it, which a sweep counts
}

// Post records one request and answers after COMMIT. The error is a *Refusal, or says what became of the database
// transaction: db.ErrContention, db.ErrUnavailable and db.ErrOutcomeUnknown are safe to retry with the same key.
// A recorded rejection returns both the answer's transaction and its refusal.
func (l *Ledger) Post(ctx context.Context, programme uuid.UUID, r Request) (Answer, error) {
	answers, err := l.post(ctx, programme, Item{Requests: []Request{r}})
	if err != nil {
		return Answer{}, err
	}
	return answers[0], answers[0].Err
}

// PostBatch records up to MaxBatch requests. With atomic, all are posted or all are rejected, in one database transaction;
// without, each has a result of its own, and only the requests of one member are sure to be decided in their order.
// Every request keeps its own key. The error says what became of the database transactions: some requests may have been
// recorded then, and a retry with the same keys answers those as replays. Refusals are in the answers.
func (l *Ledger) PostBatch(ctx context.Context, programme uuid.UUID, requests []Request, atomic bool) ([]Answer, error) {
	if len(requests) == 0 || len(requests) > MaxBatch {
		return nil, refuse(InvalidField, "field", "items", "most", fmt.Sprint(MaxBatch))
	}
	if atomic || len(l.lanes) == 1 || !separable(requests) {
		return l.post(ctx, programme, Item{Requests: requests, Atomic: atomic})
	}
	return l.postApart(ctx, programme, requests)
}

// MaxBatch is the most requests that PostBatch takes.
const MaxBatch = 1000

// separable reports whether requests are worth a database transaction in each lane: there are enough of them, and each is
// about one member alone, so that their order across members decides nothing.
func separable(requests []Request) bool {
	for i := range requests {
		if r := &requests[i]; r.Member == "" || r.Original != uuid.Nil || r.Kind == KindTransfer {
			return false
		}
	}
	const enough = 32 // below, a second COMMIT costs more than a second lane gains
	return len(requests) >= enough
}

// postApart gives each lane the requests of its own members: both write at once, and neither waits for the other's locks.
func (l *Ledger) postApart(ctx context.Context, programme uuid.UUID, requests []Request) ([]Answer, error) {
	parts := make(map[*lane]*Item, len(l.lanes))
	places := make(map[*lane][]int, len(l.lanes))
	for i := range requests {
		lane := l.laneOf(&requests[i])
		if parts[lane] == nil {
			parts[lane] = new(Item)
		}
		parts[lane].Requests = append(parts[lane].Requests, requests[i])
		places[lane] = append(places[lane], i)
	}
	answers := make([]Answer, len(requests))
	var group errgroup.Group
	for lane, part := range parts {
		group.Go(func() error {
			got, err := lane.post(ctx, programme, *part)
			for i, answer := range got {
				answers[places[lane][i]] = answer
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return answers, nil
}

func (l *Ledger) post(ctx context.Context, programme uuid.UUID, item Item) ([]Answer, error) {
	return l.laneOf(&item.Requests[0]).post(ctx, programme, item)
}

// kept returns the requests with their times cut to what both databases keep, so that a hash made now verifies later. They
// are copies: a caller that gave up may post the same requests again while the first are still being decided.
func kept(requests []Request) []Request {
	requests = slices.Clone(requests)
	for i := range requests {
		r := &requests[i]
		for _, t := range [...]*time.Time{&r.DueAt, &r.RedateFrom, &r.RedateTo, &r.EffectiveAt} {
			*t = t.UTC().Truncate(time.Microsecond)
		}
		r.Timeout = r.Timeout.Truncate(time.Microsecond)
		r.Legs = slices.Clone(r.Legs)
		for j := range r.Legs {
			r.Legs[j].ExpiresAt = r.Legs[j].ExpiresAt.UTC().Truncate(time.Microsecond)
		}
	}
	return requests
}

// Preview decides a request by the same code on the same state and records nothing. The transaction is what would be
// posted; the error is the *Refusal that would be answered.
func (l *Ledger) Preview(ctx context.Context, programme uuid.UUID, r Request) (*Transaction, error) {
	answers, err := l.PreviewBatch(ctx, programme, []Request{r}, false)
	if err != nil {
		return nil, err
	}
	return answers[0].Transaction, answers[0].Err
}

// PreviewBatch is Preview for what PostBatch would record: each request is decided on the state that those before it leave.
func (l *Ledger) PreviewBatch(ctx context.Context, programme uuid.UUID, requests []Request, atomic bool) ([]Answer, error) {
	if len(requests) == 0 || len(requests) > MaxBatch {
		return nil, refuse(InvalidField, "field", "items", "most", fmt.Sprint(MaxBatch))
	}
	items := []*Item{{Requests: kept(requests), Atomic: atomic}}
	var out [][]outcome
	err := db.InTx(ctx, l.posting, db.Locked, func(tx dbTx) error {
		work, err := l.load(ctx, tx, programme, items, noStripe)
		if err != nil {
			return err
		}
		out = work.apply(items)
		return errPreview
	})
	if !errors.Is(err, errPreview) {
		return nil, err
	}
	answers, err := l.answersOf(ctx, programme, out)
	if err != nil {
		return nil, err
	}
	return answers[0], nil
}

// errPreview ends a preview's transaction, which must not commit.
var errPreview = errors.New("ledger: preview")

// Transaction reads a transaction of the journal, posted or rejected, with its legs and entries. It answers a *Refusal
// with NOT_FOUND when the programme has none with that id.
func (l *Ledger) Transaction(ctx context.Context, programme, id uuid.UUID) (*Transaction, error) {
	found, err := readTransactions(ctx, l.posting, programme, []uuid.UUID{id})
	if err != nil {
		return nil, err
	}
	if found[id] == nil {
		return nil, refuse(NotFoundReason)
	}
	return found[id], nil
}
