package benefits_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

const eventsDocument = `
programme: test
zone: Asia/Shanghai
sandbox: true
expiry:
  rolling: {kind: rolling, months: 12}
units:
  - {code: points, kind: points, expiry: rolling}
  - {code: cny, kind: money, scale: 2}
  - {code: golf, kind: right}
  - {code: tasting, kind: right}
  - {code: talk, kind: right}
  - {code: tour, kind: right}
limits:
  - {code: guests-a-year, of: times, per: member, interval: year, most: "3"}
  - {code: strikes, of: times, per: member, interval: year, most: "1"}
tiers:
  - code: club
    names: {en: Club, zh-Hans: 俱乐部}
    period: {kind: ever}
    validity: {until: end_of_period}
    points: points
    ladder:
      - {code: silver, from: {points: 2000}, names: {en: Silver, zh-Hans: 银卡}}
      - {code: gold, from: {points: 5000}, names: {en: Gold, zh-Hans: 金卡}}
members:
  segments: [{code: wine, names: {en: Wine lovers, zh-Hans: 葡萄酒爱好者}}]
earning:
  activities:
    - {code: event_attended, names: {en: Event attended, zh-Hans: 参加活动}}
  rules:
    - {code: came, names: {en: Came, zh-Hans: 到场}, on: event_attended, unit: points, points: "7"}
partners:
  - {code: club, names: {en: Club, zh-Hans: 俱乐部}, outlets: [gate], honours: [{benefit: golf, price: "80.00", unit: cny}]}
benefits:
  - code: golf
    kind: event
    names: {en: Golf day, zh-Hans: 高尔夫日}
    prices: {points: 100}
    stock: {first: 4}
    kept: {gold: {first: 1}}
    until: 2026-04-18 08:00
    event:
      type: golf
      place: {en: Lake course, zh-Hans: 湖畔球场}
      starts: 2026-04-18 09:00
      ends: 2026-04-18 17:00
      offer_minutes: 60
      guests: {most: 2, free: 1, limits: [guests-a-year]}
      cancel: {free_hours: 72, keep: "0.5"}
      strikes: strikes
      attended: event_attended
      lists:
        - {code: gate, names: {en: Gate, zh-Hans: 入口}}
        - {code: house, names: {en: Club house, zh-Hans: 会所}, reentry: true}
  - code: tasting
    kind: event
    names: {en: Tasting, zh-Hans: 品酒}
    stock: {first: 1}
    kept_for: {wine: {first: 1}}
    event:
      type: tasting
      place: {en: Cellar, zh-Hans: 酒窖}
      starts: 2026-05-08 19:00
      ends: 2026-05-08 21:00
      how: invitation
  - code: talk
    kind: event
    names: {en: Talk, zh-Hans: 讲座}
    prices: {points: 50}
    stock: {first: 2}
    event:
      type: lecture
      place: {en: Hall, zh-Hans: 礼堂}
      zone: Asia/Urumqi
      starts: 2026-05-09 19:00
      ends: 2026-05-09 21:00
      how: application
      review_hours: 24
      no_show: release
      strikes: strikes
      lists: [{code: door, names: {en: Door, zh-Hans: 门}}]
`

func newEvents(t *testing.T) club {
	t.Helper()
	return newClubOf(t, eventsDocument)
}

func asks(key string) ledger.Request { return ledger.Request{Client: "app", Key: key} }

func (c club) book(t *testing.T, key, member, event string, guests ...string) (benefits.Reservation, error) {
	t.Helper()
	return c.BookEvent(t.Context(), c.Programme, benefits.Seats{Member: member, Event: event, Guests: guests}, asks(key))
}

func (c club) mustBook(t *testing.T, key, member, event string, guests ...string) benefits.Booking {
	t.Helper()
	booked, err := c.book(t, key, member, event, guests...)
	if err != nil {
		t.Fatalf("book %s for %s: %v", event, member, err)
	}
	return booked.Booking
}

func (c club) cancel(t *testing.T, key string, b benefits.Booking) (benefits.Cancellation, error) {
	t.Helper()
	return c.CancelBooking(t.Context(), c.Programme, b.Member, b.ID, asks(key))
}

// wantBookings compares a member's bookings, the newest first, written "golf booked 2".
func (c club) wantBookings(t *testing.T, member string, want ...string) []benefits.Booking {
	t.Helper()
	list, err := c.ListBookings(t.Context(), c.Programme, member, benefits.BookingCursor{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range list {
		got = append(got, fmt.Sprint(b.Event, " ", b.State, " ", b.Seats))
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("%s has %v, want %v", member, got, want)
	}
	return list
}

func (c club) wantSeats(t *testing.T, event string, stock, held, tickets, used int64) {
	t.Helper()
	for place, want := range map[string]int64{"stock": stock, "hold": held, "voucher": tickets, "redeemed": used} {
		c.WantBalance(t, place, event, decimal.NewFromInt(want))
	}
}

func at(text string) time.Time {
	zone, _ := time.LoadLocation("Asia/Shanghai")
	when, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
	if err != nil {
		panic(err)
	}
	return when
}

func TestSeatsAreBookedInOneTransactionAndGivenBack(t *testing.T) {
	t.Parallel()
	c := newEvents(t)
	c.apply(t, strings.Replace(eventsDocument, "stock: {first: 4}", "stock: {first: 4, more: 2}", 1))
	c.Accrue(t, "a", "ann", "points", 1000)
	booked, err := c.book(t, "b", "ann", "golf", "Bo", "")
	if err != nil {
		t.Fatal(err)
	}
	if b := booked.Booking; b.State != benefits.BookingBooked || b.Seats != 3 || b.Code == "" {
		t.Errorf("booking: %+v", b)
	}
	c.wantWallet(t, "ann", "points 800") // one guest is free
	c.wantSeats(t, "golf", 4, 0, 3, 0)
	again, err := c.book(t, "b", "ann", "golf", "Bo", "")
	if err != nil || !again.Replayed || again.Booking.Code != booked.Booking.Code {
		t.Errorf("retry: %+v, %v", again, err)
	}
	if _, err := c.book(t, "b", "ann", "golf", "Bo"); err == nil {
		t.Error("the same key booked fewer guests")
	}
	_, err = c.book(t, "b2", "ann", "golf", "Cy", "Di")
	wantRefusal(t, err, ledger.LimitReached) // guests, of which three a year
	_, err = c.redeem(t, "r", "ann", "golf", benefits.WithPoints)
	wantRefusal(t, err, ledger.InvalidField)
	_, err = c.CancelRedemption(t.Context(), c.Programme, "ann", booked.Booking.ID, asks("x"))
	wantRefusal(t, err, ledger.InvalidField)

	canceled, err := c.cancel(t, "c", booked.Booking)
	if err != nil || len(canceled.Kept) > 0 {
		t.Fatalf("cancel: %+v, %v", canceled, err)
	}
	c.wantWallet(t, "ann", "points 1000")
	c.wantSeats(t, "golf", 7, 0, 0, 0)
	c.wantBookings(t, "ann", "golf canceled 3")
	c.mustBook(t, "b3", "ann", "golf", "Cy", "Di") // the guests came back
	if again, err := c.cancel(t, "c", booked.Booking); err != nil || !again.Replayed {
		t.Errorf("retry: %+v, %v", again, err)
	}
	_, err = c.cancel(t, "c2", booked.Booking)
	wantRefusal(t, err, ledger.AlreadyReversed)
}

func TestCancelingLateKeepsAPartOfThePrice(t *testing.T) {
	t.Parallel()
	c := newEvents(t)
	c.Accrue(t, "a", "ann", "points", 300)
	first, second, third := c.mustBook(t, "b1", "ann", "golf"), c.mustBook(t, "b2", "ann", "golf"), c.mustBook(t, "b3", "ann", "golf")
	c.moveClock(t, at("2026-04-15 08:59"))
	if canceled, err := c.cancel(t, "c1", first); err != nil || len(canceled.Kept) > 0 {
		t.Errorf("in time: %+v, %v", canceled, err)
	}
	c.moveClock(t, at("2026-04-15 09:00"))
	preview, err := c.PreviewCancelBooking(t.Context(), c.Programme, "ann", second.ID, asks("c2"))
	if err != nil || len(preview.Kept) != 1 || preview.Kept[0].Amount.String() != "50" {
		t.Errorf("preview: %+v, %v", preview, err)
	}
	for range 2 {
		canceled, err := c.cancel(t, "c2", second)
		if err != nil || len(canceled.Kept) != 1 || canceled.Kept[0].Amount.String() != "50" {
			t.Errorf("late: %+v, %v", canceled, err)
		}
	}
	c.wantWallet(t, "ann", "points 150")
	c.wantSeats(t, "golf", 4, 0, 1, 0)
	c.moveClock(t, at("2026-04-18 09:00"))
	_, err = c.cancel(t, "c3", third)
	wantRefusal(t, err, ledger.NotOpen)
	c.wantBookings(t, "ann", "golf booked 1", "golf canceled 1", "golf canceled 1")
}

func TestSeatsAreKeptForTiersAndSegments(t *testing.T) {
	t.Parallel()
	c := newEvents(t)
	c.Accrue(t, "a", "ann", "points", 1000)
	c.Accrue(t, "g", "gus", "points", 5000)
	for i := range 4 {
		c.mustBook(t, fmt.Sprint("b", i), "ann", "golf")
	}
	_, err := c.book(t, "b4", "ann", "golf")
	wantRefusal(t, err, ledger.OutOfStock)
	c.mustBook(t, "g", "gus", "golf")
	c.wantSeats(t, "golf", 0, 0, 5, 0)

	if err := c.InviteMembers(t.Context(), c.Programme, "tasting", []string{"eve"}, asks("i"), true); err != nil { // a preview invites nobody
		t.Fatal(err)
	}
	if err := c.InviteMembers(t.Context(), c.Programme, "tasting", []string{"ann", "gus", "ann"}, asks("i"), false); err != nil {
		t.Fatal(err)
	}
	_, err = c.book(t, "t0", "eve", "tasting")
	wantRefusal(t, err, ledger.NotEligible)
	c.mustBook(t, "t1", "ann", "tasting")
	_, err = c.book(t, "t2", "ann", "tasting")
	wantRefusal(t, err, ledger.OutOfStock)
	facts := benefits.Facts{Kind: benefits.Person, Segments: []string{"wine"}}
	if _, err := c.EnrolMember(t.Context(), c.Programme, "gus", facts, by("e"), false); err != nil {
		t.Fatal(err)
	}
	c.mustBook(t, "t3", "gus", "tasting")
}

func TestAnApplicationWaitsForItsAnswer(t *testing.T) {
	t.Parallel()
	c := newEvents(t)
	for _, member := range []string{"ann", "bob", "cat"} {
		c.Accrue(t, "a-"+member, member, "points", 60)
	}
	ann, bob := c.mustBook(t, "b1", "ann", "talk"), c.mustBook(t, "b2", "bob", "talk")
	if ann.State != benefits.BookingApplied || ann.Code != "" {
		t.Errorf("application: %+v", ann)
	}
	c.wantSeats(t, "talk", 0, 2, 0, 0)
	c.wantWallet(t, "ann", "points 10")
	list, err := c.ListApplications(t.Context(), c.Programme, "talk", uuid.Nil, 10)
	if err != nil || len(list) != 2 {
		t.Errorf("applications: %v, %v", list, err)
	}
	if _, err := c.PreviewApprove(t.Context(), c.Programme, benefits.Answering{Booking: ann.ID}, ledger.Request{Actor: "li"}); err != nil {
		t.Error(err)
	}
	for _, actor := range []string{"li", "li", "wu"} {
		approved, err := c.Approve(t.Context(), c.Programme, benefits.Answering{Booking: ann.ID}, ledger.Request{Actor: actor})
		if err != nil || approved.Booking.Code == "" || approved.Transaction.Actor != "li" {
			t.Errorf("approve by %s: %+v, %v", actor, approved, err)
		}
	}
	c.wantSeats(t, "talk", 0, 1, 1, 0)
	_, err = c.Decline(t.Context(), c.Programme, benefits.Answering{Booking: ann.ID}, asks("d0"))
	wantRefusal(t, err, ledger.HoldClosed)
	if _, err := c.Decline(t.Context(), c.Programme, benefits.Answering{Booking: bob.ID}, ledger.Request{Client: "desk", Key: "d1", Reason: "full"}); err != nil {
		t.Error(err)
	}
	_, err = c.Approve(t.Context(), c.Programme, benefits.Answering{Booking: bob.ID}, ledger.Request{Actor: "li"})
	wantRefusal(t, err, ledger.HoldClosed)
	c.wantWallet(t, "bob", "points 60")
	c.wantBookings(t, "bob", "talk declined 1")

	cat := c.mustBook(t, "b3", "cat", "talk")
	c.moveClock(t, time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC))
	_, err = c.Approve(t.Context(), c.Programme, benefits.Answering{Booking: cat.ID}, ledger.Request{Actor: "li"})
	wantRefusal(t, err, ledger.HoldExpired)
	if err := c.SweepEvents(t.Context(), c.Programme); err != nil {
		t.Error(err)
	}
	c.wantBookings(t, "cat", "talk lapsed 1")
	c.wantWallet(t, "cat", "points 60")

	if _, err := c.cancel(t, "c", c.wantBookings(t, "ann", "talk booked 1")[0]); err != nil {
		t.Error(err)
	}
	c.wantBookings(t, "ann", "talk canceled 1")
	c.wantWallet(t, "ann", "points 60")
	c.wantSeats(t, "talk", 2, 0, 0, 0)
}

func (c club) join(t *testing.T, key, member, event string, guests ...string) {
	t.Helper()
	if err := c.JoinWaitingList(t.Context(), c.Programme, benefits.Seats{Member: member, Event: event, Guests: guests}, asks(key)); err != nil {
		t.Fatal(err)
	}
}

func TestAFreeSeatIsOfferedByTierAndThenByTime(t *testing.T) {
	t.Parallel()
	c := newEvents(t)
	c.Accrue(t, "a", "ann", "points", 1000)
	for _, member := range []string{"bob", "cat", "dan"} {
		c.Accrue(t, "a-"+member, member, "points", 200)
	}
	c.Accrue(t, "s", "sam", "points", 2000)
	var held []benefits.Booking
	for i := range 4 {
		held = append(held, c.mustBook(t, fmt.Sprint("b", i), "ann", "golf"))
	}
	c.join(t, "j0", "poor", "golf")
	c.join(t, "j1", "bob", "golf")
	c.moveClock(t, at("2026-03-02 09:00"))
	c.join(t, "j2", "cat", "golf")
	c.join(t, "j3", "sam", "golf")
	if place, err := c.WaitingPlace(t.Context(), c.Programme, "golf", "cat"); err != nil || place != 4 {
		t.Errorf("place %d, %v", place, err)
	}
	if _, err := c.cancel(t, "c0", held[0]); err != nil {
		t.Fatal(err)
	}
	offer := c.wantBookings(t, "sam", "golf offered 1")[0]
	c.wantWallet(t, "sam", "points 1900")
	_, err := c.book(t, "d", "dan", "golf")
	wantRefusal(t, err, ledger.NotOpen) // others wait
	if _, err := c.Approve(t.Context(), c.Programme, benefits.Answering{Booking: offer.ID, Member: "sam"}, asks("")); err != nil {
		t.Error(err)
	}
	c.wantBookings(t, "sam", "golf booked 1")
	if _, err := c.cancel(t, "c1", held[1]); err != nil {
		t.Fatal(err)
	}
	offer = c.wantBookings(t, "bob", "golf offered 1")[0]
	_, err = c.Approve(t.Context(), c.Programme, benefits.Answering{Booking: offer.ID, Member: "cat"}, asks(""))
	wantRefusal(t, err, ledger.NotFoundReason)
	c.moveClock(t, at("2026-03-02 10:00")) // an hour later
	_, err = c.Approve(t.Context(), c.Programme, benefits.Answering{Booking: offer.ID, Member: "bob"}, asks(""))
	wantRefusal(t, err, ledger.HoldExpired)
	for range 2 {
		if err := c.SweepEvents(t.Context(), c.Programme); err != nil {
			t.Error(err)
		}
	}
	c.wantBookings(t, "bob", "golf lapsed 1")
	c.wantWallet(t, "bob", "points 200")
	offer = c.wantBookings(t, "cat", "golf offered 1")[0]
	if _, err := c.Decline(t.Context(), c.Programme, benefits.Answering{Booking: offer.ID, Member: "cat"}, asks("no")); err != nil {
		t.Error(err)
	}
	c.wantSeats(t, "golf", 2, 0, 3, 0)
	c.Accrue(t, "a-poor", "poor", "points", 100) // who was passed over kept the place
	if err := c.SweepEvents(t.Context(), c.Programme); err != nil {
		t.Error(err)
	}
	c.wantBookings(t, "poor", "golf offered 1")
	c.join(t, "j4", "bob", "golf")
	if err := c.LeaveWaitingList(t.Context(), c.Programme, "golf", "bob"); err != nil {
		t.Error(err)
	}
	c.join(t, "j1", "bob", "golf") // a retry of what was answered long ago
	c.wantBookings(t, "bob", "golf lapsed 1")
}

func (c club) scan(t *testing.T, b benefits.Booking, list, nonce, partner string) (benefits.CheckedIn, error) {
	t.Helper()
	return c.CheckIn(t.Context(), c.Programme, benefits.Scan{Event: b.Event, List: list, Code: string(b.Code), Nonce: nonce, Partner: partner}, ledger.Request{Actor: "gate"})
}

func TestATicketComesInOnceOnEachListAndEarnsOnce(t *testing.T) {
	t.Parallel()
	c := newEvents(t)
	c.Accrue(t, "a", "ann", "points", 400)
	b, second := c.mustBook(t, "b", "ann", "golf", ""), c.mustBook(t, "b2", "ann", "golf")
	c.moveClock(t, at("2026-04-18 09:00"))
	_, err := c.scan(t, b, "gate", "n0", "other")
	wantRefusal(t, err, ledger.NotFoundReason)
	_, err = c.scan(t, b, "roof", "n0", "club")
	wantRefusal(t, err, ledger.InvalidField)
	tryGate := func(want ledger.Reason, wantErr bool) {
		scan := benefits.Scan{Event: b.Event, List: "gate", Code: string(b.Code), Nonce: "try", Partner: "club", Preview: true}
		tried, err := c.CheckIn(t.Context(), c.Programme, scan, ledger.Request{})
		if wantErr {
			wantRefusal(t, err, want)
		} else if err != nil || tried.Booking.Seats != 2 || tried.Replayed {
			t.Errorf("a preview: %+v, %v", tried, err)
		}
	}
	tryGate("", false)
	tryGate("", false) // it used nothing
	first, err := c.scan(t, b, "gate", "n1", "club")
	if err != nil || first.Replayed {
		t.Fatalf("scan: %+v, %v", first, err)
	}
	c.moveClock(t, at("2026-04-18 10:00"))
	if again, err := c.scan(t, b, "gate", "n1", "club"); err != nil || !again.Replayed || !again.At.Equal(first.At) {
		t.Errorf("again: %+v, %v", again, err)
	}
	_, err = c.scan(t, b, "gate", "n2", "club")
	wantRefusal(t, err, ledger.AlreadyCheckedIn)
	tryGate(ledger.AlreadyCheckedIn, true)
	for _, nonce := range []string{"h1", "h2"} {
		if _, err := c.scan(t, b, "house", nonce, ""); err != nil {
			t.Errorf("house: %v", err)
		}
	}
	if _, err := c.scan(t, second, "gate", "n3", ""); err != nil {
		t.Error(err)
	}
	c.wantWallet(t, "ann", "points 207") // once, with two bookings
	c.wantSeats(t, "golf", 2, 0, 0, 3)
	c.WantBalance(t, "payable", "cny", decimal.NewFromInt(160))
	c.wantBookings(t, "ann", "golf attended 1", "golf attended 2")
	_, err = c.cancel(t, "c", b)
	wantRefusal(t, err, ledger.NotOpen)
}

func TestWhoDoesNotComeKeepsAStrike(t *testing.T) {
	t.Parallel()
	c := newEvents(t)
	c.Accrue(t, "a", "ann", "points", 1000)
	c.Accrue(t, "b", "bob", "points", 1000)
	c.mustBook(t, "b1", "ann", "golf")
	came := c.mustBook(t, "b2", "bob", "golf")
	waits := c.mustBook(t, "t1", "ann", "talk")
	_, err := c.CloseEvent(t.Context(), c.Programme, "golf", ledger.Request{Actor: "li"}, false)
	wantRefusal(t, err, ledger.NotOpen)
	c.moveClock(t, at("2026-04-18 09:30"))
	if _, err := c.scan(t, came, "gate", "n", ""); err != nil {
		t.Error(err)
	}
	c.moveClock(t, at("2026-04-18 17:00"))
	if tried, err := c.CloseEvent(t.Context(), c.Programme, "golf", ledger.Request{Actor: "li"}, true); err != nil || tried != (benefits.Closing{NoShows: 1}) {
		t.Errorf("a preview: %+v, %v", tried, err)
	}
	closing, err := c.CloseEvent(t.Context(), c.Programme, "golf", ledger.Request{Actor: "li"}, false)
	if err != nil || closing.NoShows != 1 {
		t.Errorf("close: %+v, %v", closing, err)
	}
	if again, err := c.CloseEvent(t.Context(), c.Programme, "golf", ledger.Request{Actor: "wu"}, false); err != nil || again != (benefits.Closing{}) {
		t.Errorf("again: %+v, %v", again, err)
	}
	c.wantSeats(t, "golf", 3, 0, 0, 2)
	_, err = c.book(t, "t2", "ann", "talk") // one strike a year
	wantRefusal(t, err, ledger.LimitReached)
	c.moveClock(t, at("2026-04-19 00:00"))
	if err := c.SweepEvents(t.Context(), c.Programme); err != nil { // the application lapses
		t.Error(err)
	}
	c.wantBookings(t, "ann", "golf no_show 1", "talk lapsed 1")
	late := c.mustBook(t, "t3", "bob", "talk")
	if _, err := c.Approve(t.Context(), c.Programme, benefits.Answering{Booking: late.ID}, ledger.Request{Actor: "li"}); err != nil {
		t.Error(err)
	}
	c.moveClock(t, at("2026-05-10 23:00"))
	if err := c.SweepEvents(t.Context(), c.Programme); err != nil { // a day after its end
		t.Error(err)
	}
	c.wantBookings(t, "bob", "talk no_show 1", "golf attended 1")
	c.wantWallet(t, "bob", "points 907") // released
	c.wantSeats(t, "talk", 2, 0, 0, 0)
	_, err = c.cancel(t, "c", waits)
	wantRefusal(t, err, ledger.NotOpen)
}

// TestExactlyTheSeatsAreGranted lets many book, wait, answer and cancel at once on two servers.
func TestExactlyTheSeatsAreGranted(t *testing.T) {
	t.Parallel()
	c := newEvents(t)
	other := benefits.New(c.Another(t), c.Pool, c.vouchers)
	servers := []*benefits.Catalog{c.Catalog, other}
	const members = 24
	for i := range members {
		c.Accrue(t, fmt.Sprint("a", i), fmt.Sprint("m", i), "points", 1000)
	}
	var calls []func()
	var failed atomic.Value
	for i := range members {
		member := fmt.Sprint("m", i)
		s := servers[i%2]
		calls = append(calls, func() {
			booked, err := s.BookEvent(t.Context(), c.Programme, benefits.Seats{Member: member, Event: "golf"}, asks("b-"+member))
			if err != nil {
				err = s.JoinWaitingList(t.Context(), c.Programme, benefits.Seats{Member: member, Event: "golf"}, asks("j-"+member))
			} else if i%3 > 0 {
				_, err = s.CancelBooking(t.Context(), c.Programme, member, booked.Booking.ID, asks("c-"+member))
			}
			if err != nil {
				failed.Store(fmt.Errorf("%s: %w", member, err))
			}
			offers, err := s.ListBookings(t.Context(), c.Programme, member, benefits.BookingCursor{}, 1)
			if err == nil && len(offers) > 0 && offers[0].State == benefits.BookingOffered && i%2 > 0 {
				_, err = s.Decline(t.Context(), c.Programme, benefits.Answering{Booking: offers[0].ID, Member: member}, asks("n-"+member))
			}
			if err != nil {
				failed.Store(fmt.Errorf("%s: %w", member, err))
			}
		})
	}
	race(calls...)
	if err := failed.Load(); err != nil {
		t.Fatal(err)
	}
	race(func() { _ = c.SweepEvents(t.Context(), c.Programme) }, func() { _ = other.SweepEvents(t.Context(), c.Programme) })
	taken := int64(0)
	for i := range members {
		list, err := c.ListBookings(t.Context(), c.Programme, fmt.Sprint("m", i), benefits.BookingCursor{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range list {
			if b.State == benefits.BookingBooked || b.State == benefits.BookingOffered {
				taken += b.Seats
			}
		}
	}
	// Nobody is gold, so that four of the five are to be had; whoever still waits found none.
	waits := int64(0)
	for i := range members {
		if place, err := c.WaitingPlace(t.Context(), c.Programme, "golf", fmt.Sprint("m", i)); err != nil {
			t.Fatal(err)
		} else if place > 0 {
			waits++
		}
	}
	if taken > 4 || waits > 0 && taken != 4 {
		t.Errorf("%d seats are taken, and %d wait", taken, waits)
	}
	c.WantBalance(t, "stock", "golf", decimal.NewFromInt(5-taken))
}

func TestAnEventThatCannotBeIsRefusedByItsLine(t *testing.T) {
	t.Parallel()
	catalog := newClub(t)
	for _, c := range []struct{ old, text, want string }{
		{"type: golf", "type: polo", `type: there is no "polo"; use golf`},
		{"how: invitation", "how: lottery", `how: there is no "lottery"; use open, invitation or application`},
		{"place: {en: Cellar, zh-Hans: 酒窖}", "place: {en: Cellar}", "place: there is no name in zh-Hans; give it in en and in zh-Hans"},
		{"zone: Asia/Urumqi", "zone: Urumqi", `zone: "Urumqi" is no time zone; use a name such as Asia/Shanghai`},
		{"starts: 2026-04-18 09:00", "starts: 2026-04-18", `starts: "2026-04-18" is not a local time; use one such as 2026-03-01 10:00`},
		{"ends: 2026-04-18 17:00", "ends: 2026-04-18 07:00", "ends: it is not after starts; use a later time"},
		{"offer_minutes: 60", "offer_minutes: -1", "offer_minutes: it is not a length of time; use 1 to 10000"},
		{"most: 2, free: 1", "most: 101, free: 1", "guests.most: it is no number of guests; use 0 to 100"},
		{"most: 2, free: 1", "most: 2, free: 3", "guests.free: it is more than a booking may bring; use 0 to most"},
		{"limits: [guests-a-year]", "limits: [cows]", `guests.limits[0]: "cows" is no limit of times; declare it under limits, of: times`},
		{`keep: "0.5"`, `keep: "1.5"`, `cancel.keep: it is no part of a price; use "0" to "1", such as "0.5"`},
		{"strikes: strikes", "strikes: points", `strikes: "points" is no limit of times; declare it under limits, of: times`},
		{"attended: event_attended", "attended: event_attend", `attended: there is no activity "event_attend"; use event_attended`},
		{"code: house", "code: gate", "lists[gate].code: the list is declared twice; give each list a code of its own"},
		{"kept_for: {wine:", "kept_for: {beer:", `kept_for.beer: there is no segment "beer"; declare it under members, segments`},
		{"kind: event", "kind: gift", "event: only a benefit of kind event has one; make its kind event"},
	} {
		_, err := catalog.ApplyProgramme(t.Context(), ledgertest.Application(strings.Replace(eventsDocument, c.old, c.text, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.text, err)
		}
	}
}

// TestBookingsThatAreTamperedWithDoNotVerify changes one thing at a time, and back.
func TestBookingsThatAreTamperedWithDoNotVerify(t *testing.T) {
	t.Parallel()
	c := newEvents(t)
	c.Accrue(t, "a", "ann", "points", 1000)
	b := c.mustBook(t, "b", "ann", "golf")
	c.mustBook(t, "t", "ann", "talk")
	if _, err := c.scan(t, b, "gate", "n", ""); err != nil {
		t.Fatal(err)
	}
	owner := devdb.Open(t, c.Database.OwnerURL, db.Options{})
	for name, sql := range map[string][2]string{
		"seats":    {`UPDATE bookings SET seats = 2 WHERE event = 'golf'`, `UPDATE bookings SET seats = 1 WHERE event = 'golf'`},
		"a member": {`UPDATE bookings SET member = 'eve'`, `UPDATE bookings SET member = 'ann'`},
		"an event": {`UPDATE bookings SET event = 'tour' WHERE event = 'talk'`, `UPDATE bookings SET event = 'talk' WHERE event = 'tour'`},
		"a ticket": {`UPDATE bookings SET ticket_account_id = '00000000-0000-0000-0000-000000000000' WHERE event = 'golf'`, `UPDATE bookings SET ticket_account_id = seat_account_id WHERE event = 'golf'`},
	} {
		if _, err := owner.Exec(t.Context(), sql[0]); err != nil {
			t.Fatal(err)
		}
		var report ledger.Report
		if err := benefits.Verify(t.Context(), owner, &report); err != nil || report.OK() {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
		if _, err := owner.Exec(t.Context(), sql[1]); err != nil {
			t.Fatal(err)
		}
	}
}
