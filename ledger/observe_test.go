package ledger_test

import (
	"context"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"tallystick/ledger"
)

// watched counts what an observer is told.
type watched struct {
	mu                 sync.Mutex
	steps              []string
	sizes              []int
	callers            int
	refused            []ledger.Reason
	reruns, bisections atomic.Int64
	failures           atomic.Int64
}

// observer holds the first batch back until so many items wait behind it, so that they make one batch.
func (w *watched) observer(l *ledger.Ledger, behind int) ledger.Observer {
	return ledger.Observer{
		Batch: func(ctx context.Context, callers iter.Seq[context.Context], requests int) (context.Context, func(error)) {
			w.mu.Lock()
			first := len(w.sizes) == 0
			w.sizes = append(w.sizes, requests)
			w.callers += len(slices.Collect(callers))
			w.mu.Unlock()
			for first && requests+l.Queued() < 1+behind { // some of them may be in this batch already
				runtime.Gosched()
			}
			return ctx, func(err error) {
				if err != nil {
					w.failures.Add(1)
				}
			}
		},
		Step: func(_ context.Context, name string) func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.steps = append(w.steps, name)
			return func() {}
		},
		Rerun:     func() { w.reruns.Add(1) },
		Bisection: func() { w.bisections.Add(1) },
		Refused: func(r ledger.Reason) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.refused = append(w.refused, r)
		},
	}
}

func TestAnObserverIsToldOfBatchesTheirStepsAndWhatBecameOfThem(t *testing.T) {
	s := newDrill(t)
	l := ledger.New(s.pool, s.pool)
	defer l.Close()
	var w watched
	const waiting = 8
	l.Observe(w.observer(l, waiting))
	together(waiting+1, func(c int) {
		note := named("n%d", c)
		if c < 2 {
			note = "" // the table's own check refuses it; of two, one is in a batch with others
		}
		_, _ = l.Post(context.Background(), s.Programme, s.noted(named("k%d", c), note))
	})
	if w.bisections.Load() == 0 || w.failures.Load() == 0 {
		t.Errorf("%d bisections, %d failures of batches %v", w.bisections.Load(), w.failures.Load(), w.sizes)
	}
	if largest := slices.Max(w.sizes); largest < 2 || w.callers < waiting+1 {
		t.Errorf("batches %v of %d callers", w.sizes, w.callers)
	}
	for _, step := range []string{"load", "save", "commit"} {
		if !slices.Contains(w.steps, step) {
			t.Errorf("no step %s in %v", step, w.steps)
		}
	}
	tooMuch := ledger.Redeem("m", "points", amount(1_000_000), key("too-much"))
	for range 2 { // recorded once
		if _, err := l.Post(context.Background(), s.Programme, tooMuch); err == nil {
			t.Error("it was spent")
		}
	}
	if !slices.Equal(w.refused, []ledger.Reason{ledger.InsufficientPoints}) {
		t.Errorf("refused %v", w.refused)
	}
}

func TestAnObserverIsToldThatABatchIsWrittenOnceMore(t *testing.T) {
	s := newDrill(t)
	l := ledger.New(s.pool, s.pool)
	defer l.Close()
	var w watched
	l.Observe(w.observer(l, 0))
	if _, err := l.Post(t.Context(), s.Programme, s.noted("a", "a")); err != nil { // leases the stripe
		t.Fatal(err)
	}
	s.wire.count(-1, "")
	if _, err := l.Post(t.Context(), s.Programme, s.noted("b", "b")); err != nil {
		t.Fatal(err)
	}
	commit := slices.Index(s.wire.counts(), "commit")
	s.wire.count(commit, cutAfter)
	if _, err := l.Post(t.Context(), s.Programme, s.noted("c", "c")); err != nil {
		t.Fatal(err)
	}
	if n := w.reruns.Load(); n != 1 {
		t.Errorf("%d reruns, want 1", n)
	}
}
