package rpc_test

import (
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"tallystick/internal/auth"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// eventDocument makes the tests' only seat one of an event.
func eventDocument() string {
	return strings.NewReplacer("stock: {all: 1}}", `stock: {all: 1}, event: {type: golf, place: {en: Lake, zh-Hans: 湖}, starts: 2026-04-18 09:00, ends: 2026-04-18 17:00, lists: [{code: gate, names: {en: Gate, zh-Hans: 入口}}]}}`,
		`honours: [{benefit: pass,`, `honours: [{benefit: seat, unit: CNY, price: "2.00"}, {benefit: pass,`).Replace(document)
}

func TestASeatIsBookedOfferedAndCheckedIn(t *testing.T) {
	w := newWorld(t, nil)
	w.apply(eventDocument())
	w.accrue("m1", "100")
	w.accrue("m2", "100")
	members := api.NewMemberServiceClient(w.client(auth.System), w.url)
	booked, err := members.BookEvent(t.Context(), &v1.BookEventRequest{IdempotencyKey: "b1", MemberId: "m1", EventId: "seat"})
	if err != nil || booked.Booking.State != v1.BookingState_BOOKING_STATE_BOOKED {
		t.Fatalf("%v, %v", booked, err)
	}
	tried, err := members.JoinWaitingList(t.Context(), &v1.JoinWaitingListRequest{IdempotencyKey: "j0", MemberId: "m2", EventId: "seat", Preview: true})
	if err != nil || tried.WaitingPlace != 0 {
		t.Fatalf("a preview: %v, %v", tried, err)
	}
	joined, err := members.JoinWaitingList(t.Context(), &v1.JoinWaitingListRequest{IdempotencyKey: "j1", MemberId: "m2", EventId: "seat"})
	if err != nil || joined.WaitingPlace != 1 {
		t.Fatalf("%v, %v", joined, err)
	}
	event, err := members.GetEvent(t.Context(), &v1.GetEventRequest{MemberId: "m2", EventId: "seat"})
	if err != nil || event.Event.WaitingPlace != 1 || event.Event.Terms.Type != v1.EventType_EVENT_TYPE_GOLF {
		t.Errorf("%v, %v", event, err)
	}
	if _, err := members.CancelBooking(t.Context(), &v1.CancelBookingRequest{IdempotencyKey: "c1", MemberId: "m1", BookingId: booked.Booking.Id}); err != nil {
		t.Fatal(err)
	}
	list, err := members.ListBookings(t.Context(), &v1.ListBookingsRequest{MemberId: "m2"})
	if err != nil || len(list.Bookings) != 1 || list.Bookings[0].State != v1.BookingState_BOOKING_STATE_OFFERED {
		t.Fatalf("%v, %v", list, err)
	}
	accepted, err := members.AcceptOffer(t.Context(), &v1.AcceptOfferRequest{MemberId: "m2", BookingId: list.Bookings[0].Id})
	if err != nil || accepted.Booking.Code == "" {
		t.Fatalf("%v, %v", accepted, err)
	}
	gate := api.NewMerchantServiceClient(w.client(auth.Merchant), w.url)
	scan := &v1.CheckInRequest{Nonce: "n1", EventId: "seat", ListId: "gate", Code: accepted.Booking.Code}
	for _, replayed := range []bool{false, true} {
		if in, err := gate.CheckIn(t.Context(), scan); err != nil || in.Seats != 1 || in.Replayed != replayed {
			t.Errorf("%v, %v", in, err)
		}
	}
	scan.Nonce = uuid.NewString()
	if _, err := gate.CheckIn(t.Context(), scan); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("another scan: %v", err)
	}
	desk := api.NewAdminServiceClient(w.client(auth.Operator), w.url)
	if _, err := desk.CloseEvent(t.Context(), &v1.CloseEventRequest{EventId: "seat"}); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("closed before its end: %v", err)
	}
	if _, err := desk.PublishSeats(t.Context(), &v1.PublishSeatsRequest{IdempotencyKey: "p1", EventId: "seat", Seats: 2}); err != nil {
		t.Error(err)
	}
	w.balanced()
}
