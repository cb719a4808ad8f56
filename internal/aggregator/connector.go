package aggregator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tallystick/benefits"
	"tallystick/ledger"
)

// Connector brings a partner and the books together.
type Connector struct {
	catalog   *benefits.Catalog
	programme uuid.UUID
	operator  string // who delivers, in the programme's document
	port      Port
	seen      string // the last event that the books have
}

// NewConnector connects the partner behind a port.
func NewConnector(catalog *benefits.Catalog, programme uuid.UUID, operator string, port Port) *Connector {
	return &Connector{catalog: catalog, programme: programme, operator: operator, port: port}
}

// page is how many deliveries or events are read at a time.
const page = 200

// Round issues what was ordered, and reports what happened since the last round. What could not be done is told in the error and done in
// a later round; a round may be repeated at any time, by several processes: the partner knows an order by its claim, and the
// books an event by its id. A new connector reads all events again.
func (c *Connector) Round(ctx context.Context) error {
	return errors.Join(c.issueAll(ctx), c.hear(ctx))
}

// issueAll issues every delivery that stands as ordered.
func (c *Connector) issueAll(ctx context.Context) error {
	var failures []error
	q := benefits.DeliveriesQuery{Operator: c.operator, State: benefits.DeliveryOrdered, Limit: page}
	for {
		list, next, err := c.catalog.ListDeliveries(ctx, c.programme, q)
		if err != nil {
			return err
		}
		for _, d := range list {
			if err := c.issue(ctx, d); err != nil {
				failures = append(failures, fmt.Errorf("issue %s: %w", d.Claim, err))
			}
		}
		if next == uuid.Nil {
			return errors.Join(failures...)
		}
		q.After = next
	}
}

// issue issues one delivery and reports it as shipped. A member who gave it back meanwhile was first: the pass is canceled.
func (c *Connector) issue(ctx context.Context, d *benefits.Delivery) error {
	pass, err := c.port.Issue(ctx, Order{ID: d.Claim, Benefit: d.Benefit, DeliverTo: d.DeliverTo})
	record := fmt.Sprintf("%s.%d", d.Claim, len(d.Reports)) // an attempt later has more reports before it
	switch {
	case errors.Is(err, ErrRefused):
		return c.report(ctx, benefits.DeliveryRecord{Record: "refused." + record, Claim: d.Claim, What: benefits.CameBack})
	case err != nil:
		return err
	}
	err = c.report(ctx, benefits.DeliveryRecord{
		Record: "issued." + record, Claim: d.Claim, What: benefits.Shipped, Carrier: c.operator, Number: pass.Number,
	})
	if errors.Is(err, &ledger.Refusal{Reason: ledger.VoucherUsed}) {
		return c.port.Cancel(ctx, d.Claim)
	}
	return err
}

func (c *Connector) report(ctx context.Context, w benefits.DeliveryRecord) error {
	w.Operator = c.operator
	_, _, err := c.catalog.ReportDelivery(ctx, c.programme, w, ledger.Request{Actor: "aggregator/" + c.operator})
	return err
}

// hear reports what happened at the partner's, event by event. One that the books do not accept is told in the error, and passed over: it
// would be refused again.
func (c *Connector) hear(ctx context.Context) error {
	var failures []error
	for {
		events, err := c.port.Events(ctx, c.seen, page)
		if err != nil {
			return errors.Join(append(failures, fmt.Errorf("events: %w", err))...)
		}
		for _, e := range events {
			what := benefits.Delivered
			if e.Kind == Canceled {
				what = benefits.CameBack
			}
			err := c.report(ctx, benefits.DeliveryRecord{Record: "event." + e.ID, Claim: e.Order, What: what, At: e.At})
			if refusal := new(ledger.Refusal); err != nil && !errors.As(err, &refusal) {
				return errors.Join(append(failures, err)...)
			}
			if err != nil && !ours(e, err) {
				failures = append(failures, fmt.Errorf("event %s of %s: %w", e.ID, e.Order, err))
			}
			c.seen = e.ID
		}
		if len(events) < page {
			return errors.Join(failures...)
		}
	}
}

// ours reports whether a refusal only says that the cancellation was the books' own: the member had the price back before.
func ours(e Event, err error) bool {
	return e.Kind == Canceled && errors.Is(err, &ledger.Refusal{Reason: ledger.AlreadyReversed})
}

// Matched is how a partner's statement and the books agree.
type Matched struct {
	Agree        int
	Duplicate    []Line      // charged before
	MissingHere  []Line      // the books owe nothing for it
	MissingThere []uuid.UUID // the books owe for it, and it is not charged
	Differs      []Line      // charged at another price
}

// Clean reports whether everything agrees.
func (m Matched) Clean() bool {
	return len(m.Duplicate)+len(m.MissingHere)+len(m.MissingThere)+len(m.Differs) == 0
}

// Match compares what the partner charges for a time with what the books owe for deliveries that were reported as shipped then. It
// changes nothing.
func (c *Connector) Match(ctx context.Context, from, to time.Time) (Matched, error) {
	lines, err := c.port.Statement(ctx, from, to)
	if err != nil {
		return Matched{}, fmt.Errorf("statement: %w", err)
	}
	owed, err := c.owed(ctx, from, to)
	if err != nil {
		return Matched{}, err
	}
	return match(lines, owed), nil
}

// owed reads what the books owe the partner, by claim.
func (c *Connector) owed(ctx context.Context, from, to time.Time) (map[uuid.UUID]benefits.Cash, error) {
	owed := make(map[uuid.UUID]benefits.Cash)
	q := benefits.DeliveriesQuery{Operator: c.operator, Limit: page}
	for {
		list, next, err := c.catalog.ListDeliveries(ctx, c.programme, q)
		if err != nil {
			return nil, err
		}
		costs, err := c.catalog.DeliveryCosts(ctx, c.programme, list)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			if cost, is := costs[d.Claim]; is && shippedIn(d, from, to) {
				owed[d.Claim] = cost
			}
		}
		if next == uuid.Nil {
			return owed, nil
		}
		q.After = next
	}
}

// shippedIn reports whether a delivery was last reported as shipped in a time.
func shippedIn(d *benefits.Delivery, from, to time.Time) bool {
	var at time.Time
	for _, r := range d.Reports {
		if r.What == benefits.Shipped {
			at = r.At
		}
	}
	return !at.Before(from) && at.Before(to)
}

// match compares the lines of a statement with what is owed, by claim.
func match(lines []Line, owed map[uuid.UUID]benefits.Cash) Matched {
	var m Matched
	charged := make(map[uuid.UUID]bool, len(lines))
	for _, line := range lines {
		cost, known := owed[line.Order]
		before := charged[line.Order]
		charged[line.Order] = true
		switch {
		case !known:
			m.MissingHere = append(m.MissingHere, line)
		case before:
			m.Duplicate = append(m.Duplicate, line)
		case !cost.Amount.Equal(line.Amount):
			m.Differs = append(m.Differs, line)
		default:
			m.Agree++
		}
	}
	for claim := range owed {
		if !charged[claim] {
			m.MissingThere = append(m.MissingThere, claim)
		}
	}
	return m
}
