package benefits

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/ledger"
	"tallystick/partners"
)

// DeliveryTerms say that what a benefit gives is delivered: a gift by post, minutes by the network, miles by an airline.
type DeliveryTerms struct {
	By string // the partner who delivers, and honours the benefit
	// Refund says that what comes back, or is lost, is refunded: the price goes to the lots that it came from. Otherwise
	// it is delivered again.
	Refund bool
}

// DeliveryState is where a delivery stands. It is derived, and stored nowhere.
type DeliveryState string

// The states.
const (
	DeliveryOrdered   DeliveryState = "ordered"   // the right is in the voucher that the claim opened
	DeliveryShipped   DeliveryState = "shipped"   // the operator has used it, and is under way
	DeliveryDelivered DeliveryState = "delivered" // the operator has used it, and says that it arrived
	DeliveryRefunded  DeliveryState = "refunded"  // it came back, or was lost, and so did its price
	DeliveryCanceled  DeliveryState = "canceled"  // the member gave it back before
)

// DeliveryEvent is what an operator reports.
type DeliveryEvent string

// The events.
const (
	Shipped   DeliveryEvent = "shipped"
	Delivered DeliveryEvent = "delivered"
	CameBack  DeliveryEvent = "returned" // and is in stock again
	Lost      DeliveryEvent = "lost"     // and is not
)

// Values are the events that a file may name.
func (DeliveryEvent) Values() []string {
	return []string{string(Shipped), string(Delivered), string(CameBack), string(Lost)}
}

// ends reports whether an attempt to deliver is over with the event, and failed.
func (e DeliveryEvent) ends() bool { return e == CameBack || e == Lost }

// Delivery is what is to be delivered of a claim.
type Delivery struct {
	Claim     uuid.UUID
	Operator  string
	Member    string
	Benefit   string
	DeliverTo string // a reference that the operator understands
	State     DeliveryState
	OrderedAt time.Time
	Reports   []DeliveryReport // in the order in which they came
}

// DeliveryReport is what an operator reported, once.
type DeliveryReport struct {
	Record  string // the operator's own id of it
	What    DeliveryEvent
	At      time.Time
	Carrier string
	Number  string // by which the carrier finds it
	Attempt int64
}

// attempt counts what came back or was lost before.
func (d *Delivery) attempt() (n int64) {
	for _, r := range d.Reports {
		if r.What.ends() {
			n = max(n, r.Attempt+1)
		}
	}
	return n
}

// stateOf derives the state from where the right is, and from what was reported of it since it was there last.
func (d *Delivery) stateOf(right partners.State) DeliveryState {
	attempt := d.attempt()
	said := func(what DeliveryEvent) bool {
		return slices.ContainsFunc(d.Reports, func(r DeliveryReport) bool { return r.What == what && r.Attempt == attempt })
	}
	switch {
	case right == partners.Issued, right == partners.Expired:
		return DeliveryOrdered
	case right == partners.Canceled && attempt > 0:
		return DeliveryRefunded
	case right == partners.Canceled:
		return DeliveryCanceled
	case said(Delivered), !said(Shipped): // whoever used it otherwise has handed it over
		return DeliveryDelivered
	default:
		return DeliveryShipped
	}
}

// step names what an attempt does, as a key of the programme's own.
func (d *Delivery) step(attempt int64, what string) string {
	return fmt.Sprintf("delivery/%s/%d/%s", d.Claim, attempt, what)
}

const sqlInsertDeliveries = `
INSERT INTO deliveries (claim_id, programme_id, operator, member, benefit, deliver_to)
SELECT u.claim_id, u.programme_id, u.operator, u.member, u.benefit, u.deliver_to
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])
  AS u (claim_id, programme_id, operator, member, benefit, deliver_to)`

var deliveries = &ledger.CompanionTable{
	Name:   "deliveries",
	Insert: sqlInsertDeliveries,
	Columns: func(rows [][]any) []any {
		return []any{
			ledger.Column[uuid.UUID](rows, 0), ledger.Column[uuid.UUID](rows, 1), ledger.Column[string](rows, 2),
			ledger.Column[string](rows, 3), ledger.Column[string](rows, 4), ledger.Column[string](rows, 5),
		}
	},
}

// deliver adds to a claim where to what it gives is to be delivered.
func (b *Benefit) deliver(programme uuid.UUID, w *Wanted, r *ledger.Request) error {
	switch {
	case b.Delivery == nil && w.DeliverTo != "":
		return invalid("deliver_to", "it is not delivered")
	case b.Delivery == nil:
		return nil
	case w.DeliverTo == "":
		return invalid("deliver_to", "say where to")
	}
	r.Companions = append(r.Companions, ledger.Companion{Table: deliveries, Row: []any{programme, b.Delivery.By, w.Member, b.Code, w.DeliverTo}})
	return nil
}

const (
	sqlDeliveriesOf = `
SELECT d.claim_id, d.operator, d.member, d.benefit, d.deliver_to
FROM deliveries AS d
WHERE d.programme_id = $1 AND d.claim_id = ANY($2::uuid[])`

	sqlDeliveryReports = `
SELECT r.claim_id, r.record, r.what, r.happened_at, r.carrier, r.number, r.attempt
FROM delivery_reports AS r
WHERE r.claim_id = ANY($1::uuid[])
ORDER BY r.claim_id, r.reported_at, r.record`
)

// Deliveries reads the deliveries of claims, as far as what they give is delivered, by claim.
func (c *Catalog) Deliveries(ctx context.Context, programme uuid.UUID, claims []uuid.UUID) (map[uuid.UUID]*Delivery, error) {
	rows, err := c.pool.Query(ctx, sqlDeliveriesOf, programme, claims)
	if err != nil {
		return nil, fmt.Errorf("benefits: read deliveries: %w", err)
	}
	found := make(map[uuid.UUID]*Delivery)
	var d Delivery
	if _, err := pgx.ForEachRow(rows, []any{&d.Claim, &d.Operator, &d.Member, &d.Benefit, &d.DeliverTo}, func() error {
		one := d
		found[d.Claim] = &one
		return nil
	}); err != nil {
		return nil, fmt.Errorf("benefits: read deliveries: %w", err)
	}
	if len(found) == 0 {
		return found, nil
	}
	return found, c.readDeliveryStates(ctx, programme, found)
}

// readDeliveryStates reads what was reported of deliveries, and where their rights are.
func (c *Catalog) readDeliveryStates(ctx context.Context, programme uuid.UUID, found map[uuid.UUID]*Delivery) error {
	ids := make([]uuid.UUID, 0, len(found))
	for id := range found {
		ids = append(ids, id)
	}
	rows, err := c.pool.Query(ctx, sqlDeliveryReports, ids)
	if err != nil {
		return fmt.Errorf("benefits: read deliveries: %w", err)
	}
	var claim uuid.UUID
	var r DeliveryReport
	if _, err := pgx.ForEachRow(rows, []any{&claim, &r.Record, &r.What, &r.At, &r.Carrier, &r.Number, &r.Attempt}, func() error {
		one := r
		one.At = one.At.UTC()
		found[claim].Reports = append(found[claim].Reports, one)
		return nil
	}); err != nil {
		return fmt.Errorf("benefits: read deliveries: %w", err)
	}
	vouchers, err := c.vouchers.ByID(ctx, programme, ids)
	if err != nil {
		return err
	}
	for _, v := range vouchers {
		found[v.ID].State, found[v.ID].OrderedAt = found[v.ID].stateOf(v.State), v.IssuedAt
	}
	return nil
}

// DeliveriesQuery asks for what an operator delivers.
type DeliveriesQuery struct {
	Operator string
	State    DeliveryState // only these; empty: all
	After    uuid.UUID     // a claim; only those after it
	Limit    int
}

const sqlDeliveriesBy = `
SELECT d.claim_id
FROM deliveries AS d
WHERE d.programme_id = $1 AND d.operator = $2 AND d.claim_id > $3
ORDER BY d.claim_id
LIMIT $4`

// ListDeliveries reads what an operator has to deliver or has delivered, by claim. It may return fewer than the limit of a state
// while there are more; next is the claim after which the next page begins, nil at the end.
func (c *Catalog) ListDeliveries(ctx context.Context, programme uuid.UUID, q DeliveriesQuery) (list []*Delivery, next uuid.UUID, err error) {
	rows, err := c.pool.Query(ctx, sqlDeliveriesBy, programme, q.Operator, q.After, q.Limit+1)
	if err != nil {
		return nil, next, fmt.Errorf("benefits: list deliveries: %w", err)
	}
	claims, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, next, fmt.Errorf("benefits: list deliveries: %w", err)
	}
	if len(claims) > q.Limit {
		claims = claims[:q.Limit]
		next = claims[q.Limit-1]
	}
	found, err := c.Deliveries(ctx, programme, claims)
	if err != nil {
		return nil, next, err
	}
	for _, d := range found {
		if q.State == "" || d.State == q.State {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(x, y *Delivery) int { return cmp.Compare(x.Claim.String(), y.Claim.String()) })
	return list, next, nil
}

const sqlDeliveryCosts = `
SELECT l.transaction_id, l.unit, l.amount
FROM legs AS l
WHERE l.transaction_id = ANY($1::uuid[]) AND l.to_place = 'payable'`

// DeliveryCosts reads what is owed to the operator for deliveries that are shipped or delivered, by claim.
func (c *Catalog) DeliveryCosts(ctx context.Context, programme uuid.UUID, list []*Delivery) (map[uuid.UUID]Cash, error) {
	claims := make(map[uuid.UUID]uuid.UUID, len(list)) // by the use
	var uses []uuid.UUID
	for _, d := range list {
		if d.State == DeliveryShipped || d.State == DeliveryDelivered {
			use := ledger.TransactionID(programme, systemClient, d.step(d.attempt(), "shipped"))
			claims[use] = d.Claim
			uses = append(uses, use)
		}
	}
	rows, err := c.pool.Query(ctx, sqlDeliveryCosts, uses)
	if err != nil {
		return nil, fmt.Errorf("benefits: read what is owed: %w", err)
	}
	costs := make(map[uuid.UUID]Cash, len(uses))
	var use uuid.UUID
	var owed Cash
	if _, err := pgx.ForEachRow(rows, []any{&use, &owed.Unit, &owed.Amount}, func() error { costs[claims[use]] = owed; return nil }); err != nil {
		return nil, fmt.Errorf("benefits: read what is owed: %w", err)
	}
	return costs, nil
}
