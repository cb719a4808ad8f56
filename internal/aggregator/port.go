package aggregator

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// Errors of a port. Any other error leaves the outcome unknown, and it is safe to ask again: what a port does, it does once for
// an order.
var (
	// ErrRefused says that the partner will never issue this order.
	ErrRefused = errors.New("aggregator: the partner refused the order")
	// ErrUnknownOrder says that the partner never heard of it.
	ErrUnknownOrder = errors.New("aggregator: there is no such order")
)

// Order is what a partner is to issue.
type Order struct {
	ID      uuid.UUID // the claim's; the partner knows the order by it
	Benefit string
	// DeliverTo is a reference that the partner understands: a number, a card, an account.
	DeliverTo string
}

// Pass is what a partner issued for an order.
type Pass struct {
	Order  uuid.UUID
	Number string // the partner's own
}

// EventKind is what happened to a pass.
type EventKind string

// The kinds of event.
const (
	Used     EventKind = "used"
	Canceled EventKind = "canceled" // by the partner; nothing is charged for it
)

// Event is what happened to a pass at the partner's.
type Event struct {
	ID    string // the partner's own, the same whenever it is told
	Order uuid.UUID
	Kind  EventKind
	At    time.Time
}

// Line is what a partner charges for one pass.
type Line struct {
	Number string // of the pass
	Order  uuid.UUID
	Amount decimal.Decimal // in the money of the agreement
}

// Port is the interface of a partner.
type Port interface {
	// Issue issues an order, once: asked again it answers the same pass. ErrRefused is final.
	Issue(ctx context.Context, order Order) (Pass, error)
	// Cancel takes an issued pass back that was not used, once; ErrRefused says that it was used.
	Cancel(ctx context.Context, order uuid.UUID) error
	// Query answers what became of an order, or ErrUnknownOrder.
	Query(ctx context.Context, order uuid.UUID) (Pass, error)
	// Events tells what happened after an event, in its order, at most limit of it, and perhaps the same again; an empty id
	// is before the first.
	Events(ctx context.Context, after string, limit int) ([]Event, error)
	// Statement lists what is charged for the passes that were issued from a time on and before another.
	Statement(ctx context.Context, from, to time.Time) ([]Line, error)
}
