package benefits

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
	"tallystick/ledger"
)

// DeliveryRecord is what an operator says of a delivery.
type DeliveryRecord struct {
	Operator string
	Record   string // the operator's own id of it
	Claim    uuid.UUID
	What     DeliveryEvent
	At       time.Time // zero: now
	Carrier  string
	Number   string
}

// ReportDelivery takes an operator's record of a delivery. Who ships uses the right, so that the member cannot give it back any
// more, and is owed what the agreement says; what arrives without having been shipped is used then. What came back or was
// lost is taken back from the operator, and refunded where the benefit's terms say so: the price goes to the lots that it came
// from, and the right to its stock, but for what was lost; otherwise it is to be delivered again. All that a record moves is
// posted at once. The record is kept before, and reported again it finishes what was not posted, and nothing twice. r gives the
// actor.
// Refusals: INVALID_FIELD, NOT_FOUND for no delivery of the operator's, REFERENCE_USED for another record of the same id,
// VOUCHER_USED for what the member gave back before or was refunded, MEMBER_FROZEN for what is to be shipped; the record stays.
func (c *Catalog) ReportDelivery(ctx context.Context, programme uuid.UUID, w DeliveryRecord, r ledger.Request) (Delivery, bool, error) {
	d, err := c.deliveryOf(ctx, programme, &w)
	if err != nil {
		return Delivery{}, false, err
	}
	known := d.report(w.Record) != nil
	if !known {
		if d, err = c.keepDeliveryReport(ctx, programme, d, &w, r); err != nil {
			return Delivery{}, false, err
		}
	}
	report := d.report(w.Record)
	if report == nil || report.What != w.What || report.Carrier != w.Carrier || report.Number != w.Number {
		return Delivery{}, false, refuse(ledger.ReferenceUsed, "record", w.Record)
	}
	if err := c.settleDelivery(ctx, programme, d, report, r); err != nil {
		return Delivery{}, known, err
	}
	d, err = c.delivery(ctx, programme, d.Claim, w.Operator)
	if err != nil {
		return Delivery{}, known, err
	}
	return *d, known, nil
}

// report finds a record of a delivery.
func (d *Delivery) report(record string) *DeliveryReport {
	for i := range d.Reports {
		if d.Reports[i].Record == record {
			return &d.Reports[i]
		}
	}
	return nil
}

// delivery reads an operator's delivery.
func (c *Catalog) delivery(ctx context.Context, programme, claim uuid.UUID, operator string) (*Delivery, error) {
	found, err := c.Deliveries(ctx, programme, []uuid.UUID{claim})
	if err != nil {
		return nil, err
	}
	if d := found[claim]; d != nil && d.Operator == operator {
		return d, nil
	}
	return nil, refuse(ledger.NotFoundReason)
}

// deliveryOf finds the delivery that a record is about, and refuses what cannot be said of one.
func (c *Catalog) deliveryOf(ctx context.Context, programme uuid.UUID, w *DeliveryRecord) (*Delivery, error) {
	t, err := c.ledger.Terms(ctx, programme)
	if err != nil {
		return nil, err
	}
	switch {
	case !validKey.MatchString(w.Record):
		return nil, invalid("record", "use 1 to 128 letters, digits, _ . : and -")
	case w.At.After(t.Now):
		return nil, invalid("at", "it is in the future")
	case !validText.MatchString(w.Carrier):
		return nil, invalid("carrier", "use up to 256 characters that print")
	case !validText.MatchString(w.Number):
		return nil, invalid("number", "use up to 256 characters that print")
	}
	if w.At.IsZero() {
		w.At = t.Now
	}
	return c.delivery(ctx, programme, w.Claim, w.Operator)
}

// A record that is there stays as it is: whoever comes second reads what the first wrote.
const sqlInsertDeliveryReport = `
INSERT INTO delivery_reports (claim_id, record, programme_id, operator, attempt, what, happened_at, carrier, number, actor, reported_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, clock_timestamp())
ON CONFLICT (claim_id, record) DO NOTHING`

func (c *Catalog) keepDeliveryReport(ctx context.Context, programme uuid.UUID, d *Delivery, w *DeliveryRecord, r ledger.Request) (*Delivery, error) {
	_, err := c.pool.Exec(ctx, sqlInsertDeliveryReport, d.Claim, w.Record, programme, w.Operator, d.attempt(), w.What, w.At, w.Carrier, w.Number, r.Actor)
	switch {
	case db.IsUniqueViolation(err):
		return nil, refuse(ledger.ReferenceUsed, "record", w.Record)
	case err != nil:
		return nil, fmt.Errorf("benefits: keep report: %w", err)
	}
	return c.delivery(ctx, programme, d.Claim, w.Operator)
}

// settleDelivery posts what follows from a report.
func (c *Catalog) settleDelivery(ctx context.Context, programme uuid.UUID, d *Delivery, report *DeliveryReport, r ledger.Request) error {
	switch {
	case report.What.ends() && d.State == DeliveryRefunded:
		return nil
	case report.What.ends():
		return c.takeBack(ctx, programme, d, report, r)
	case d.ending(report.Attempt) != nil: // what was not used before the attempt was over is not used any more
		return nil
	}
	voucher, err := c.vouchers.Voucher(ctx, programme, d.Claim)
	if err != nil {
		return err
	}
	key := d.step(report.Attempt, "shipped")
	answer, err := c.ledger.PostUnder(ctx, programme, c.systems(key, r), func(t ledger.Terms, r ledger.Request) (ledger.Request, error) {
		r.Asked = key
		return c.vouchers.UseOf(t.Programme, voucher, d.Operator, r)
	})
	if _, err = c.done(ctx, programme, key, answer, err); err != nil {
		return err
	}
	// Whoever ended the attempt at the same moment may not have found the use.
	now, err := c.delivery(ctx, programme, d.Claim, d.Operator)
	if err != nil {
		return err
	}
	if ending := now.ending(report.Attempt); ending != nil {
		return c.takeBack(ctx, programme, now, ending, r)
	}
	return nil
}

// ending is the report that ended an attempt, nil while it is open.
func (d *Delivery) ending(attempt int64) *DeliveryReport {
	for i := range d.Reports {
		if r := &d.Reports[i]; r.What.ends() && r.Attempt == attempt {
			return r
		}
	}
	return nil
}

// takeBack takes the right back from the operator, if it was used, and refunds the claim where the benefit's terms say so.
func (c *Catalog) takeBack(ctx context.Context, programme uuid.UUID, d *Delivery, report *DeliveryReport, r ledger.Request) error {
	_, s, err := c.current(ctx, programme)
	if err != nil {
		return err
	}
	r.Reason = string(report.What)
	used := ledger.TransactionID(programme, systemClient, d.step(report.Attempt, "shipped"))
	found, err := c.ledger.Transactions(ctx, programme, []uuid.UUID{used, d.Claim})
	if err != nil {
		return err
	}
	var requests []ledger.Request
	if use := found[used]; use != nil && use.Posted() {
		requests = append(requests, ledger.Reverse(used, decimal.Zero, c.systems(d.step(report.Attempt, "back"), r)))
	}
	if b := s.benefits[d.Benefit]; b != nil && b.Delivery != nil && b.Delivery.Refund {
		requests = append(requests, ledger.Reverse(d.Claim, decimal.Zero, c.systems(d.step(report.Attempt, "refund"), r)))
		if from, limited := stockOf(found[d.Claim], d); limited && report.What == Lost {
			gone := c.systems(d.step(report.Attempt, "lost"), r)
			gone.Rule = "benefit/" + d.Benefit
			requests = append(requests, ledger.PublishInto(from, decimal.NewFromInt(-1), gone))
		}
	}
	if len(requests) == 0 {
		return nil
	}
	answers, err := c.ledger.PostBatch(ctx, programme, requests, true)
	if err != nil {
		return err
	}
	return ignore(ledger.Decisive(answers), ledger.IdempotencyKeyReused) // another report ended this attempt before
}

// stockOf is where the right of a claim was taken from, if that can be empty.
func stockOf(claim *ledger.Transaction, d *Delivery) (ledger.Account, bool) {
	for _, leg := range claim.Legs {
		if from := leg.From.Account; leg.Unit == d.Benefit && from.Place == ledger.Stock {
			return from, true
		}
	}
	return ledger.Account{}, false
}
