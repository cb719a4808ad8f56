package rpc_test

import (
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"tallystick/internal/auth"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

func (w *world) admin() api.AdminServiceClient {
	return api.NewAdminServiceClient(w.client(auth.Operator), w.url)
}

func (w *world) enrol(member string, kind v1.MemberKind) {
	w.t.Helper()
	_, err := w.admin().EnrolMember(w.t.Context(), &v1.EnrolMemberRequest{IdempotencyKey: "enrol-" + member, MemberId: member, Kind: kind})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestAMemberIsEnrolledChangedAndReadBack(t *testing.T) {
	w := newWorld(t, nil)
	admin, ctx := w.admin(), t.Context()
	enrol := &v1.EnrolMemberRequest{
		IdempotencyKey: "e1", MemberId: "ann", Kind: v1.MemberKind_MEMBER_KIND_PERSON, Plan: "p588", Region: "guangdong",
		Segments: []string{"vip"}, Language: "zh-Hans", Birthday: &v1.Birthday{Month: 2, Day: 29}, Channel: "hall",
		Attributes: []*v1.Field{{Name: "arpu", Value: &v1.Field_Number{Number: "188.5"}}},
	}
	tried := proto.CloneOf(enrol)
	tried.Preview = true
	preview, err := admin.EnrolMember(ctx, tried)
	if err != nil {
		t.Fatal(err)
	}
	w.expect("a preview enrols nobody", w.call(auth.Operator, api.AdminServiceGetMemberProcedure, `{"memberId":"ann"}`), "not_found", "NOT_FOUND")
	first, err := admin.EnrolMember(ctx, enrol)
	if diff := cmp.Diff(preview, first, protocmp.Transform()); err != nil || diff != "" {
		t.Fatalf("%v, (-preview +enrolled):\n%s", err, diff)
	}
	plan := ""
	if _, err := admin.UpdateMember(ctx, &v1.UpdateMemberRequest{
		IdempotencyKey: "u1", MemberId: "ann", Version: 1, Plan: &plan, Birthday: &v1.Birthday{}, ClearAttributes: []string{"arpu"},
		Segments: &v1.Segments{}, Attributes: []*v1.Field{{Name: "plan", Value: &v1.Field_Text{Text: "处长"}}}, Reason: "asked",
	}); err != nil {
		t.Fatal(err)
	}
	again, err := admin.EnrolMember(ctx, enrol)
	if diff := cmp.Diff(first, again, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("retry: %v, (-first +retry):\n%s", err, diff)
	}
	if _, err := admin.AssignNumber(ctx, &v1.AssignNumberRequest{IdempotencyKey: "n1", MemberId: "ann", Number: "+8613800000001"}); err != nil {
		t.Fatal(err)
	}
	w.enrol("office", v1.MemberKind_MEMBER_KIND_ORGANISATION)
	if _, err := admin.LinkMember(ctx, &v1.LinkMemberRequest{IdempotencyKey: "l1", MemberId: "ann", Of: "office", Role: "contact"}); err != nil {
		t.Fatal(err)
	}
	read, err := admin.GetMember(ctx, &v1.GetMemberRequest{Number: "+8613800000001"})
	if err != nil {
		t.Fatal(err)
	}
	at := first.Member.ChangedAt
	want := &v1.MemberRecord{
		MemberId: "ann", Version: 4, ChangedAt: at, Kind: v1.MemberKind_MEMBER_KIND_PERSON, Status: v1.MemberStatus_MEMBER_STATUS_ACTIVE,
		Region: "guangdong", Language: "zh-Hans", EnrolledAt: at, Numbers: []string{"+8613800000001"},
		Attributes:    []*v1.Field{{Name: "plan", Value: &v1.Field_Text{Text: "处长"}}},
		Organisations: []*v1.Membership{{Of: "office", Role: "contact", From: at}},
	}
	if diff := cmp.Diff(want, read.Member, protocmp.Transform()); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	history, err := admin.ListMemberVersions(ctx, &v1.ListMemberVersionsRequest{MemberId: "ann", PageSize: 3})
	if err != nil || len(history.Versions) != 3 || history.Versions[2].Reason != "asked" || history.Versions[2].What != "update" {
		t.Fatalf("history: %v, %v", history, err)
	}
	rest, err := admin.ListMemberVersions(ctx, &v1.ListMemberVersionsRequest{MemberId: "ann", PageSize: 3, PageToken: history.NextPageToken})
	if err != nil || len(rest.Versions) != 1 || rest.NextPageToken != "" || !proto.Equal(rest.Versions[0].Member, first.Member) {
		t.Errorf("the rest of the history: %v, %v", rest, err)
	}
	if _, err := admin.ReleaseNumber(ctx, &v1.ReleaseNumberRequest{IdempotencyKey: "n2", MemberId: "ann", Number: "+8613800000001"}); err != nil {
		t.Error(err)
	}
	if _, err := admin.UnlinkMember(ctx, &v1.UnlinkMemberRequest{IdempotencyKey: "l2", MemberId: "ann", Of: "office"}); err != nil {
		t.Error(err)
	}
}

func TestChangesOfMembersAreRefusedForACause(t *testing.T) {
	w := newWorld(t, nil)
	w.enrol("ann", v1.MemberKind_MEMBER_KIND_PERSON)
	w.enrol("bob", v1.MemberKind_MEMBER_KIND_PERSON)
	w.enrol("office", v1.MemberKind_MEMBER_KIND_ORGANISATION)
	number := write("memberId", "ann", "number", "138")
	w.expect("a number", w.call(auth.Operator, api.AdminServiceAssignNumberProcedure, number.but()), "ok", "")
	link := write("memberId", "ann", "of", "office")
	w.expect("a link", w.call(auth.Operator, api.AdminServiceLinkMemberProcedure, link.but()), "ok", "")
	for _, c := range []struct {
		name, procedure, body, code, reason string
	}{
		{"enrolled", api.AdminServiceEnrolMemberProcedure, write("memberId", "ann", "kind", "MEMBER_KIND_PERSON").but(), "already_exists", "MEMBER_ENROLLED"},
		{"no kind", api.AdminServiceEnrolMemberProcedure, write("memberId", "eve").but(), invalid, "INVALID_FIELD"},
		{"no such plan", api.AdminServiceEnrolMemberProcedure, write("memberId", "eve", "kind", "MEMBER_KIND_PERSON", "plan", "p1").but(), invalid, "INVALID_FIELD"},
		{"no such day", api.AdminServiceEnrolMemberProcedure, write("memberId", "eve", "kind", "MEMBER_KIND_PERSON").but("birthday", `{"month":2,"day":30}`), invalid, "INVALID_FIELD"},
		{"an attribute twice", api.AdminServiceUpdateMemberProcedure, write("memberId", "ann").but("attributes", `[{"name":"plan","text":"a"},{"name":"plan","text":"b"}]`), invalid, "INVALID_FIELD"},
		{"set and cleared", api.AdminServiceUpdateMemberProcedure, write("memberId", "ann").but("attributes", `[{"name":"plan","text":"a"}]`, "clearAttributes", `["plan"]`), invalid, "INVALID_FIELD"},
		{"another version", api.AdminServiceUpdateMemberProcedure, write("memberId", "ann", "plan", "p588").but("version", "1"), forbidden, "MEMBER_CHANGED"},
		{"nobody", api.AdminServiceUpdateMemberProcedure, write("memberId", "eve", "plan", "p588").but(), "not_found", "NOT_FOUND"},
		{"another's number", api.AdminServiceAssignNumberProcedure, write("memberId", "bob", "number", "138").but(), "already_exists", "NUMBER_TAKEN"},
		{"the same key", api.AdminServiceAssignNumberProcedure, number.but("number", `"139"`), forbidden, "IDEMPOTENCY_KEY_REUSED"},
		{"linked", api.AdminServiceLinkMemberProcedure, write("memberId", "ann", "of", "office").but(), "already_exists", "MEMBER_LINKED"},
		{"not a part", api.AdminServiceUnlinkMemberProcedure, write("memberId", "bob", "of", "office").but(), "not_found", "NOT_FOUND"},
		{"neither", api.AdminServiceGetMemberProcedure, `{}`, invalid, "INVALID_FIELD"},
		{"both", api.AdminServiceGetMemberProcedure, `{"memberId":"ann","number":"138"}`, invalid, "INVALID_FIELD"},
		{"no such number", api.AdminServiceGetMemberProcedure, `{"number":"139"}`, "not_found", "NOT_FOUND"},
	} {
		w.expect(c.name, w.call(auth.Operator, c.procedure, c.body), c.code, c.reason)
	}
	w.expect("the same again", w.call(auth.Operator, api.AdminServiceAssignNumberProcedure, number.but()), "ok", "")
}

func TestMembersArePagedAndFilteredOverTheWire(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 7 {
		w.enrol(fmt.Sprint("m", i), v1.MemberKind(1+i%3))
	}
	w.expect("freeze", w.call(auth.Operator, api.AdminServiceFreezeMemberProcedure, write("memberId", "m3", "reason", "lost").but()), "ok", "")
	list := func(q *v1.ListMembersRequest) string {
		t.Helper()
		var refs []string
		q.PageSize = 2
		for {
			page, err := w.admin().ListMembers(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range page.Members {
				refs = append(refs, m.MemberId)
			}
			if q.PageToken = page.NextPageToken; q.PageToken == "" {
				return strings.Join(refs, " ")
			}
		}
	}
	for _, row := range []struct {
		q    *v1.ListMembersRequest
		want string
	}{
		{&v1.ListMembersRequest{}, "m0 m1 m2 m3 m4 m5 m6"},
		{&v1.ListMembersRequest{Kind: v1.MemberKind_MEMBER_KIND_PERSON}, "m0 m3 m6"},
		{&v1.ListMembersRequest{Status: v1.MemberStatus_MEMBER_STATUS_SUSPENDED}, "m3"},
		{&v1.ListMembersRequest{Kind: v1.MemberKind_MEMBER_KIND_PERSON, Status: v1.MemberStatus_MEMBER_STATUS_ACTIVE}, "m0 m6"},
	} {
		if got := list(row.q); got != row.want {
			t.Errorf("%v: %s, want %s", row.q, got, row.want)
		}
	}
	page, err := w.admin().ListMembers(t.Context(), &v1.ListMembersRequest{PageSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.admin().ListMembers(t.Context(), &v1.ListMembersRequest{Plan: "p588", PageToken: page.NextPageToken})
	if connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("a token of another list: %v", err)
	}
}

func TestAMembershipEndsAndAnotherIsMergedOverTheWire(t *testing.T) {
	w := newWorld(t, nil)
	w.accrue("m1", "70")
	w.accrue("m2", "5")
	merge := write("memberId", "m1", "intoMemberId", "m2")
	tried := w.call(auth.Operator, api.AdminServiceMergeMemberProcedure, merge.but("preview", "true"))
	if !strings.Contains(string(tried.body), `"OUTCOME_PREVIEWED"`) || w.available("m1") != "70" {
		t.Errorf("tried: %s", tried.body)
	}
	w.expect("merge", w.call(auth.Operator, api.AdminServiceMergeMemberProcedure, merge.but()), "ok", "")
	w.expect("merge again", w.call(auth.Operator, api.AdminServiceMergeMemberProcedure, merge.but("idempotencyKey", `"again"`)), forbidden, "NOTHING_TO_MERGE")
	if got := w.available("m2"); got != "75" {
		t.Errorf("available %s, want 75", got)
	}
	end := write("memberId", "m2", "reason", "left")
	w.expect("no reason", w.call(auth.Operator, api.AdminServiceTerminateMemberProcedure, write("memberId", "m2").but()), invalid, "REASON_REQUIRED")
	w.expect("terminate", w.call(auth.Operator, api.AdminServiceTerminateMemberProcedure, end.but()), "ok", "")
	w.expect("terminate, a retry", w.call(auth.Operator, api.AdminServiceTerminateMemberProcedure, end.but()), "ok", "")
	w.expect("a late bill", w.call(auth.System, api.LedgerServiceAccrueProcedure, spend("m2", "1").but()), forbidden, "MEMBER_TERMINATED")
	w.balanced()
}

func TestGoodwillIsFundedGrantedAndListedOverTheWire(t *testing.T) {
	w := newWorld(t, nil)
	admin, ctx := w.admin(), t.Context()
	fund := write("staffId", "li", "amount", "150", "reason", "quarter")
	w.expect("fund", w.call(auth.Operator, api.AdminServiceFundBudgetProcedure, fund.but()), "ok", "")
	grant := func(key, amount, reason string, more ...string) answer {
		return w.call(auth.Operator, api.AdminServiceGrantGoodwillProcedure,
			write("staffId", "li", "memberId", "m1", "amount", amount, "reason", reason).but(append([]string{"idempotencyKey", quote(key)}, more...)...))
	}
	if tried := grant("g1", "60", "why", "preview", "true"); !strings.Contains(string(tried.body), `"OUTCOME_PREVIEWED"`) {
		t.Errorf("tried: %s", tried.body)
	}
	w.expect("grant", grant("g1", "60", "why"), "ok", "")
	w.expect("no such reason", grant("g2", "1", "charm"), invalid, "INVALID_FIELD")
	w.expect("too much", grant("g2", "61", "why"), invalid, "AMOUNT_OUT_OF_RANGE")
	w.expect("too much in a month", grant("g2", "50", "why"), forbidden, "LIMIT_REACHED")
	w.expect("take back what is not spent", w.call(auth.Operator, api.AdminServiceFundBudgetProcedure,
		write("staffId", "li", "amount", "-91", "reason", "quarter").but()), forbidden, "BUDGET_EXHAUSTED")
	budget, err := admin.GetBudget(ctx, &v1.GetBudgetRequest{StaffId: "li"})
	if err != nil || budget.Available != "90" || budget.Unit != "points" {
		t.Errorf("budget %v, %v", budget, err)
	}
	list, err := admin.ListBudget(ctx, &v1.ListBudgetRequest{StaffId: "li", PageSize: 1})
	if err != nil || len(list.Movements) != 1 || list.Movements[0].Amount != "150" {
		t.Fatalf("movements %v, %v", list, err)
	}
	list, err = admin.ListBudget(ctx, &v1.ListBudgetRequest{StaffId: "li", PageSize: 1, PageToken: list.NextPageToken})
	if err != nil || len(list.Movements) != 1 || list.NextPageToken != "" || list.Movements[0].MemberId != "m1" || list.Movements[0].Reason != "why" {
		t.Errorf("movements %v, %v", list, err)
	}
	if got := w.available("m1"); got != "60" {
		t.Errorf("available %s, want 60", got)
	}
	w.balanced()
}
