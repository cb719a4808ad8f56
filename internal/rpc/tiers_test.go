package rpc_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"tallystick/internal/auth"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// tierDocument gives the tests' document a ladder by points and a score, with periods that end.
func tierDocument() string {
	return strings.NewReplacer(
		"    period: {kind: ever}\n    validity: {until: end_of_period}\n", `    period: {kind: calendar_year}
    validity: {until: end_of_next_period}
    scores: {worth: {metrics: {spend: {weight: 2}}}}
`,
		"      - {code: gold, from: {points: 500}", "      - {code: silver, from: {points: 200}, names: {en: Silver, zh-Hans: 银卡}}\n      - {code: gold, from: {points: 500, worth: 90}",
		"partners:\n", "metrics: [{code: spend, scale: 2, names: {en: Spend, zh-Hans: 消费}}]\npartners:\n",
	).Replace(document)
}

func tierWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, nil)
	w.apply(tierDocument())
	w.moveClock(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC))
	return w
}

func (w *world) tiers(at time.Time) []*v1.TierStanding {
	w.t.Helper()
	ask := &v1.GetTierRequest{}
	if !at.IsZero() {
		ask.At = timestamppb.New(at)
	}
	res, err := api.NewMemberServiceClient(w.client(auth.Member), w.url).GetTier(w.t.Context(), ask)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Standings
}

func TestATierSaysWhyItIsHeldAndWhatLeadsFurther(t *testing.T) {
	w := tierWorld(t)
	below := w.tiers(time.Time{})
	if len(below) != 1 || below[0].TierId != "" || len(below[0].Claims) != 0 {
		t.Fatalf("who has nothing: %v", below)
	}
	if goals := below[0].Goals; len(goals) != 1 || goals[0].Keeps || goals[0].TierId != "silver" ||
		goals[0].Text["en"] != "To reach Silver, by 31 December 2026: 200 more points" || goals[0].Text["zh-Hans"] != "升级 银卡（2026年12月31日前）：还差 200 points" {
		t.Errorf("goals of who has nothing: %v", goals)
	}
	w.accrue("m1", "250")
	if _, err := w.admin().RateMember(t.Context(), &v1.RateMemberRequest{MemberId: "m1"}); err != nil {
		t.Fatal(err)
	}
	silver := w.tiers(time.Time{})[0]
	if silver.TierId != "silver" || silver.Names["zh-Hans"] != "银卡" || silver.Source != v1.TierSource_TIER_SOURCE_POINTS || len(silver.Claims) != 1 {
		t.Fatalf("silver: %v", silver)
	}
	claim := silver.Claims[0]
	if claim.Text["en"] != "Silver: points 250 of 200; until 31 December 2027" || claim.Text["zh-Hans"] != "银卡：points 250，要求 200；有效期至2027年12月31日" ||
		claim.Cause != v1.TierCause_TIER_CAUSE_RISE || claim.Reason.Measures[0].Missing != "0" {
		t.Errorf("the claim: %v", claim)
	}
	if len(silver.Goals) != 2 || !silver.Goals[0].Keeps || silver.Goals[0].Text["en"] != "To keep Silver, by 31 December 2026: reached" ||
		silver.Goals[1].Text["en"] != "To reach Gold, by 31 December 2026: 250 more points, or 90 more worth" ||
		silver.Goals[1].Text["zh-Hans"] != "升级 金卡（2026年12月31日前）：还差 250 points，或还差 90 worth" {
		t.Errorf("goals: %v", silver.Goals)
	}
	if past := w.tiers(time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)); len(past) != 0 {
		t.Errorf("before: %v", past)
	}
	if soon := w.tiers(time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC)); len(soon) != 1 || soon[0].TierId != "silver" || !proto.Equal(soon[0].Until, silver.Until) {
		t.Errorf("next year: %v", soon)
	}
	if late := w.tiers(time.Date(2028, 6, 1, 0, 0, 0, 0, time.UTC)); len(late) != 0 {
		t.Errorf("after its end: %v", late)
	}
	w.balanced()
}

func TestMetricsAndOverridesMakeTiersThatHistoryExplains(t *testing.T) {
	w := tierWorld(t)
	admin, ctx := w.admin(), t.Context()
	report := &v1.SetMetricsRequest{
		IdempotencyKey: "r1", MemberId: "m1", Period: "2026", Values: []*v1.MetricValue{{Metric: "spend", Value: "45.50"}}, Channel: "warehouse",
	}
	tried := proto.CloneOf(report)
	tried.Preview = true
	preview, err := admin.SetMetrics(ctx, tried)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := admin.ListMetrics(ctx, &v1.ListMetricsRequest{MemberId: "m1"}); err != nil || len(list.Reports) != 0 {
		t.Errorf("a preview reports: %v, %v", list, err)
	}
	first, err := admin.SetMetrics(ctx, report)
	if diff := cmp.Diff(preview, first, protocmp.Transform()); err != nil || diff != "" {
		t.Fatalf("%v, (-preview +reported):\n%s", err, diff)
	}
	again, err := admin.SetMetrics(ctx, report)
	if diff := cmp.Diff(first, again, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("retry: %v, (-first +retry):\n%s", err, diff)
	}
	rated, err := admin.RateMember(ctx, &v1.RateMemberRequest{MemberId: "m1"})
	if err != nil || rated.Standings[0].TierId != "gold" || rated.Standings[0].Source != v1.TierSource_TIER_SOURCE_SCORE {
		t.Fatalf("rated by score: %v, %v", rated, err)
	}
	w.moveClock(time.Date(2026, 5, 2, 0, 0, 0, 0, time.UTC))
	override := &v1.OverrideTierRequest{
		IdempotencyKey: "o1", MemberId: "m1", TierId: "silver", Until: timestamppb.New(time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)), Reason: "关怀",
	}
	given, err := admin.OverrideTier(ctx, override)
	if err != nil {
		t.Fatal(err)
	}
	retry, err := admin.OverrideTier(ctx, override)
	if diff := cmp.Diff(given, retry, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("retry: %v, (-first +retry):\n%s", err, diff)
	}
	if st := w.tiers(time.Time{})[0]; st.TierId != "gold" || len(st.Claims) != 2 { // the higher counts
		t.Errorf("with an override below: %v", st)
	}
	if _, err := admin.EndOverride(ctx, &v1.EndOverrideRequest{IdempotencyKey: "e1", MemberId: "m1", Reason: "was a mistake"}); err != nil {
		t.Fatal(err)
	}
	member := api.NewMemberServiceClient(w.client(auth.Member), w.url)
	page, err := member.ListTierHistory(ctx, &v1.ListTierHistoryRequest{PageSize: 2})
	if err != nil || len(page.Changes) != 2 {
		t.Fatalf("%v, %v", page, err)
	}
	rest, err := member.ListTierHistory(ctx, &v1.ListTierHistoryRequest{PageSize: 2, PageToken: page.NextPageToken})
	if err != nil || len(rest.Changes) != 1 || rest.NextPageToken != "" {
		t.Fatalf("%v, %v", rest, err)
	}
	var got []string
	for _, change := range append(page.Changes, rest.Changes...) {
		got = append(got, change.Text["en"]+" | "+change.Text["zh-Hans"])
	}
	want := []string{
		"The tier by decision has ended: was a mistake | 人工定级已结束：was a mistake",
		"Silver by decision: 关怀; until 1 September 2026 | 银卡，人工定级：关怀；有效期至2026年9月1日",
		"Gold: worth 91 of 90; until 31 December 2027 | 金卡：worth 91，要求 90；有效期至2027年12月31日",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	w.balanced()
}

func TestTierCallsAreRefusedForACause(t *testing.T) {
	w := tierWorld(t)
	override := write("memberId", "m1", "tierId", "gold", "until", "2026-09-01T00:00:00Z", "reason", "match")
	w.expect("an override", w.call(auth.Operator, api.AdminServiceOverrideTierProcedure, override.but()), "ok", "")
	metrics := write("memberId", "m1", "period", "2026")
	values := `[{"metric":"spend","value":"5"}]`
	w.expect("a report", w.call(auth.Operator, api.AdminServiceSetMetricsProcedure, metrics.but("values", values, "idempotencyKey", `"same"`)), "ok", "")
	for _, c := range []struct{ name, procedure, body, code, reason string }{
		{"no such tier", api.AdminServiceOverrideTierProcedure, override.but("tierId", `"lead"`), invalid, "INVALID_FIELD"},
		{"no such group", api.AdminServiceOverrideTierProcedure, override.but("group", `"others"`), invalid, "INVALID_FIELD"},
		{"over", api.AdminServiceOverrideTierProcedure, override.but("until", `"2026-04-01T00:00:00Z"`, "idempotencyKey", `"over"`), invalid, "TIME_NOT_IN_FUTURE"},
		{"no end", api.AdminServiceOverrideTierProcedure, write("memberId", "m1", "tierId", "gold", "reason", "match").but(), invalid, "INVALID_FIELD"},
		{"no reason", api.AdminServiceOverrideTierProcedure, override.but("reason", `""`), invalid, "INVALID_FIELD"},
		{"nothing to end", api.AdminServiceEndOverrideProcedure, write("memberId", "m2", "reason", "over").but(), "not_found", "NOT_FOUND"},
		{"no such metric", api.AdminServiceSetMetricsProcedure, metrics.but("values", `[{"metric":"shoe","value":"5"}]`), invalid, "INVALID_FIELD"},
		{"our own metric", api.AdminServiceSetMetricsProcedure, metrics.but("values", `[{"metric":"percentile/club","value":"5"}]`), invalid, "INVALID_FIELD"},
		{"a metric twice", api.AdminServiceSetMetricsProcedure, metrics.but("values", `[{"metric":"spend","value":"5"},{"metric":"spend","value":"6"}]`), invalid, "INVALID_FIELD"},
		{"too fine", api.AdminServiceSetMetricsProcedure, metrics.but("values", `[{"metric":"spend","value":"5.001"}]`), invalid, "INVALID_FIELD"},
		{"no number", api.AdminServiceSetMetricsProcedure, metrics.but("values", `[{"metric":"spend","value":"NaN"}]`), invalid, "INVALID_FIELD"},
		{"no period", api.AdminServiceSetMetricsProcedure, metrics.but("values", values, "period", `"March"`), invalid, "INVALID_FIELD"},
		{"the key of another", api.AdminServiceSetMetricsProcedure, metrics.but("values", `[{"metric":"spend","value":"6"}]`, "idempotencyKey", `"same"`), forbidden, "IDEMPOTENCY_KEY_REUSED"},
		{"another member", api.MemberServiceGetTierProcedure, `{"memberId":"m2"}`, "not_found", "NOT_FOUND"},
		{"a made-up token", api.MemberServiceListTierHistoryProcedure, `{"pageToken":"AAAA"}`, invalid, "PAGE_TOKEN_INVALID"},
	} {
		role := auth.Operator
		if strings.Contains(c.procedure, "MemberService") {
			role = auth.Member
		}
		w.expect(c.name, w.call(role, c.procedure, c.body), c.code, c.reason)
	}
	for _, role := range []auth.Role{auth.Member, auth.Merchant, auth.Finance} {
		w.expect("as "+string(role), w.call(role, api.AdminServiceOverrideTierProcedure, override.but()), "permission_denied", "NOT_PERMITTED")
	}
	w.balanced()
}
