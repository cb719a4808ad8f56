package rpc_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"tallystick/internal/auth"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// deliveryWorld has a kettle that the merchant delivers.
func deliveryWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, nil)
	w.apply(strings.NewReplacer(
		"  - {code: CNY,", "  - {code: kettle, kind: right}\n  - {code: CNY,",
		"partners:\n", "  - {code: kettle, kind: gift, names: {en: Kettle, zh-Hans: 水壶}, prices: {points: 10}, stock: {opening: 5}, delivery: {by: lounge-one, refund: true}}\npartners:\n",
		"honours: [{benefit: pass,", "honours: [{benefit: kettle}, {benefit: pass,",
	).Replace(document))
	w.accrue("m1", "100")
	return w
}

func TestAGiftIsDeliveredOverTheWire(t *testing.T) {
	w := deliveryWorld(t)
	member := api.NewMemberServiceClient(w.client(auth.Member), w.url)
	merchant := api.NewMerchantServiceClient(w.client(auth.Merchant), w.url)
	var claims []string
	for _, key := range []string{"k1", "k2", "k3"} {
		claim, err := member.RedeemBenefit(t.Context(), &v1.RedeemBenefitRequest{IdempotencyKey: key, BenefitId: "kettle", DeliverTo: "addr:1"})
		if err != nil {
			t.Fatal(err)
		}
		claims = append(claims, claim.Voucher.Id)
	}
	tried, err := member.PreviewRedemption(t.Context(), &v1.PreviewRedemptionRequest{BenefitId: "kettle", DeliverTo: "addr:1"})
	if err != nil || len(tried.Transaction.Legs) != 2 {
		t.Errorf("%v, %v", tried, err)
	}
	shipped := &v1.ReportDeliveryRequest{RecordId: "r1", ClaimId: claims[0], Event: v1.DeliveryEvent_DELIVERY_EVENT_SHIPPED, Carrier: "顺丰", Number: "SF 7"}
	for _, known := range []bool{false, true} {
		done, err := merchant.ReportDelivery(t.Context(), shipped)
		if err != nil || done.Known != known || done.Delivery.State != v1.DeliveryState_DELIVERY_STATE_SHIPPED {
			t.Fatalf("%v, %v", done, err)
		}
	}
	back := &v1.ReportDeliveryRequest{RecordId: "r2", ClaimId: claims[1], Event: v1.DeliveryEvent_DELIVERY_EVENT_RETURNED}
	if done, err := merchant.ReportDelivery(t.Context(), back); err != nil || done.Delivery.State != v1.DeliveryState_DELIVERY_STATE_REFUNDED {
		t.Fatalf("%v, %v", done, err)
	}
	list, err := member.ListVouchers(t.Context(), &v1.ListVouchersRequest{})
	if err != nil || len(list.Vouchers) != 3 {
		t.Fatalf("%v, %v", list, err)
	}
	for _, v := range list.Vouchers {
		if v.Id == claims[0] && (v.Delivery.State != v1.DeliveryState_DELIVERY_STATE_SHIPPED || v.Delivery.Reports[0].Number != "SF 7") {
			t.Errorf("the member is told %v", v.Delivery)
		}
	}
	seen, token := 0, ""
	for page := 0; page == 0 || token != ""; page++ {
		res, err := merchant.ListDeliveries(t.Context(), &v1.ListDeliveriesRequest{State: v1.DeliveryState_DELIVERY_STATE_ORDERED, PageSize: 1, PageToken: token})
		if err != nil || page > 3 {
			t.Fatalf("page %d: %v", page, err)
		}
		for _, d := range res.Deliveries {
			seen++
			if d.ClaimId != claims[2] || d.DeliverTo != "addr:1" {
				t.Errorf("to be shipped: %v", d)
			}
		}
		token = res.NextPageToken
	}
	if seen != 1 {
		t.Errorf("%d are to be shipped, want 1", seen)
	}
	w.balanced()
}

func TestDeliveryCallsAreRefusedForACause(t *testing.T) {
	w := deliveryWorld(t)
	claim, err := api.NewMemberServiceClient(w.client(auth.Member), w.url).RedeemBenefit(t.Context(),
		&v1.RedeemBenefitRequest{IdempotencyKey: "k1", BenefitId: "kettle", DeliverTo: "addr:1"})
	if err != nil {
		t.Fatal(err)
	}
	id := claim.Voucher.Id
	report := func(record, id, event, more string) string {
		return `{"recordId":"` + record + `","claimId":"` + id + `","event":"DELIVERY_EVENT_` + event + `"` + more + `}`
	}
	w.expect("shipped", w.call(auth.Merchant, api.MerchantServiceReportDeliveryProcedure, report("r1", id, "SHIPPED", "")), "ok", "")
	redeem := write("benefitId", "kettle")
	cancel := write("voucherId", id)
	for _, c := range []struct {
		name                          string
		role                          auth.Role
		procedure, body, code, reason string
	}{
		{"nowhere", auth.Member, api.MemberServiceRedeemBenefitProcedure, redeem.but(), invalid, "INVALID_FIELD"},
		{"what is not delivered", auth.Member, api.MemberServiceRedeemBenefitProcedure, redeem.but("benefitId", `"seat"`, "deliverTo", `"x"`), invalid, "INVALID_FIELD"},
		{"a gift under way", auth.Member, api.MemberServiceCancelRedemptionProcedure, cancel.but(), forbidden, "VOUCHER_USED"},
		{"no such claim", auth.Merchant, api.MerchantServiceReportDeliveryProcedure, report("r2", uuid.NewString(), "SHIPPED", ""), "not_found", "NOT_FOUND"},
		{"nothing", auth.Merchant, api.MerchantServiceReportDeliveryProcedure, report("r2", id, "UNSPECIFIED", ""), invalid, "INVALID_FIELD"},
		{"tomorrow", auth.Merchant, api.MerchantServiceReportDeliveryProcedure, report("r2", id, "DELIVERED", `,"happenedAt":"2099-01-01T00:00:00Z"`), invalid, "INVALID_FIELD"},
		{"another record", auth.Merchant, api.MerchantServiceReportDeliveryProcedure, report("r1", id, "LOST", ""), "already_exists", "REFERENCE_USED"},
		{"a made-up token", auth.Merchant, api.MerchantServiceListDeliveriesProcedure, `{"pageToken":"AAAA"}`, invalid, "PAGE_TOKEN_INVALID"},
		{"as a member", auth.Member, api.MerchantServiceListDeliveriesProcedure, `{}`, "permission_denied", "NOT_PERMITTED"},
	} {
		w.expect(c.name, w.call(c.role, c.procedure, c.body), c.code, c.reason)
	}
	w.balanced()
}
