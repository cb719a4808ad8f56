package rpc_test

import (
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/internal/auth"
	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// catalogDocument adds to the tests' document what a catalog has besides.
func catalogDocument() string {
	return strings.NewReplacer(
		"    points: points\n", "    points: points\n    for: [person, organisation]\n",
		"  - {code: CNY,", "  - {code: line, kind: right}\n  - {code: spa, kind: right}\n  - {code: CNY,",
		"partners:\n", `  - {code: line, kind: service, names: {en: Line, zh-Hans: 专线}, tier: gold, parameters: {queue: vip}}
  - {code: spa, kind: offer, names: {en: Spa, zh-Hans: 水疗}, terms: {en: One visit, zh-Hans: 一次}, prices: {CNY: "98.00"}, points_and_cash: [{points: 100, CNY: "9.50"}]}
partners:
`).Replace(document)
}

func TestAMemberReadsTheCatalogInPagesWithWhatWouldHelp(t *testing.T) {
	w := newWorld(t, nil)
	w.apply(catalogDocument())
	w.accrue("m1", "180")
	client := api.NewMemberServiceClient(w.client(auth.Member), w.url)
	ask := &v1.ListBenefitsRequest{PageSize: 2}
	var ids []string
	byID := make(map[string]*v1.Benefit)
	for {
		res, err := client.ListBenefits(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range res.Benefits {
			ids, byID[b.Id] = append(ids, b.Id), b
		}
		if ask.PageToken = res.NextPageToken; ask.PageToken == "" {
			break
		}
	}
	if got := strings.Join(ids, " "); got != "dinner line pass seat spa" {
		t.Errorf("listed %s", got)
	}
	for id, want := range map[string][2]string{
		"dinner": {"Tier gold: 320 more points", "需 gold 等级：还差 320 points"},
		"pass":   {"120 more points", "还差 120 points"},
	} {
		b := byID[id]
		if hints := b.Obstacles[len(b.Obstacles)-1].Hints; b.Redeemable || hints["en"] != want[0] || hints["zh-Hans"] != want[1] {
			t.Errorf("%s: %v", id, b)
		}
	}
	if spa := byID["spa"]; !spa.Redeemable || spa.Terms["zh-Hans"] != "一次" || spa.Prices[0].Cash.GetAmount() != "9.5" {
		t.Errorf("spa: %v", spa)
	}
	ask.Redeemable, ask.Kinds = true, []v1.BenefitKind{v1.BenefitKind_BENEFIT_KIND_EVENT, v1.BenefitKind_BENEFIT_KIND_SERVICE}
	if res, err := client.ListBenefits(t.Context(), ask); err != nil || len(res.Benefits) != 1 || res.Benefits[0].Id != "seat" {
		t.Errorf("redeemable events: %v, %v", res, err)
	}
	w.balanced()
}

func TestACollectedPaymentPaysForOneClaim(t *testing.T) {
	w := newWorld(t, nil)
	w.apply(catalogDocument())
	w.accrue("m1", "180")
	client := api.NewMemberServiceClient(w.client(auth.System), w.url)
	ask := func(amount, payment string) error {
		_, err := client.RedeemBenefit(t.Context(), &v1.RedeemBenefitRequest{
			IdempotencyKey: uuid.NewString(), MemberId: "m1", BenefitId: "spa", Channel: "app",
			Cash: &v1.Cash{Unit: "CNY", Amount: amount, PaymentReference: payment},
		})
		return err
	}
	for _, c := range []struct {
		amount, payment string
		code            connect.Code
	}{
		{"9.50", "", connect.CodeInvalidArgument},
		{"9.49", "pay-1", connect.CodeInvalidArgument},
		{"9.50", "pay-1", 0},
		{"98.00", "pay-1", connect.CodeAlreadyExists},
		{"98.00", "pay-2", 0},
	} {
		if err := ask(c.amount, c.payment); c.code != 0 && connect.CodeOf(err) != c.code || c.code == 0 && err != nil {
			t.Errorf("%s by %q: %v", c.amount, c.payment, err)
		}
	}
	if got := w.available("m1"); got != "80" {
		t.Errorf("%s points left", got)
	}
	w.balanced()
}

func TestTheCallCentreAsksByNumber(t *testing.T) {
	w := newWorld(t, nil)
	w.apply(catalogDocument())
	w.accrue("m1", "600")
	facts := benefits.Facts{Kind: benefits.Person}
	if _, err := w.catalog.EnrolMember(t.Context(), w.programme, "m1", facts, ledger.Request{Client: "desk", Key: "e1"}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := w.catalog.AssignNumber(t.Context(), w.programme, "m1", "13800138000", ledger.Request{Client: "desk", Key: "n1"}, false); err != nil {
		t.Fatal(err)
	}
	client := api.NewMemberServiceClient(w.client(auth.System), w.url)
	res, err := client.CheckEntitlement(t.Context(), &v1.CheckEntitlementRequest{Number: "13800138000", BenefitId: "line"})
	if err != nil || !res.Entitled || res.MemberId != "m1" || res.Parameters["queue"] != "vip" {
		t.Errorf("by number: %v, %v", res, err)
	}
	res, err = client.CheckEntitlement(t.Context(), &v1.CheckEntitlementRequest{MemberId: "m2", BenefitId: "line"})
	if err != nil || res.Entitled || res.Obstacles[0].Reason != "NOT_ELIGIBLE" {
		t.Errorf("without the tier: %v, %v", res, err)
	}
	for _, m := range []*v1.CheckEntitlementRequest{{Number: "1", BenefitId: "line"}, {MemberId: "m1", BenefitId: "none"}} {
		if _, err = client.CheckEntitlement(t.Context(), m); connect.CodeOf(err) != connect.CodeNotFound {
			t.Errorf("%v: %v", m, err)
		}
	}
	_, err = client.CheckEntitlement(t.Context(), &v1.CheckEntitlementRequest{Number: "13800138000", MemberId: "m1", BenefitId: "line"})
	if connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("both: %v", err)
	}
	w.balanced()
}

func TestAnOrganisationsAllotmentIsAssignedAndRevoked(t *testing.T) {
	w := newWorld(t, nil)
	w.apply(catalogDocument())
	w.accrue("acme", "600")
	for member, kind := range map[string]benefits.MemberKind{"acme": benefits.Organisation, "m1": benefits.Person} {
		r := ledger.Request{Client: "desk", Key: "e-" + member}
		if _, err := w.catalog.EnrolMember(t.Context(), w.programme, member, benefits.Facts{Kind: kind}, r, false); err != nil {
			t.Fatal(err)
		}
	}
	link := benefits.Link{Member: "m1", Of: "acme", Role: "contact"}
	if _, err := w.catalog.LinkMember(t.Context(), w.programme, link, ledger.Request{Client: "desk", Key: "l"}, false); err != nil {
		t.Fatal(err)
	}
	desk := api.NewAdminServiceClient(w.client(auth.Operator), w.url)
	ask := &v1.AssignAllotmentRequest{IdempotencyKey: uuid.NewString(), OrganisationId: "acme", PersonId: "m1", Unit: "visits", Amount: "2", Preview: true}
	tried, err := desk.AssignAllotment(t.Context(), ask)
	if err != nil || tried.Transaction.Outcome != v1.Outcome_OUTCOME_PREVIEWED {
		t.Fatalf("tried: %v, %v", tried, err)
	}
	ask.Preview = false
	assigned, err := desk.AssignAllotment(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	member := api.NewMemberServiceClient(w.client(auth.Member), w.url)
	want := func(total, left string) {
		t.Helper()
		res, err := member.ListAllotments(t.Context(), &v1.ListAllotmentsRequest{})
		if err != nil || len(res.Allotments) != 1 || res.Allotments[0].Total != total || res.Allotments[0].Left != left {
			t.Errorf("allotments: %v, %v", res, err)
		}
	}
	want("2", "2")
	if _, err := member.RedeemBenefit(t.Context(), &v1.RedeemBenefitRequest{IdempotencyKey: uuid.NewString(), BenefitId: "pass"}); err != nil {
		t.Fatal(err)
	}
	want("2", "1")
	back := &v1.RevokeAllotmentRequest{IdempotencyKey: uuid.NewString(), AssignmentId: assigned.Transaction.Id, Preview: true}
	for _, preview := range []bool{true, false} {
		back.Preview = preview
		if res, err := desk.RevokeAllotment(t.Context(), back); err != nil || !decimal.RequireFromString(res.Transaction.Legs[0].Amount).Equal(decimal.NewFromInt(1)) {
			t.Errorf("revoke, preview %v: %v, %v", preview, res, err)
		}
	}
	want("1", "0")
	w.balanced()
}
