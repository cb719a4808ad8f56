package rpc_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"tallystick/internal/auth"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// loungeDocument gives the tests' document a directory of two lounges, of which the pass lets into the first.
func loungeDocument() string {
	return strings.NewReplacer(
		"names: {en: Pass, zh-Hans: 通行券}, prices: {points: 300, visits: 1}}",
		"names: {en: Pass, zh-Hans: 通行券}, prices: {points: 300, visits: 1}, entry: {lounges: [jade], days: 7, guests: {most: 3, free: 1, prices: {visits: 1, points: 200}}}}",
		"partners:\n", `lounges:
  - {code: jade, kind: airport_lounge, names: {en: Jade, zh-Hans: 翡翠厅}, station: CAN, terminal: "2", operator: lounge-one, guests: 3, open: [{from: "06:00", until: "22:00"}]}
  - {code: coral, kind: railway_lounge, names: {en: Coral, zh-Hans: 珊瑚厅}, station: IZQ, operator: lounge-one, guests: 1}
partners:
`).Replace(document)
}

// loungeWorld is at noon; m1 is gold and has two visits.
func loungeWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, nil)
	w.apply(loungeDocument())
	w.moveClock(time.Date(2026, 5, 1, 4, 0, 0, 0, time.UTC))
	w.accrue("m1", "1000")
	return w
}

func (w *world) door() api.MerchantServiceClient {
	return api.NewMerchantServiceClient(w.client(auth.Merchant), w.url)
}

func TestAVisitGoesFromTheDoorToTheReport(t *testing.T) {
	w := loungeWorld(t)
	ctx := t.Context()
	enter := &v1.CheckInVisitRequest{IdempotencyKey: "v1", LoungeId: "jade", MemberId: "m1", Guests: 2}
	tried, err := w.door().CheckInVisit(ctx, &v1.CheckInVisitRequest{IdempotencyKey: "v1", Preview: true, LoungeId: "jade", MemberId: "m1", Guests: 2})
	if err != nil || tried.Visit.Id != "" || len(tried.Visit.Heads) != 2 || tried.Visit.FreeGuests != 1 {
		t.Fatalf("preview: %v, %v", tried, err)
	}
	visit, err := w.door().CheckInVisit(ctx, enter)
	if err != nil || visit.Visit.State != v1.VisitState_VISIT_STATE_PENDING {
		t.Fatalf("%v, %v", visit, err)
	}
	for i, head := range visit.Visit.Heads {
		if head.Unit != "visits" || head.Amount != "1" || head.State != v1.HeadState_HEAD_STATE_HELD || tried.Visit.Heads[i].Unit != head.Unit {
			t.Errorf("head %d: %v", i, head)
		}
	}
	again, err := w.door().CheckInVisit(ctx, enter)
	if err != nil || again.Visit.Id != visit.Visit.Id {
		t.Errorf("a retry: %v, %v", again, err)
	}
	member := api.NewMemberServiceClient(w.client(auth.Member), w.url)
	has, err := member.GetLoungeAllotment(ctx, &v1.GetLoungeAllotmentRequest{})
	if err != nil || len(has.Allotments) != 1 {
		t.Fatalf("%v, %v", has, err)
	}
	if a := has.Allotments[0]; a.Own.Total != "2" || a.Own.Pending != "2" || a.Own.Left != "0" || !a.Shared || a.FreeGuests != 1 || a.Names["zh-Hans"] != "通行券" {
		t.Errorf("while it waits: %v", a)
	}
	record := &v1.ReportVisitRequest{
		RecordId: "r-1", VisitId: visit.Visit.Id, LoungeId: "jade", VisitedAt: timestamppb.New(time.Date(2026, 5, 1, 3, 0, 0, 0, time.UTC)), Guests: 1,
	}
	done, err := w.door().ReportVisit(ctx, record)
	if err != nil || done.Known || done.Open != 0 || done.Visit.State != v1.VisitState_VISIT_STATE_REPORTED || done.Visit.ReportedGuests != 1 {
		t.Fatalf("%v, %v", done, err)
	}
	if known, err := w.door().ReportVisit(ctx, record); err != nil || !known.Known {
		t.Errorf("reported again: %v, %v", known, err)
	}
	has, err = member.GetLoungeAllotment(ctx, &v1.GetLoungeAllotmentRequest{})
	if err != nil || has.Allotments[0].Own.Used != "1" || has.Allotments[0].Own.Left != "1" {
		t.Errorf("after the report: %v, %v", has, err)
	}
	second, err := w.door().CheckInVisit(ctx, &v1.CheckInVisitRequest{
		IdempotencyKey: "v2", LoungeId: "jade", MemberId: "m1", Guests: 2, Consent: []*v1.Consent{{Unit: "points", Most: "200"}},
	})
	if err != nil || second.Visit.Heads[1].Unit != "points" || second.Visit.Heads[1].Amount != "200" {
		t.Fatalf("beyond the allotment, agreed to: %v, %v", second, err)
	}
	canceled, err := w.door().CancelVisit(ctx, &v1.CancelVisitRequest{IdempotencyKey: "c2", VisitId: second.Visit.Id})
	if err != nil || canceled.Visit.State != v1.VisitState_VISIT_STATE_CANCELED {
		t.Errorf("%v, %v", canceled, err)
	}
	list, err := member.ListVisits(ctx, &v1.ListVisitsRequest{PageSize: 1})
	if err != nil || len(list.Visits) != 1 || list.NextPageToken == "" {
		t.Fatalf("%v, %v", list, err)
	}
	rest, err := member.ListVisits(ctx, &v1.ListVisitsRequest{PageSize: 1, PageToken: list.NextPageToken})
	if err != nil || len(rest.Visits) != 1 || rest.NextPageToken != "" || rest.Visits[0].Id == list.Visits[0].Id {
		t.Errorf("the rest: %v, %v", rest, err)
	}
	w.balanced()
}

func TestTheDirectoryIsListedByWhatItIs(t *testing.T) {
	w := loungeWorld(t)
	member := api.NewMemberServiceClient(w.client(auth.Member), w.url)
	for name, c := range map[string]struct {
		ask  *v1.ListLoungesRequest
		want string
	}{
		"all":        {&v1.ListLoungesRequest{}, "coral jade"},
		"by kind":    {&v1.ListLoungesRequest{Kinds: []v1.LoungeKind{v1.LoungeKind_LOUNGE_KIND_AIRPORT_LOUNGE}}, "jade"},
		"by station": {&v1.ListLoungesRequest{Station: "IZQ"}, "coral"},
		"by pass":    {&v1.ListLoungesRequest{BenefitId: "pass"}, "jade"},
		"by guests":  {&v1.ListLoungesRequest{Guests: 2}, "jade"},
		"at night":   {&v1.ListLoungesRequest{OpenAt: timestamppb.New(time.Date(2026, 5, 1, 15, 0, 0, 0, time.UTC))}, "coral"},
	} {
		res, err := member.ListLounges(t.Context(), c.ask)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, l := range res.Lounges {
			ids = append(ids, l.Id)
		}
		if got := strings.Join(ids, " "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	page, err := member.ListLounges(t.Context(), &v1.ListLoungesRequest{PageSize: 1})
	if err != nil || len(page.Lounges) != 1 || page.NextPageToken == "" || !page.Lounges[0].Open {
		t.Errorf("%v, %v", page, err)
	}
}

func TestLoungeCallsAreRefusedForACause(t *testing.T) {
	w := loungeWorld(t)
	enter := write("loungeId", "jade", "memberId", "m1")
	first, err := w.door().CheckInVisit(t.Context(), &v1.CheckInVisitRequest{IdempotencyKey: "same", LoungeId: "jade", MemberId: "m1"})
	if err != nil {
		t.Fatal(err)
	}
	record := write("recordId", "r1", "visitId", first.Visit.Id, "loungeId", "jade", "visitedAt", "2026-05-01T03:00:00Z")
	delete(record, "idempotencyKey")
	cancel := write("visitId", first.Visit.Id)
	cases := []struct{ name, procedure, body, code, reason string }{
		{"another's lounge", api.MerchantServiceCheckInVisitProcedure, enter.but("loungeId", `"nowhere"`), "not_found", "NOT_FOUND"},
		{"neither code nor member", api.MerchantServiceCheckInVisitProcedure, write("loungeId", "jade").but(), invalid, "INVALID_FIELD"},
		{"both", api.MerchantServiceCheckInVisitProcedure, enter.but("code", `"0000000000000000"`), invalid, "INVALID_FIELD"},
		{"no code", api.MerchantServiceCheckInVisitProcedure, write("loungeId", "jade", "code", "hello").but(), invalid, "CODE_MALFORMED"},
		{"too many guests", api.MerchantServiceCheckInVisitProcedure, enter.but("guests", "4"), forbidden, "LIMIT_REACHED"},
		{"beyond the allotment", api.MerchantServiceCheckInVisitProcedure, enter.but("idempotencyKey", `"more"`, "guests", "3"), forbidden, "LIMIT_REACHED"},
		{"a closed lounge's benefit", api.MerchantServiceCheckInVisitProcedure, enter.but("loungeId", `"coral"`, "benefitId", `"pass"`), "not_found", "NOT_FOUND"},
		{"the key of another", api.MerchantServiceCheckInVisitProcedure, enter.but("idempotencyKey", `"same"`, "guests", "1"), forbidden, "IDEMPOTENCY_KEY_REUSED"},
		{"no such visit", api.MerchantServiceCancelVisitProcedure, cancel.but("visitId", `"0190163d-8694-739b-aea5-966c26f8ad91"`), "not_found", "NOT_FOUND"},
		{"a record of nothing", api.MerchantServiceReportVisitProcedure, record.but("visitId", `""`), invalid, "INVALID_FIELD"},
		{"a record from the future", api.MerchantServiceReportVisitProcedure, record.but("visitedAt", `"2026-06-01T00:00:00Z"`), invalid, "INVALID_FIELD"},
		{"another lounge's record", api.MerchantServiceReportVisitProcedure, record.but("loungeId", `"coral"`), invalid, "INVALID_FIELD"},
		{"the record", api.MerchantServiceReportVisitProcedure, record.but(), "ok", ""},
		{"a second record", api.MerchantServiceReportVisitProcedure, record.but("recordId", `"r2"`), "already_exists", "REFERENCE_USED"},
		{"what was reported", api.MerchantServiceCancelVisitProcedure, cancel.but(), forbidden, "HOLD_CLOSED"},
	}
	for _, c := range cases {
		got := w.call(auth.Merchant, c.procedure, c.body)
		w.expect(c.name, got, c.code, c.reason)
		if bytes.Contains(got.body, []byte("m1")) {
			t.Errorf("%s names the member: %s", c.name, got.body)
		}
	}
	w.merchant("other-house")
	w.expect("another merchant", w.call(auth.Merchant, api.MerchantServiceCheckInVisitProcedure, enter.but()), "not_found", "NOT_FOUND")
	w.expect("another merchant's visit", w.call(auth.Merchant, api.MerchantServiceCancelVisitProcedure, cancel.but()), "not_found", "NOT_FOUND")
	w.balanced()
}
