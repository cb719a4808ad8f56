package aggregator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// Faults are how a reference partner misbehaves. The zero value behaves.
type Faults struct {
	Latency     time.Duration // of every answer
	LoseEvery   int           // every so many'th answer is lost, after the work was done; 0: none
	FailEvery   int           // every so many'th call is not even received; 0: none
	RepeatEvery int           // every so many'th event is told twice; 0: none
	// Refuses are benefits that the partner does not have.
	Refuses []string
	// Doubles and Overcharges are orders that the statement lists twice, or at another price.
	Doubles, Overcharges []uuid.UUID
}

// ErrLost is what a caller sees of an answer that did not arrive.
var ErrLost = errors.New("aggregator: the answer was lost")

// Reference is a partner in this process. It keeps its orders in memory, and numbers them by their ids, so that one that is
// started again after a crash issues the same passes. It is safe for concurrent use.
type Reference struct {
	Faults

	prices map[string]decimal.Decimal
	clock  func() time.Time

	mu     sync.Mutex
	calls  int
	passes map[uuid.UUID]*issued
	order  []uuid.UUID
	events []Event
}

// issued is a pass of a reference partner.
type issued struct {
	Pass
	benefit string
	at      time.Time
	state   EventKind // empty: it can be used
}

// NewReference returns a partner that charges a price for each benefit.
func NewReference(prices map[string]decimal.Decimal, clock func() time.Time, faults Faults) *Reference {
	return &Reference{Faults: faults, prices: prices, clock: clock, passes: make(map[uuid.UUID]*issued)}
}

// received lets a call in, after the latency, or loses it.
func (r *Reference) received(ctx context.Context) error {
	if r.Latency > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(r.Latency):
		}
	}
	r.mu.Lock()
	r.calls++
	if r.FailEvery > 0 && r.calls%r.FailEvery == 0 {
		r.mu.Unlock()
		return ErrLost
	}
	return nil
}

// answered gives the partner free again, and loses the answer now and then. What was done is done.
func (r *Reference) answered() error {
	lost := r.LoseEvery > 0 && r.calls%r.LoseEvery == 0
	r.mu.Unlock()
	if lost {
		return ErrLost
	}
	return nil
}

// Issue issues an order, once.
func (r *Reference) Issue(ctx context.Context, order Order) (Pass, error) {
	if err := r.received(ctx); err != nil {
		return Pass{}, err
	}
	p := r.passes[order.ID]
	_, offers := r.prices[order.Benefit]
	refused := !offers || slices.Contains(r.Refuses, order.Benefit) || p != nil && p.state == Canceled
	if p == nil && !refused {
		p = &issued{Pass: Pass{order.ID, "P-" + order.ID.String()[:8]}, benefit: order.Benefit, at: r.clock()}
		r.passes[order.ID], r.order = p, append(r.order, order.ID)
	}
	if err := r.answered(); err != nil {
		return Pass{}, err
	}
	if refused {
		return Pass{}, ErrRefused
	}
	return p.Pass, nil
}

// Cancel takes a pass back that was not used, once.
func (r *Reference) Cancel(ctx context.Context, order uuid.UUID) error {
	if err := r.received(ctx); err != nil {
		return err
	}
	var refusal error
	switch p := r.passes[order]; {
	case p == nil:
		refusal = ErrUnknownOrder
	case p.state == Used:
		refusal = ErrRefused
	case p.state == "":
		r.happens(p, Canceled)
	}
	return errors.Join(r.answered(), refusal)
}

// Use is what the partner's own gate does with a pass.
func (r *Reference) Use(order uuid.UUID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.passes[order]
	if p == nil || p.state != "" {
		return ErrUnknownOrder
	}
	r.happens(p, Used)
	return nil
}

// happens notes what happened to a pass, now and then twice.
func (r *Reference) happens(p *issued, what EventKind) {
	p.state = what
	e := Event{ID: fmt.Sprintf("%08d", len(r.events)+1), Order: p.Order, Kind: what, At: r.clock()}
	r.events = append(r.events, e)
	if r.RepeatEvery > 0 && len(r.events)%r.RepeatEvery == 0 {
		r.events = append(r.events, e)
	}
}

// Query answers what was issued for an order.
func (r *Reference) Query(ctx context.Context, order uuid.UUID) (Pass, error) {
	if err := r.received(ctx); err != nil {
		return Pass{}, err
	}
	p := r.passes[order]
	if err := r.answered(); err != nil {
		return Pass{}, err
	}
	if p == nil {
		return Pass{}, ErrUnknownOrder
	}
	return p.Pass, nil
}

// Events tells what happened after an event.
func (r *Reference) Events(ctx context.Context, after string, limit int) ([]Event, error) {
	if err := r.received(ctx); err != nil {
		return nil, err
	}
	var list []Event
	for _, e := range r.events {
		if e.ID > after && len(list) < limit {
			list = append(list, e)
		}
	}
	return list, r.answered()
}

// Statement lists what is charged: passes that were not canceled, in the order in which they were issued.
func (r *Reference) Statement(ctx context.Context, from, to time.Time) ([]Line, error) {
	if err := r.received(ctx); err != nil {
		return nil, err
	}
	var list []Line
	for _, id := range r.order {
		p := r.passes[id]
		if p.state == Canceled || p.at.Before(from) || !p.at.Before(to) {
			continue
		}
		line := Line{Number: p.Number, Order: id, Amount: r.prices[p.benefit]}
		if slices.Contains(r.Overcharges, id) {
			line.Amount = line.Amount.Add(decimal.NewFromInt(1))
		}
		list = append(list, line)
		if slices.Contains(r.Doubles, id) {
			list = append(list, line)
		}
	}
	return list, r.answered()
}
