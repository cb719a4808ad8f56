package ledger

import (
	"context"
	"iter"
)

// Observer is told what the lanes do, for metrics and traces. Its functions are called by the lanes themselves, so they
// must be quick; any of them may be nil. The ledger has no clock of its own to time anything with.
type Observer struct {
	// Batch is told that a lane begins to write what callers asked for, so many requests. It returns the context of the
	// batch's steps, and what is to be called when it ends.
	Batch func(ctx context.Context, callers iter.Seq[context.Context], requests int) (context.Context, func(error))
	// Step is told that a step of a batch begins: load, save or commit. It returns what is to be called when it ends.
	Step func(ctx context.Context, name string) func()
	// Rerun is told that the same batch is written once more, Bisection that a batch is narrowed down by halving.
	Rerun, Bisection func()
	// Refused is told of a refusal that was recorded.
	Refused func(Reason)
}

// Observe makes o the ledger's observer. It must be called before anything is posted.
func (l *Ledger) Observe(o Observer) { l.observer = o }

// Queued is how many items wait for a lane to take them.
func (l *Ledger) Queued() int {
	n := len(l.jobs.queue)
	for _, lane := range l.lanes {
		n += len(lane.queue)
	}
	return n
}

func (o *Observer) batch(ctx context.Context, batch []*queued) (context.Context, func(error)) {
	if o.Batch == nil {
		return ctx, func(error) {}
	}
	requests := 0
	for _, q := range batch {
		requests += len(q.item.Requests)
	}
	return o.Batch(ctx, func(yield func(context.Context) bool) {
		for _, q := range batch {
			if !yield(q.ctx) {
				return
			}
		}
	}, requests)
}

func (o *Observer) step(ctx context.Context, name string) func() {
	if o.Step == nil {
		return func() {}
	}
	return o.Step(ctx, name)
}

func (o *Observer) rerun() {
	if o.Rerun != nil {
		o.Rerun()
	}
}

func (o *Observer) bisection() {
	if o.Bisection != nil {
		o.Bisection()
	}
}

// refusals tells of what a committed batch refused and recorded. Replays of earlier refusals are not told again.
func (o *Observer) refusals(out [][]outcome) {
	if o.Refused == nil {
		return
	}
	for _, item := range out {
		for _, one := range item {
			if one.tx != nil && !one.tx.Posted() {
				o.Refused(one.tx.Rejection)
			}
		}
	}
}
