package benefits

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/partners"
)

// Scan is a ticket at a gate. The nonce is the scanner's own id of it, the same when it is sent again.
type Scan struct {
	Event, List, Code, Nonce string
	// Partner is who runs the gate, by an agreement that honours the event; empty for the programme's own staff.
	Partner string
	// Preview tells whether the scan would let in, and uses nothing.
	Preview bool
}

// CheckedIn is the answer to a scan.
type CheckedIn struct {
	Booking Booking
	// At is when the scan was first answered.
	At       time.Time
	Replayed bool
}

const (
	sqlInsertCheckIn = `
INSERT INTO check_ins (booking_id, list, slot, programme_id, nonce, checked_at, actor, activity_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (booking_id, list, slot) DO NOTHING`

	sqlReadCheckIn = `
SELECT i.checked_at, i.nonce
FROM check_ins AS i
WHERE i.booking_id = $1 AND i.list = $2 AND i.slot = $3`
)

// CheckIn lets a party in. The first check-in of a booking, on whichever list, uses its ticket: from then on it cannot be
// canceled, and the partner is owed what the agreement says for each seat. Each list lets a booking in once, or as often as
// one likes where one may come back. The same nonce again gets the first answer; what died between its steps is finished by
// it. Then the member earns for having come, once for each event. r gives the actor.
// Refusals: CODE_MALFORMED, NOT_FOUND for a ticket of another event and for partners that do not honour it, INVALID_FIELD for
// a list that is not the event's, VOUCHER_USED for what was canceled or closed, VOUCHER_EXPIRED, MEMBER_FROZEN,
// ALREADY_CHECKED_IN with at for another scan on a list without re-entry.
func (c *Catalog) CheckIn(ctx context.Context, programme uuid.UUID, scan Scan, r ledger.Request) (CheckedIn, error) {
	p, s, err := c.current(ctx, programme)
	if err != nil {
		return CheckedIn{}, err
	}
	t, price, err := c.gate(p.Programme, s, scan)
	if err != nil {
		return CheckedIn{}, err
	}
	shown, err := c.vouchers.Shown(ctx, programme, scan.Code)
	if err != nil {
		return CheckedIn{}, err
	}
	b, err := c.ticket(ctx, programme, shown.ID)
	if err == nil && b.Event != scan.Event {
		err = refuse(ledger.NotFoundReason)
	}
	if err != nil {
		return CheckedIn{}, err
	}
	slot := ""
	if t.Lists[scan.List].Reentry {
		slot = scan.Nonce
	}
	checked, nonce, err := c.checkIn(ctx, b, scan.List, slot)
	if err != nil {
		return CheckedIn{}, err
	}
	checked.Replayed = nonce != ""
	if nonce == "" && shown.Late {
		return CheckedIn{}, refuse(ledger.TokenExpired)
	}
	if nonce == "" && scan.Preview {
		checked.At = p.Now
		return checked, c.wouldEnter(ctx, p.Programme, b, scan, price, r)
	}
	if nonce == "" {
		if checked, nonce, err = c.enter(ctx, p.Programme, b, scan, slot, price, r); err != nil {
			return CheckedIn{}, err
		}
	}
	if nonce != scan.Nonce {
		return CheckedIn{}, refuse(ledger.AlreadyCheckedIn, "at", checked.At.Format(time.RFC3339))
	}
	if scan.Preview {
		return checked, nil
	}
	return checked, c.attend(ctx, programme, t, b, checked.At)
}

// wouldEnter decides whether the ticket could be used now, or was by another list.
func (c *Catalog) wouldEnter(ctx context.Context, p *ledger.Programme, b Booking, scan Scan, price partners.Price, r ledger.Request) error {
	key := checkInKey(b)
	_, err := c.ledger.Preview(ctx, p.ID, useOf(b, scan.Partner, price, c.systems(key, ledger.Request{Actor: r.Actor})))
	return ignore(err, ledger.IdempotencyKeyReused)
}

// checkInKey is under which a ticket is used, once, whichever list is the first.
func checkInKey(b Booking) string { return "check-in/" + b.ID.String() }

// gate is the event that a scan is for, and what its partner is owed for a seat.
func (c *Catalog) gate(p *ledger.Programme, s *section, scan Scan) (*EventTerms, partners.Price, error) {
	b := s.benefits[scan.Event] // also one that is retired
	if b == nil || b.Event == nil {
		return nil, partners.Price{}, refuse(ledger.NotFoundReason)
	}
	var price partners.Price
	if scan.Partner != "" {
		agreements, err := c.vouchers.Agreements(p)
		if err != nil {
			return nil, price, err
		}
		partner, honoured := agreements[scan.Partner], false
		if partner != nil {
			price, honoured = partner.Honours[scan.Event]
		}
		if !honoured {
			return nil, price, refuse(ledger.NotFoundReason)
		}
	}
	if _, declared := b.Event.Lists[scan.List]; !declared {
		return nil, price, invalid("list", "the event has no such list")
	}
	return b.Event, price, nil
}

// ticket finds the booking whose ticket a voucher is.
func (c *Catalog) ticket(ctx context.Context, programme, voucher uuid.UUID) (Booking, error) {
	rows, err := c.pool.Query(ctx, sqlReadTicket, voucher, programme)
	return c.oneBooking(rows, err)
}

// checkIn reads who has a slot of a list; no nonce when nobody has.
func (c *Catalog) checkIn(ctx context.Context, b Booking, list, slot string) (checked CheckedIn, nonce string, err error) {
	checked.Booking = b
	err = c.pool.QueryRow(ctx, sqlReadCheckIn, b.ID, list, slot).Scan(&checked.At, &nonce)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return checked, "", fmt.Errorf("benefits: read check-in: %w", err)
	}
	checked.At = checked.At.UTC()
	checked.Booking.State = BookingAttended
	return checked, nonce, nil
}

// enter uses the ticket, unless another list did, and takes the slot, unless another scan did; it returns who has it.
func (c *Catalog) enter(ctx context.Context, p *ledger.Programme, b Booking, scan Scan, slot string, price partners.Price, r ledger.Request) (CheckedIn, string, error) {
	key := checkInKey(b)
	answer, err := c.ledger.Post(ctx, p.ID, useOf(b, scan.Partner, price, c.systems(key, ledger.Request{Actor: r.Actor})))
	if _, err = c.done(ctx, p.ID, key, answer, err); err != nil {
		return CheckedIn{}, "", err
	}
	state, err := c.ledger.State(ctx, p.ID)
	if err != nil {
		return CheckedIn{}, "", err
	}
	_, err = c.pool.Exec(ctx, sqlInsertCheckIn, b.ID, scan.List, slot, p.ID, scan.Nonce, state.Now, r.Actor, attendanceID(p.ID, b))
	if err != nil {
		return CheckedIn{}, "", fmt.Errorf("benefits: write check-in: %w", err)
	}
	return c.checkIn(ctx, b, scan.List, slot)
}

// useOf takes a booking's seats out of its ticket, for good.
func useOf(b Booking, partner string, price partners.Price, r ledger.Request) ledger.Request {
	to := ledger.Account{Unit: b.Event, Owner: ledger.ProgrammeOwner, Place: ledger.Redeemed}
	if partner != "" {
		to.Owner = ledger.Partner(partner)
	}
	legs := []ledger.Leg{{From: b.has(), To: to, Unit: b.Event, Amount: decimal.NewFromInt(b.Seats)}}
	if price.Amount.IsPositive() {
		legs = append(legs, ledger.Leg{
			From: ledger.Account{Unit: price.Unit, Owner: ledger.ProgrammeOwner, Place: ledger.BenefitCost},
			To:   ledger.Account{Unit: price.Unit, Owner: ledger.Partner(partner), Place: ledger.Payable},
			Unit: price.Unit, Amount: price.Amount.Mul(decimal.NewFromInt(b.Seats)),
		})
	}
	r.Rule = "benefit/" + b.Event
	return ledger.Use(b.Member, legs, r)
}

func attendanceKey(b Booking) string { return "attended/" + b.Event + "/" + b.Member }

func attendanceID(programme uuid.UUID, b Booking) uuid.UUID {
	return ledger.TransactionID(programme, systemClient, attendanceKey(b))
}

// attend records that a member came, once for each event and member, so that the earning rules may give something for it.
func (c *Catalog) attend(ctx context.Context, programme uuid.UUID, t *EventTerms, b Booking, at time.Time) error {
	if t.Attended == "" {
		return nil
	}
	done, err := c.ledger.Transactions(ctx, programme, []uuid.UUID{attendanceID(programme, b)})
	if err != nil || len(done) > 0 {
		return err // by another booking of the member, or an earlier scan
	}
	a := Activity{Kind: t.Attended, Member: b.Member, At: at}
	_, err = c.RecordActivity(ctx, programme, a, ledger.Request{Client: systemClient, Key: attendanceKey(b), Actor: systemClient})
	// Two gates at once give it two times; the first counts.
	if err := ignore(err, ledger.IdempotencyKeyReused, ledger.MemberTerminated); err != nil {
		return fmt.Errorf("benefits: attendance: %w", err)
	}
	return nil
}
