package rpc_test

import (
	"slices"
	"strings"
	"testing"

	"tallystick/internal/auth"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

func TestABundleIsListedClaimedAndGivenBack(t *testing.T) {
	w := newWorld(t, nil)
	w.apply(strings.NewReplacer(
		"  - {code: CNY,", "  - {code: trip, kind: right}\n  - {code: CNY,",
		"partners:\n", "  - {code: trip, kind: offer, names: {en: Trip, zh-Hans: 行程}, prices: {points: 200}, bundle: [pass, seat]}\npartners:\n",
	).Replace(document))
	w.accrue("m1", "400")
	member := api.NewMemberServiceClient(w.client(auth.Member), w.url)
	list, err := member.ListBenefits(t.Context(), &v1.ListBenefitsRequest{})
	if err != nil || !slices.ContainsFunc(list.Benefits, func(b *v1.Benefit) bool { return b.Id == "trip" && len(b.Bundle) == 2 && b.Redeemable }) {
		t.Fatalf("%v, %v", list, err)
	}
	claim, err := member.RedeemBenefit(t.Context(), &v1.RedeemBenefitRequest{IdempotencyKey: "t1", BenefitId: "trip"})
	if err != nil || claim.Voucher.BenefitId != "pass" || len(claim.Parts) != 1 || claim.Parts[0].BenefitId != "seat" || claim.Parts[0].Code == "" {
		t.Fatalf("%v, %v", claim, err)
	}
	w.expect("the seat is gone", w.call(auth.Member, api.MemberServiceRedeemBenefitProcedure, write("benefitId", "trip").but()), forbidden, "OUT_OF_STOCK")
	back, err := member.CancelRedemption(t.Context(), &v1.CancelRedemptionRequest{IdempotencyKey: "c1", VoucherId: claim.Parts[0].Id})
	if err != nil || back.Transaction == nil {
		t.Fatalf("%v, %v", back, err)
	}
	w.expect("the seat is back", w.call(auth.Member, api.MemberServiceRedeemBenefitProcedure, write("benefitId", "trip").but()), "ok", "")
	w.balanced()
}
