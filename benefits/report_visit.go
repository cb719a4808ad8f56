package benefits

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
	"tallystick/ledger"
	"tallystick/partners"
)

// VisitRecord is what an operator says of a visit.
type VisitRecord struct {
	Operator string
	Record   string    // the operator's own id of it
	Visit    uuid.UUID // or else
	Code     string    // of the pass that was shown
	Lounge   string
	At       time.Time // when the visit was
	Guests   int
}

// Reported is what became of a record.
type Reported struct {
	Visit Visit
	Known bool // an equal record was there before
	// Open is how many of the heads that it names nobody paid for. The record stays: reporting it again tries again.
	Open int
}

// ReportVisit takes an operator's record of a visit and charges it: what was held for each head that came is used, what was
// held for others goes back, and the operator is owed for each head. More guests than were let in pay as at the door, by
// what the member agreed to there; so does whoever comes late, after what was held went back, by what was held first. The
// record is kept before anything is charged, and reported again it charges what is still open and nothing twice. r gives
// the actor. It uses the programme's own keys, so what cannot be charged now may be later.
// Refusals: CODE_MALFORMED, INVALID_FIELD, NOT_FOUND for no visit of the operator's, REFERENCE_USED for a second record of a
// visit or another visit of a record, HOLD_CLOSED for a visit that was canceled.
func (c *Catalog) ReportVisit(ctx context.Context, programme uuid.UUID, w VisitRecord, r ledger.Request) (Reported, error) {
	v, err := c.visitOf(ctx, programme, &w)
	if err != nil {
		return Reported{}, err
	}
	known := v.Report != nil
	if !known {
		if err := c.keepReport(ctx, programme, &v, &w); err != nil {
			return Reported{}, err
		}
		if v, err = c.Visit(ctx, programme, v.ID); err != nil {
			return Reported{}, err
		}
		if v.canceled {
			return Reported{}, refuse(ledger.HoldClosed, "because", "the visit was canceled")
		}
	}
	if v.Report == nil || v.Report.Record != w.Record || v.Report.Guests != w.Guests {
		return Reported{}, refuse(ledger.ReferenceUsed, "record", w.Record)
	}
	if err := c.chargeVisit(ctx, programme, &v, r); err != nil {
		return Reported{}, err
	}
	v, err = c.Visit(ctx, programme, v.ID)
	return Reported{Visit: v, Known: known, Open: v.open()}, err
}

// open counts the heads of a report that nobody paid for.
func (v *Visit) open() (n int) {
	for head := range v.paying(v.Report.Guests) {
		if v.Heads[head].State != HeadCharged {
			n++
		}
	}
	return n
}

const sqlVisitByPass = `
SELECT v.id, v.member, v.benefit, v.lounge, v.operator, v.voucher_id, v.guests, v.free, v.days, v.consent,
    t.recorded_at, t.client, t.idempotency_key, r.record, r.visited_at, r.guests
FROM visits AS v
JOIN transactions AS t ON t.id = v.id
LEFT JOIN visit_reports AS r ON r.visit_id = v.id
WHERE v.programme_id = $1 AND v.member = $2 AND v.voucher_id = $3
ORDER BY t.recorded_at DESC, v.id DESC
LIMIT 1`

// visitOf finds the visit that a record is about, and refuses what it cannot be about.
func (c *Catalog) visitOf(ctx context.Context, programme uuid.UUID, w *VisitRecord) (Visit, error) {
	v, err := c.namedBy(ctx, programme, w)
	if err != nil {
		return v, err
	}
	state, err := c.ledger.State(ctx, programme)
	switch {
	case err != nil:
		return v, err
	case v.Operator != w.Operator:
		return v, refuse(ledger.NotFoundReason)
	case v.Lounge != w.Lounge:
		return v, invalid("lounge", "the visit was let into "+v.Lounge)
	case w.At.After(state.Now):
		return v, invalid("at", "it is in the future")
	case w.Guests < 0 || w.Guests > maxGuests:
		return v, invalid("guests", fmt.Sprintf("use 0 to %d", maxGuests))
	case !validKey.MatchString(w.Record):
		return v, invalid("record", "use 1 to 128 letters, digits, _ . : and -")
	case v.State == VisitCanceled:
		return v, refuse(ledger.HoldClosed, "because", "the visit was canceled")
	}
	return v, nil
}

func (c *Catalog) namedBy(ctx context.Context, programme uuid.UUID, w *VisitRecord) (Visit, error) {
	if w.Code == "" {
		return c.Visit(ctx, programme, w.Visit)
	}
	voucher, err := c.vouchers.Shown(ctx, programme, w.Code)
	if err != nil {
		return Visit{}, err
	}
	list, err := c.readVisits(ctx, programme, sqlVisitByPass, programme, voucher.Member, voucher.ID)
	if err != nil {
		return Visit{}, err
	}
	if len(list) == 0 {
		return Visit{}, refuse(ledger.NotFoundReason)
	}
	return list[0], nil
}

// A record that is there stays as it is: whoever comes second reads what the first wrote.
const sqlInsertReport = `
INSERT INTO visit_reports (visit_id, programme_id, operator, record, visited_at, guests)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (visit_id) DO NOTHING`

func (c *Catalog) keepReport(ctx context.Context, programme uuid.UUID, v *Visit, w *VisitRecord) error {
	if w.At.IsZero() {
		w.At = v.At
	}
	_, err := c.pool.Exec(ctx, sqlInsertReport, v.ID, programme, w.Operator, w.Record, w.At, w.Guests)
	switch {
	case db.IsUniqueViolation(err):
		return refuse(ledger.ReferenceUsed, "record", w.Record)
	case err != nil:
		return fmt.Errorf("benefits: keep report: %w", err)
	}
	return nil
}

// chargeVisit posts what follows from the report of a visit: first what was held, then what has to be paid anew.
func (c *Catalog) chargeVisit(ctx context.Context, programme uuid.UUID, v *Visit, r ledger.Request) error {
	t, s, err := c.current(ctx, programme)
	if err != nil {
		return err
	}
	r.Client, r.Rule, r.Channel = systemClient, "lounge/"+v.Lounge+"/"+v.Benefit, loungeChannel
	requests := s.settlement(v, r)
	if len(requests) > 0 {
		answers, err := c.ledger.PostBatch(ctx, programme, requests, false)
		if err != nil {
			return err
		}
		for _, answer := range answers {
			if refusal := new(ledger.Refusal); answer.Err != nil && !errors.As(answer.Err, &refusal) {
				return answer.Err
			}
		}
		heads := []Visit{*v}
		heads[0].Heads = nil
		if err := c.readHeads(ctx, programme, heads); err != nil {
			return err
		}
		v.Heads = heads[0].Heads
	}
	return c.chargeLate(ctx, t.Programme, s, v, r)
}

// settlement uses what was held for those who came, gives back what was held or paid for the others, and owes the operator.
func (s *section) settlement(v *Visit, r ledger.Request) []ledger.Request {
	var list []ledger.Request
	came := v.paying(v.Report.Guests)
	for head, h := range v.Heads {
		one := r
		one.Key = v.step("head/" + strconv.Itoa(head))
		switch {
		case head < came && h.State == HeadHeld:
			list = append(list, ledger.Capture(h.Transaction, decimal.Zero, false, one).Own())
		case head >= came && h.State == HeadHeld:
			list = append(list, ledger.Void(h.Transaction, one).Own())
		case head >= came && h.State == HeadCharged:
			list = append(list, ledger.Reverse(h.Transaction, decimal.Zero, one).Own())
		}
	}
	if owed, earns := s.owed(v, r); earns {
		list = append(list, owed)
	}
	return list
}

// owed is what the operator earns by the report: the price of the agreement for each head. A pass was owed when it was used.
func (s *section) owed(v *Visit, r ledger.Request) (ledger.Request, bool) {
	operator := s.agreements[v.Operator]
	heads := 1 + v.Report.Guests
	if v.Voucher != uuid.Nil {
		heads--
	}
	if operator == nil || heads == 0 || !operator.Honours[v.Benefit].Amount.IsPositive() {
		return r, false
	}
	price := operator.Honours[v.Benefit]
	r.Key, r.Rule = v.step("owed"), "partner/"+v.Operator
	r.Asked = v.step("owed") // the price may be another when it is reported again
	return ledger.Use("", []ledger.Leg{{
		From: ledger.Account{Unit: price.Unit, Owner: ledger.ProgrammeOwner, Place: ledger.BenefitCost},
		To:   ledger.Account{Unit: price.Unit, Owner: ledger.Partner(v.Operator), Place: ledger.Payable},
		Unit: price.Unit, Amount: price.Amount.Mul(decimal.NewFromInt(int64(heads))),
	}}, r).Own(), true
}

// chargeLate pays anew for every head that came and is open. What no way pays for stays open.
func (c *Catalog) chargeLate(ctx context.Context, p *ledger.Programme, s *section, v *Visit, r ledger.Request) error {
	var requests []ledger.Request
	for head := range v.paying(v.Report.Guests) {
		if h := v.Heads[head]; h.State == HeadOpen {
			r.Key, r.Asked = v.lateKey(head), v.lateKey(head)
			ways := s.lateWays(v, head, r)
			if head == 0 && v.Voucher != uuid.Nil {
				pass, err := c.latePass(ctx, p, v, r)
				if err != nil {
					return err
				}
				ways = append(pass, ways...)
			}
			if len(ways) > 0 {
				requests = append(requests, inTurn(ways))
			}
		}
	}
	if len(requests) == 0 {
		return nil
	}
	if _, err := c.Qualify(ctx, p.ID, v.Member); err != nil {
		return err
	}
	answers, err := c.ledger.PostBatch(ctx, p.ID, requests, false)
	if err != nil {
		return err
	}
	for _, answer := range answers {
		if refusal := new(ledger.Refusal); answer.Err != nil && !errors.As(answer.Err, &refusal) {
			return answer.Err
		}
	}
	return nil
}

// latePass uses the pass of a visit again, if it came back and was not used for anything else.
func (c *Catalog) latePass(ctx context.Context, p *ledger.Programme, v *Visit, r ledger.Request) ([]ledger.Request, error) {
	voucher, err := c.vouchers.Voucher(ctx, p.ID, v.Voucher)
	if err != nil || voucher.State != partners.Issued {
		return nil, err
	}
	use, err := c.vouchers.UseOf(p, voucher, v.Operator, r)
	if err != nil {
		return nil, ignore(err, ledger.NotFoundReason) // the agreement is over
	}
	use.Rule, use.Channel = r.Rule, r.Channel
	return []ledger.Request{use.Own()}, nil
}

// lateWays are the ways to pay for a head at its report: what was held for it at the door, then what is to be had now of
// allotments and by the member's agreement.
func (s *section) lateWays(v *Visit, head int, r ledger.Request) []ledger.Request {
	var prices []Price
	if h := v.Heads[head]; h.Unit != "" && (h.With == WithAllotment || h.With == WithPoints) {
		prices = append(prices, Price{With: h.With, Unit: h.Unit, Amount: h.Amount})
	}
	if b := s.benefits[v.Benefit]; b != nil && b.Entry != nil {
		of := b.Prices
		if head > 0 {
			of = b.Entry.Guests.Prices
		}
		prices = append(prices, agreedOf(of, v.Consent)...)
	}
	var ways []ledger.Request
	for _, price := range prices {
		way := ledger.RedeemLegs(v.Member, price.legs(v.Member, loungeChannel), r).Own()
		way.Needs = s.needs(nil, price.Tier)
		ways = append(ways, way)
	}
	return ways
}
