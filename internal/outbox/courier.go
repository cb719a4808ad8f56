package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
)

// errParked ends the service of an endpoint that failed too often.
var errParked = errors.New("outbox: the endpoint is parked")

// delivery is one event on its way.
type delivery struct {
	pick
	body     []byte
	waitsFor int         // how many deliveries must succeed before
	next     []*delivery // those that wait for this one
	attempts int         // that failed
	due      time.Time
	done     bool
}

// chain makes each delivery wait for the one that holds the previous entry of any member account it touches. list is in
// the order of key, stripe and event.
func chain(list []*delivery, accounts map[*delivery][]EventAccount) {
	type link struct {
		seq int64
		d   *delivery
	}
	chains := make(map[uuid.UUID][]link)
	for _, d := range list {
		for _, account := range accounts[d] {
			chains[account.ID] = append(chains[account.ID], link{account.FirstSeq, d})
		}
	}
	for _, links := range chains {
		slices.SortFunc(links, func(a, b link) int { return cmp.Compare(a.seq, b.seq) })
		for i := 1; i < len(links); i++ {
			links[i-1].d.next = append(links[i-1].d.next, links[i].d)
			links[i].d.waitsFor++
		}
	}
}

// courier delivers one window. Its loop alone changes the deliveries; attempts run beside it.
type courier struct {
	client  *http.Client
	to      target
	retry   []time.Duration // how long to wait after the first, second, … failure; after the last the endpoint is parked
	save    func(ctx context.Context, p progress) error
	list    []*delivery
	ready   []*delivery
	waiting []*delivery // failed, in order of due
	left    int         // not delivered yet
	flying  int
	results chan attempt
	gate    time.Time // nothing is sent before: the receiver asked for a pause
	unsaved progress
	savedAt time.Time
}

type attempt struct {
	d       *delivery
	failure *failure
}

const (
	// workers is the most attempts in flight at one endpoint.
	workers = 8
	// saveEvery is how much of what was delivered a kill may make us send again.
	saveEvery = 200 * time.Millisecond
)

// deliver sends every event of the window at least once, each after those that it waits for. It returns nil when all
// were delivered, errParked when one failed too often, or why it had to stop.
func (c *courier) deliver(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.results = make(chan attempt, workers)
	c.savedAt = time.Now()
	for _, d := range c.list {
		if d.waitsFor == 0 {
			c.enqueue(d)
		}
	}
	for c.left = len(c.list); c.left > 0; {
		c.start(ctx)
		err := c.wait(ctx)
		if err == nil && time.Since(c.savedAt) >= saveEvery {
			err = c.flush(ctx, false)
		}
		if err != nil {
			cancel(err) // cuts off what is in flight
			c.stop(ctx)
			return err
		}
	}
	return c.flush(ctx, false)
}

// wait handles the next thing that happens.
func (c *courier) wait(ctx context.Context) error {
	timer := time.NewTimer(c.pause())
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	case a := <-c.results:
		c.flying--
		return c.settle(ctx, a)
	}
}

// enqueue puts a delivery where it is found when it is due.
func (c *courier) enqueue(d *delivery) {
	if !d.due.After(time.Now()) {
		c.ready = append(c.ready, d)
		return
	}
	at, _ := slices.BinarySearchFunc(c.waiting, d, func(a, b *delivery) int { return a.due.Compare(b.due) })
	c.waiting = slices.Insert(c.waiting, at, d)
}

// start begins attempts as far as there are due deliveries and free workers.
func (c *courier) start(ctx context.Context) {
	now := time.Now()
	for len(c.waiting) > 0 && !c.waiting[0].due.After(now) {
		c.ready = append(c.ready, c.waiting[0])
		c.waiting = c.waiting[1:]
	}
	if now.Before(c.gate) {
		return
	}
	for ; c.flying < workers && len(c.ready) > 0; c.flying++ {
		d := c.ready[0]
		c.ready = c.ready[1:]
		go func() { c.results <- attempt{d, send(ctx, c.client, c.to, d.transaction, d.body)} }()
	}
}

// pause is how long nothing has to be done unless an attempt ends.
func (c *courier) pause() time.Duration {
	wait := time.Hour
	if len(c.waiting) > 0 {
		wait = time.Until(c.waiting[0].due)
	}
	if gated := time.Until(c.gate); gated > 0 && len(c.ready) > 0 {
		wait = min(wait, gated)
	}
	if !c.unsaved.empty() {
		wait = min(wait, saveEvery-time.Since(c.savedAt))
	}
	return max(wait, 0)
}

// settle notes what became of an attempt.
func (c *courier) settle(ctx context.Context, a attempt) error {
	d := a.d
	switch {
	case a.failure == nil:
		d.done = true
		c.left--
		if d.attempts > 0 {
			c.unsaved.recovered = append(c.unsaved.recovered, d.transaction)
			delete(c.unsaved.failed, d.transaction)
		}
		c.unsaved.delivered = true
		for _, next := range d.next {
			if next.waitsFor--; next.waitsFor == 0 {
				c.enqueue(next)
			}
		}
		return nil
	case ctx.Err() != nil: // we cut it off ourselves
		return context.Cause(ctx)
	}
	d.attempts++
	last := d.attempts > len(c.retry)
	wait := a.failure.retryAfter
	if !last {
		wait = max(wait, jitter(c.retry[d.attempts-1]))
	}
	c.unsaved.fail(d, a.failure.text, wait)
	if last || a.failure.gone {
		if err := c.flush(ctx, true); err != nil {
			return err
		}
		return fmt.Errorf("%w: %s", errParked, a.failure.text)
	}
	d.due = time.Now().Add(wait)
	if a.failure.retryAfter > 0 {
		c.gate = time.Now().Add(a.failure.retryAfter)
	}
	c.enqueue(d)
	return nil
}

// jitter spreads waits by a fifth, so that endpoints that failed together do not come back together.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

// flush saves what was learned since the last time.
func (c *courier) flush(ctx context.Context, park bool) error {
	if c.unsaved.empty() && !park {
		return nil
	}
	c.unsaved.park = park
	c.unsaved.cursors = cursorsAfter(c.list)
	err := c.save(ctx, c.unsaved)
	c.savedAt = time.Now()
	if err == nil {
		c.unsaved = progress{}
	}
	return err
}

// stop waits for the attempts in flight, which end with ctx, and saves what they came to, unless another took over.
func (c *courier) stop(ctx context.Context) {
	for ; c.flying > 0; c.flying-- {
		if a := <-c.results; a.failure == nil {
			_ = c.settle(ctx, a)
		}
	}
	if errors.Is(context.Cause(ctx), errLeaseLost) {
		return
	}
	saving, done := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer done()
	_ = c.flush(saving, false) // what is not saved is sent again
}

// cursorsAfter gives, for each stripe, the cursor after its contiguous delivered prefix.
func cursorsAfter(list []*delivery) map[int16]cursor {
	byStripe := make(map[int16][]*delivery)
	for _, d := range list {
		byStripe[d.stripe] = append(byStripe[d.stripe], d)
	}
	cursors := make(map[int16]cursor)
	for stripe, deliveries := range byStripe {
		slices.SortFunc(deliveries, func(a, b *delivery) int { return cmp.Compare(a.after.event, b.after.event) })
		for i, d := range deliveries {
			if !d.done || i > 0 && d.after.event != deliveries[i-1].after.event+1 {
				break
			}
			cursors[stripe] = d.after
		}
	}
	return cursors
}
