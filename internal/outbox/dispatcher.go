package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
	"tallystick/ledger"
)

// Dispatcher delivers events. Any number of them may run on one database: each endpoint is served by one at a time.
type Dispatcher struct {
	ledger *ledger.Ledger
	pool   *db.Pool
	log    *slog.Logger
	client *http.Client
	id     uuid.UUID // names this dispatcher in leases

	lease  time.Duration
	poll   time.Duration
	retry  []time.Duration
	events int   // of a window
	seals  int64 // of a stripe in a window
}

// Config is what a deployment decides.
type Config struct {
	// AllowLoopback lets webhooks go to this machine, also over http. For development and tests.
	AllowLoopback bool
	Log           *slog.Logger
}

// retrySchedule makes ten attempts in about three days.
var retrySchedule = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour,
	6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 24 * time.Hour,
}

// NewDispatcher returns a dispatcher. pool must have been opened with db.Options.ByIndex.
func NewDispatcher(l *ledger.Ledger, pool *db.Pool, c Config) *Dispatcher {
	return &Dispatcher{
		ledger: l, pool: pool, log: c.Log, client: newClient(newTargets(c.AllowLoopback)), id: uuid.New(),
		lease: 15 * time.Second, poll: 200 * time.Millisecond, retry: retrySchedule, events: 1024, seals: 64,
	}
}

const (
	sqlReadActive = `
SELECT e.programme_id, e.id
FROM webhook_endpoints AS e
WHERE e.state = 'active'`

	sqlReadTarget = `
SELECT e.url, e.secret, e.previous_secret, coalesce(e.previous_until > now(), false)
FROM webhook_endpoints AS e
WHERE e.programme_id = $1 AND e.id = $2 AND e.state = 'active'`
)

// target is an endpoint as its deliveries need it.
type target struct {
	programme, id uuid.UUID
	url           string
	secrets       [][]byte
}

// Run serves every active endpoint that no other dispatcher serves, until ctx is done. Then it saves how far it came and
// gives its leases back. What goes wrong is logged and tried again.
func (d *Dispatcher) Run(ctx context.Context) {
	var serving sync.WaitGroup
	defer serving.Wait()
	defer d.client.CloseIdleConnections()
	busy := make(map[uuid.UUID]bool)
	finished := make(chan uuid.UUID)
	for {
		endpoints, err := d.active(ctx)
		if err != nil && ctx.Err() == nil {
			d.log.ErrorContext(ctx, "list webhooks", "error", err)
		}
		for _, e := range endpoints {
			if busy[e.id] {
				continue
			}
			busy[e.id] = true
			serving.Go(func() {
				d.serve(ctx, e)
				select {
				case finished <- e.id:
				case <-ctx.Done():
				}
			})
		}
		for waiting := time.After(d.poll); waiting != nil; {
			select {
			case <-ctx.Done():
				return
			case id := <-finished:
				delete(busy, id)
			case <-waiting:
				waiting = nil
			}
		}
	}
}

// active lists the endpoints that want events.
func (d *Dispatcher) active(ctx context.Context) ([]target, error) {
	rows, err := d.pool.Query(ctx, sqlReadActive)
	if err != nil {
		return nil, fmt.Errorf("read active webhooks: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (target, error) {
		var t target
		return t, row.Scan(&t.programme, &t.id)
	})
}

// serve delivers an endpoint's events for as long as this dispatcher holds its lease.
func (d *Dispatcher) serve(ctx context.Context, e target) {
	l, err := take(ctx, d.pool, e.id, d.id, d.lease)
	if err == nil && l == nil {
		return // another serves it
	}
	if err == nil {
		held, end := l.keep(ctx)
		err = d.pump(held, l, e)
		end(nil)
		releasing, done := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer done()
		_ = l.release(releasing) // it runs out by itself
	}
	switch {
	case ctx.Err() != nil, errors.Is(err, errLeaseLost):
	case errors.Is(err, errParked):
		d.log.WarnContext(ctx, "webhook parked", "webhook", e.id, "error", err)
	case err != nil:
		d.log.ErrorContext(ctx, "webhook", "webhook", e.id, "error", err)
	}
}

// pump delivers window after window: without a pause while there is a backlog, otherwise what gathers in one poll at once.
func (d *Dispatcher) pump(ctx context.Context, l *lease, e target) error {
	programme, err := d.ledger.Programme(ctx, e.programme)
	if err != nil {
		return fmt.Errorf("webhook's programme: %w", err)
	}
	reader := &windows{pool: d.pool, programme: programme, endpoint: e.id, events: d.events, seals: d.seals}
	for {
		paced := time.After(d.poll)
		w, err := reader.next(ctx)
		if err == nil && len(w.skip) > 0 {
			err = l.save(ctx, &e, progress{cursors: w.skip})
		}
		if err == nil && len(w.picks) > 0 {
			err = d.deliver(ctx, l, e, programme, w.picks)
		}
		if err != nil {
			return causeOr(ctx, err)
		}
		if w.more {
			continue
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-paced:
		}
	}
}

// causeOr prefers why ctx ended to what came of it.
func causeOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// deliver builds the events of a window from the journal and sends them.
func (d *Dispatcher) deliver(ctx context.Context, l *lease, e target, programme *ledger.Programme, picks []pick) error {
	if err := d.address(ctx, &e); err != nil {
		return err
	}
	ids := make([]uuid.UUID, len(picks))
	for i, p := range picks {
		ids[i] = p.transaction
	}
	transactions, err := d.ledger.Transactions(ctx, programme.ID, ids)
	if err != nil {
		return err
	}
	list := make([]*delivery, len(picks))
	accounts := make(map[*delivery][]EventAccount, len(picks))
	name := EventProgramme{ID: programme.ID, Name: programme.Name}
	for i, p := range picks {
		tx := transactions[p.transaction]
		if tx == nil {
			return fmt.Errorf("outbox: sealed transaction %s is not in the journal", p.transaction)
		}
		list[i] = &delivery{pick: p}
		accounts[list[i]] = memberAccounts(tx)
		if list[i].body, err = body(name, EventPosition{Stripe: p.stripe, N: p.after.event}, tx); err != nil {
			return err
		}
	}
	chain(list, accounts)
	if err := l.remember(ctx, e.id, list); err != nil {
		return err
	}
	c := &courier{client: d.client, to: e, retry: d.retry, list: list}
	c.save = func(ctx context.Context, p progress) error { return l.save(ctx, &e, p) }
	return c.deliver(ctx)
}

// address reads where the events go and the secrets that sign them. It is read for each window: secrets change.
func (d *Dispatcher) address(ctx context.Context, e *target) error {
	var secret, previous []byte
	var both bool
	err := d.pool.QueryRow(ctx, sqlReadTarget, e.programme, e.id).Scan(&e.url, &secret, &previous, &both)
	if errors.Is(err, pgx.ErrNoRows) {
		return errLeaseLost // deleted or parked meanwhile, which raised the fencing
	}
	if err != nil {
		return fmt.Errorf("read webhook: %w", err)
	}
	e.secrets = [][]byte{secret}
	if both {
		e.secrets = append(e.secrets, previous)
	}
	return nil
}
