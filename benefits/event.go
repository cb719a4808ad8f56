package benefits

import (
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/partners"
)

// EventTerms are what a benefit of kind event says besides: the benefit's rights are the event's seats, its stock how many
// there are, its prices what a seat costs, and From and Until when seats can be booked.
type EventTerms struct {
	Type         EventType
	Place        partners.Names
	Region       string // where it is; empty when that is not said
	Starts, Ends time.Time
	Admission    Admission
	// Review is how long an application may wait for an answer, Offer how long a seat is offered to who waited for it.
	Review, Offer time.Duration
	Guests        Guests
	Cancel        CancelTerms
	NoShow        NoShow
	// Strikes is the limit that every no-show uses; whoever has none left cannot book. Empty without.
	Strikes string
	// Lists are the gates, by code. Attended is the activity of who came; empty when it earns nothing.
	Lists    map[string]CheckInList
	Attended string
}

// EventType is what an event is.
type EventType string

// The types of event.
const (
	Golf    EventType = "golf"
	Tasting EventType = "tasting"
	Lecture EventType = "lecture"
	Class   EventType = "class"
	Tour    EventType = "tour"
	Social  EventType = "social"
)

// Values are the types that a document may name.
func (EventType) Values() []string {
	return []string{string(Golf), string(Tasting), string(Lecture), string(Class), string(Tour), string(Social)}
}

// Admission is how one gets a seat: whoever may have the benefit books it, only who is invited does, or one applies for it
// and somebody decides.
type Admission string

// The ways to a seat. Offered is that of who waited for it, and cannot be declared.
const (
	OpenToAll     Admission = "open"
	ByInvitation  Admission = "invitation"
	ByApplication Admission = "application"
	Offered       Admission = "offer"
)

// Values are the ways that a document may name.
func (Admission) Values() []string {
	return []string{string(OpenToAll), string(ByInvitation), string(ByApplication)}
}

// Guests is whom a member may bring: so many with one booking, of whom the first Free cost nothing. Limits count them.
type Guests struct {
	Most, Free int64
	Limits     []string
}

// CancelTerms are what giving a seat back costs: nothing until so long before the start, then this part of the price.
type CancelTerms struct {
	Free time.Duration
	Keep decimal.Decimal // 0 to 1
}

// NoShow is what becomes of the price that somebody paid who did not come.
type NoShow string

// The policies on who did not come.
const (
	NoShowKeeps    NoShow = "keep"
	NoShowReleases NoShow = "release"
)

// Values are the policies that a document may name.
func (NoShow) Values() []string { return []string{string(NoShowKeeps), string(NoShowReleases)} }

// CheckInList is a gate that a booking passes once, or as often as one likes.
type CheckInList struct {
	Names   partners.Names
	Reentry bool
}

const (
	// closesAfter is how long after its end an event is closed at the latest, when nobody did it before.
	closesAfter = 24 * time.Hour
	// ticketsLast is how long after the end of an event its tickets last, for what is late: scans and the closing itself.
	ticketsLast = 30 * 24 * time.Hour
)

// asks reports whether a booking waits for an answer: that of the programme, or that of the member to an offer.
func (t *EventTerms) asks(offer bool) bool { return offer || t.Admission == ByApplication }

// answerBy is until when a booking of now waits for its answer; the event's start is the end of all waiting.
func (t *EventTerms) answerBy(now time.Time, offer bool) time.Time {
	by := now.Add(t.Review)
	if offer {
		by = now.Add(t.Offer)
	}
	if by.After(t.Starts) {
		by = t.Starts
	}
	return by
}

// paid is how many of a party's seats are paid for.
func (t *EventTerms) paid(guests int64) decimal.Decimal {
	return decimal.NewFromInt(1 + max(0, guests-t.Guests.Free))
}

// kept is the part of the price that giving a seat back at a time costs, and until when that holds. From the start on a
// seat is not given back.
func (t *EventTerms) kept(now time.Time) (part decimal.Decimal, until time.Time, open bool) {
	switch free := t.Starts.Add(-t.Cancel.Free); {
	case now.Before(free):
		return decimal.Zero, free, true
	case now.Before(t.Starts):
		return t.Cancel.Keep, t.Starts, true
	default:
		return decimal.Zero, time.Time{}, false
	}
}

// forSeats is the benefit as a party pays for it.
func (b *Benefit) forSeats(paid decimal.Decimal) *Benefit {
	party := *b
	party.Prices = slices.Clone(b.Prices)
	for i := range party.Prices {
		party.Prices[i].Amount = party.Prices[i].Amount.Mul(paid)
		party.Prices[i].Cash.Amount = party.Prices[i].Cash.Amount.Mul(paid)
	}
	return &party
}

// seats is what of a claim is about an event.
type seats struct {
	guests []string // their names, as far as they are known
	offer  bool     // the programme offers it to who waited
}

// legs are the seats of a party: the member's own, and those of guests, which have limits of their own.
func (q *seats) legs(p *ledger.Programme, t *EventTerms, member string, from, to ledger.Account, now time.Time) []ledger.Leg {
	own := ledger.Leg{From: from, To: to, Unit: to.Unit, Amount: decimal.NewFromInt(1), ExpiresAt: t.Ends.Add(ticketsLast)}
	if len(q.guests) == 0 {
		return []ledger.Leg{own}
	}
	guests := own
	guests.Amount = decimal.NewFromInt(int64(len(q.guests)))
	for _, code := range t.Guests.Limits {
		guests.Uses = append(guests.Uses, p.Cap(p.Limits[code], member, now))
	}
	return []ledger.Leg{own, guests}
}

// denies names what of an event stands in the way of a seat, and until when that may hold.
func (t *EventTerms) denies(at *circumstances, offer bool) (why *ledger.Refusal, until time.Time) {
	switch {
	case !at.now.Before(t.Starts):
		return notOpen("over", time.Time{}), time.Time{}
	case t.Admission == ByInvitation && !at.invited:
		return refuse(ledger.NotEligible, "because", "invitation"), t.Starts
	case at.queued && !offer:
		return notOpen("waiting_list", time.Time{}), t.Starts
	default:
		return nil, t.Starts
	}
}
