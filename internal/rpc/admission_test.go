package rpc_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"tallystick/internal/auth"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// admissionDocument has one event by application and one by invitation.
func admissionDocument() string {
	event := func(admission string) string {
		return "event: {type: lecture, how: " + admission + ", place: {en: Hall, zh-Hans: 厅}, starts: 2026-04-18 09:00, ends: 2026-04-18 17:00, " +
			"lists: [{code: door, names: {en: Door, zh-Hans: 门}}]}}"
	}
	return strings.NewReplacer(
		"stock: {all: 1}}", "stock: {all: 1, more: 1}, "+event("application"),
		"tier: gold, prices: {points: 10}}", "prices: {points: 10}, stock: {all: 5}, "+event("invitation"),
	).Replace(document)
}

func TestAnApplicationIsAnsweredByTheDesk(t *testing.T) {
	w := newWorld(t, nil)
	w.apply(admissionDocument())
	for _, member := range []string{"m1", "m2"} {
		w.accrue(member, "100")
	}
	members := api.NewMemberServiceClient(w.client(auth.System), w.url)
	desk := api.NewAdminServiceClient(w.client(auth.Operator), w.url)
	var asked []string
	for _, member := range []string{"m1", "m2"} {
		booked, err := members.BookEvent(t.Context(), &v1.BookEventRequest{IdempotencyKey: "b-" + member, MemberId: member, EventId: "seat"})
		if err != nil || booked.Booking.State != v1.BookingState_BOOKING_STATE_APPLIED || booked.Booking.Code != "" {
			t.Fatalf("%v, %v", booked, err)
		}
		asked = append(asked, booked.Booking.Id)
	}
	page, err := desk.ListApplications(t.Context(), &v1.ListApplicationsRequest{EventId: "seat", PageSize: 1})
	if err != nil || len(page.Applications) != 1 || page.NextPageToken == "" {
		t.Fatalf("%v, %v", page, err)
	}
	rest, err := desk.ListApplications(t.Context(), &v1.ListApplicationsRequest{EventId: "seat", PageSize: 1, PageToken: page.NextPageToken})
	if err != nil || len(rest.Applications) != 1 || rest.NextPageToken != "" {
		t.Fatalf("%v, %v", rest, err)
	}
	tried, err := desk.ApproveApplication(t.Context(), &v1.ApproveApplicationRequest{BookingId: asked[0], Preview: true})
	if err != nil || tried.Transaction == nil {
		t.Errorf("a preview: %v, %v", tried, err)
	}
	for range 2 { // and a retry
		yes, err := desk.ApproveApplication(t.Context(), &v1.ApproveApplicationRequest{BookingId: asked[0]})
		if err != nil || yes.Booking.State != v1.BookingState_BOOKING_STATE_BOOKED || yes.Booking.Code != "" {
			t.Fatalf("%v, %v", yes, err)
		}
	}
	no := &v1.DeclineApplicationRequest{IdempotencyKey: "no", BookingId: asked[1], Reason: "full"}
	for range 2 {
		if _, err := desk.DeclineApplication(t.Context(), no); err != nil {
			t.Fatal(err)
		}
	}
	balance, err := members.GetWallet(t.Context(), &v1.GetWalletRequest{MemberId: "m2"})
	if err != nil || balance.Balances[1].Available != "100" {
		t.Errorf("what was paid came back: %v, %v", balance, err)
	}
	decline := write("bookingId", asked[0])
	for _, c := range []struct{ name, procedure, body, code, reason string }{
		{"a ticket is not declined", api.AdminServiceDeclineApplicationProcedure, decline.but(), forbidden, "HOLD_CLOSED"},
		{"what was declined is not approved", api.AdminServiceApproveApplicationProcedure, `{"bookingId":"` + asked[1] + `"}`, forbidden, "HOLD_CLOSED"},
		{"no such application", api.AdminServiceApproveApplicationProcedure, `{"bookingId":"` + uuid.NewString() + `"}`, "not_found", "NOT_FOUND"},
		{"declined under the key of another", api.AdminServiceDeclineApplicationProcedure, decline.but("idempotencyKey", `"no"`), forbidden, "IDEMPOTENCY_KEY_REUSED"},
		{"a made-up token", api.AdminServiceListApplicationsProcedure, `{"eventId":"seat","pageToken":"AAAA"}`, invalid, "PAGE_TOKEN_INVALID"},
	} {
		w.expect(c.name, w.call(auth.Operator, c.procedure, c.body), c.code, c.reason)
	}
	w.expect("a member answers none", w.call(auth.Member, api.AdminServiceApproveApplicationProcedure, `{"bookingId":"`+asked[0]+`"}`), "permission_denied", "NOT_PERMITTED")
	w.balanced()
}

func TestOnlyWhoIsInvitedBooks(t *testing.T) {
	w := newWorld(t, nil)
	w.apply(admissionDocument())
	w.accrue("m1", "100")
	book := write("eventId", "dinner")
	w.expect("before", w.call(auth.Member, api.MemberServiceBookEventProcedure, book.but()), forbidden, "NOT_ELIGIBLE")
	invite := func(event, members, more string) string {
		return `{"eventId":"` + event + `","memberIds":[` + members + `]` + more + `}`
	}
	for _, c := range []struct{ name, body, code, reason string }{
		{"tried", invite("dinner", `"m1"`, `,"preview":true`), "ok", ""},
		{"open to all", invite("seat", `"m1"`, ""), invalid, "INVALID_FIELD"},
		{"no event", invite("beer", `"m1"`, ""), "not_found", "NOT_FOUND"},
		{"nobody", invite("dinner", ``, ""), invalid, "INVALID_FIELD"},
		{"no member", invite("dinner", `"m 1"`, ""), invalid, "INVALID_FIELD"},
	} {
		w.expect(c.name, w.call(auth.Operator, api.AdminServiceInviteMembersProcedure, c.body), c.code, c.reason)
	}
	w.expect("after trying", w.call(auth.Member, api.MemberServiceBookEventProcedure, book.but()), forbidden, "NOT_ELIGIBLE")
	w.expect("invited", w.call(auth.Operator, api.AdminServiceInviteMembersProcedure, invite("dinner", `"m1"`, "")), "ok", "")
	w.expect("the refusal stays", w.call(auth.Member, api.MemberServiceBookEventProcedure, book.but()), forbidden, "NOT_ELIGIBLE")
	w.expect("another request", w.call(auth.Member, api.MemberServiceBookEventProcedure, book.but("idempotencyKey", `"b2"`)), "ok", "")
	w.balanced()
}
