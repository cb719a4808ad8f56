package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
)

// lane writes batches, one after the other. While one commits, the next queues up: so a batch forms without a timer,
// and is of one when there is nothing to wait for.
type lane struct {
	ledger  *Ledger
	id      uuid.UUID // names the lane in the leases of stripes
	queue   chan *queued
	closing chan struct{}
	done    sync.WaitGroup
	waiting []*queued           // taken from the queue, not yet in a batch
	stripes map[uuid.UUID]int16 // the stripe that the lane holds of each programme
}

// queued is one item with its caller.
type queued struct {
	ctx       context.Context
	programme uuid.UUID
	item      Item
	reply     chan reply
}

type reply struct {
	answers []Answer
	err     error
}

const (
	queueLength  = 4096
	maxBatchRows = 1000 // requests in one database transaction
	// commitTime bounds one batch with all of its retries; a transaction itself ends sooner, at db.MaxTransaction.
	commitTime = 20 * time.Second
	maxReruns  = 5
)

func startLane(l *Ledger) *lane {
	n := &lane{
		ledger: l, id: uuid.New(), queue: make(chan *queued, queueLength), closing: make(chan struct{}),
		stripes: make(map[uuid.UUID]int16),
	}
	n.done.Add(1)
	go n.run()
	return n
}

func (n *lane) stop() {
	close(n.closing)
	n.done.Wait()
}

// laneOf keeps a member's postings in one lane of this process, where they do not wait for each other's locks.
func (l *Ledger) laneOf(r *Request) *lane {
	key := r.Member
	if key == "" {
		key = string(r.Original[:])
	}
	h := uint32(2166136261) // FNV-1a
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return l.lanes[h%uint32(len(l.lanes))]
}

// post queues an item and waits for its batch's COMMIT. A caller that gives up does not stop the posting.
func (n *lane) post(ctx context.Context, programme uuid.UUID, item Item) ([]Answer, error) {
	item.Requests = kept(item.Requests)
	q := &queued{ctx: ctx, programme: programme, item: item, reply: make(chan reply, 1)}
	select {
	case <-n.closing:
		return nil, fmt.Errorf("%w: the ledger is closed", db.ErrUnavailable)
	case <-ctx.Done():
		return nil, ctx.Err()
	case n.queue <- q:
	}
	select {
	case r := <-q.reply:
		return r.answers, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-n.closing: // what is queued is still written; the caller learns of it if it waits
		n.done.Wait()
		select {
		case r := <-q.reply:
			return r.answers, r.err
		default:
			return nil, fmt.Errorf("%w: the ledger is closed", db.ErrUnavailable)
		}
	}
}

func (n *lane) run() {
	defer n.done.Done()
	for {
		if len(n.waiting) == 0 {
			select {
			case q := <-n.queue:
				n.waiting = append(n.waiting, q)
			case <-n.closing:
				select {
				case q := <-n.queue:
					n.waiting = append(n.waiting, q)
				default:
					return
				}
			}
		}
		n.commit(n.take())
	}
}

// take forms a batch: everything of one programme that queued up, in order, up to a bound.
func (n *lane) take() []*queued {
	for more := true; more && len(n.waiting) < maxBatchRows; {
		select {
		case q := <-n.queue:
			n.waiting = append(n.waiting, q)
		default:
			more = false
		}
	}
	var batch, rest []*queued
	size := 0
	for _, q := range n.waiting {
		switch {
		case q.ctx.Err() != nil:
			q.reply <- reply{err: q.ctx.Err()} // nobody waits any more, and nothing was written
		case len(batch) > 0 && (q.programme != batch[0].programme || size+len(q.item.Requests) > maxBatchRows):
			rest = append(rest, q)
		default:
			batch = append(batch, q)
			size += len(q.item.Requests)
		}
	}
	n.waiting = rest
	return batch
}

// commit runs a batch to its end and answers every caller. A failure that is not the database's alone is narrowed down
// by halving, so that one item can neither hurt the others nor turn a batch into a thousand commits.
func (n *lane) commit(batch []*queued) {
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTime)
	defer cancel()
	err := n.attempt(ctx, batch)
	switch {
	case err == nil:
	case len(batch) == 1 || db.IsRetryable(err):
		for _, q := range batch {
			q.reply <- reply{err: err}
		}
	default:
		n.ledger.observer.bisection()
		n.commit(batch[:len(batch)/2])
		n.commit(batch[len(batch)/2:])
	}
}

// attempt runs the same batch until its outcome is known. What an earlier run recorded answers as a replay. Once a COMMIT's
// outcome was unknown, no later failure makes it known: a database that cannot be reached may have committed before.
func (n *lane) attempt(ctx context.Context, batch []*queued) error {
	var unknown error
	for run := 1; ; run++ {
		if run > 1 {
			n.ledger.observer.rerun()
		}
		err := n.observed(ctx, batch)
		if errors.Is(err, db.ErrOutcomeUnknown) {
			unknown = err
		}
		again := db.IsUniqueViolation(err) || errors.Is(err, db.ErrOutcomeUnknown) || errors.Is(err, errMoved)
		switch {
		case err == nil:
			return nil
		case !again || run == maxReruns || ctx.Err() != nil:
			return cmp.Or(unknown, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(time.Duration(run) * 20 * time.Millisecond)):
		}
	}
}

func (n *lane) observed(ctx context.Context, batch []*queued) error {
	ctx, end := n.ledger.observer.batch(ctx, batch)
	err := n.write(ctx, batch)
	end(err)
	return err
}

// write runs a batch in one database transaction and, after COMMIT, answers.
func (n *lane) write(ctx context.Context, batch []*queued) error {
	programme := batch[0].programme
	stripe, err := n.stripeOf(ctx, programme)
	if err != nil {
		return err
	}
	items := make([]*Item, len(batch))
	for i, q := range batch {
		items[i] = &q.item
	}
	var out [][]outcome
	var leased uuid.UUID
	committed := func() {}
	err = db.InTx(ctx, n.ledger.posting, db.Locked, func(tx dbTx) error {
		out, leased, err = n.decide(ctx, tx, programme, items, stripe)
		if err == nil {
			committed = n.ledger.observer.step(ctx, "commit")
		}
		return err
	})
	committed()
	if err != nil {
		return err
	}
	n.ledger.observer.refusals(out)
	if leased != n.id {
		delete(n.stripes, programme) // another lane took the stripe while this one was idle: find a free one
	}
	return n.answer(ctx, batch, out)
}

// decide is the way of a batch: load, apply, save. A panic is a bug in a rule; it must not take the process down.
func (n *lane) decide(ctx context.Context, tx dbTx, programme uuid.UUID, items []*Item, stripe int16) (out [][]outcome, leased uuid.UUID, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("ledger: apply: %v\n%s", p, debug.Stack())
		}
	}()
	loaded := n.ledger.observer.step(ctx, "load")
	w, err := n.ledger.load(ctx, tx, programme, items, stripe)
	loaded()
	if err != nil {
		return nil, uuid.Nil, err
	}
	out = w.apply(items)
	saved := n.ledger.observer.step(ctx, "save")
	defer saved()
	return out, w.leased, w.save(ctx, tx, n.id)
}

// answer replies to every caller.
func (n *lane) answer(ctx context.Context, batch []*queued, out [][]outcome) error {
	answers, err := n.ledger.answersOf(ctx, batch[0].programme, out)
	if err != nil {
		// The batch is committed and only its answer is missing: the same batch again answers as replays.
		return fmt.Errorf("%w: %w", db.ErrOutcomeUnknown, err)
	}
	for i, q := range batch {
		q.reply <- reply{answers: answers[i]}
	}
	return nil
}

// answersOf makes the answers to a batch. Keys that an earlier batch recorded are answered from the journal.
func (l *Ledger) answersOf(ctx context.Context, programme uuid.UUID, out [][]outcome) ([][]Answer, error) {
	var ids []uuid.UUID
	for _, item := range out {
		for _, o := range item {
			if o.recorded != uuid.Nil {
				ids = append(ids, o.recorded)
			}
		}
	}
	var earlier map[uuid.UUID]*Transaction
	if len(ids) > 0 {
		var err error
		if earlier, err = readTransactions(ctx, l.posting, programme, ids); err != nil {
			return nil, err
		}
	}
	answered := make(map[uuid.UUID]bool)
	answers := make([][]Answer, len(out))
	for i, item := range out {
		answers[i] = make([]Answer, len(item))
		for j, o := range item {
			answers[i][j] = o.answer(earlier, answered)
		}
	}
	return answers, nil
}

func (o outcome) answer(earlier map[uuid.UUID]*Transaction, answered map[uuid.UUID]bool) Answer {
	a := Answer{Transaction: o.tx, Err: o.err, expired: o.expired}
	if o.err != nil {
		return a
	}
	if o.recorded != uuid.Nil {
		a.Transaction, a.Replayed = earlier[o.recorded], true
	}
	if a.Transaction == nil {
		return a // the sweep's touch, which is no transaction
	}
	a.Replayed = a.Replayed || answered[a.Transaction.ID]
	answered[a.Transaction.ID] = true
	a.Err = a.Transaction.Err()
	return a
}

const sqlLeaseStripe = `
UPDATE stripes SET lease_owner = $3, lease_until = now() + INTERVAL '30 seconds'
WHERE programme_id = $1 AND stripe = $2 AND lease_until < now()`

// stripeOf returns the lane's stripe of a programme and leases one if it has none. Only load depends on the lease: two
// lanes on one stripe would be right as well, and wait for each other.
func (n *lane) stripeOf(ctx context.Context, programme uuid.UUID) (int16, error) {
	if stripe, held := n.stripes[programme]; held {
		return stripe, nil
	}
	stripe := int16(rand.N(Stripes))
	for range 8 {
		leased := false
		err := db.InTx(ctx, n.ledger.posting, db.Locked, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, sqlLeaseStripe, programme, stripe, n.id)
			leased = tag.RowsAffected() == 1
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("lease a stripe: %w", err)
		}
		if leased {
			break
		}
		stripe = (stripe + 1) % Stripes
	}
	n.stripes[programme] = stripe
	return stripe, nil
}
