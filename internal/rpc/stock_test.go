package rpc_test

import (
	"testing"

	"tallystick/internal/auth"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

func TestStockIsPublishedAndTold(t *testing.T) {
	w := newWorld(t, nil)
	desk := api.NewAdminServiceClient(w.client(auth.Operator), w.url)
	for range 2 { // the second is a retry
		if _, err := desk.PublishStock(t.Context(), &v1.PublishStockRequest{IdempotencyKey: "p1", BenefitId: "seat", Rights: 4, Reason: "delivery 7"}); err != nil {
			t.Fatal(err)
		}
	}
	tried, err := desk.PublishStock(t.Context(), &v1.PublishStockRequest{IdempotencyKey: "p2", BenefitId: "seat", Rights: -5, Preview: true})
	if err != nil || len(tried.Transaction.Legs) != 1 {
		t.Errorf("%v, %v", tried, err)
	}
	got, err := desk.GetStock(t.Context(), &v1.GetStockRequest{BenefitId: "seat"})
	if err != nil || len(got.Stocks) != 1 || got.Stocks[0].Published != "5" || got.Stocks[0].Left != "5" {
		t.Errorf("%v, %v", got, err)
	}
	publish := write("benefitId", "seat", "rights", "1")
	for _, c := range []struct{ name, procedure, body, code, reason string }{
		{"more than there is", api.AdminServicePublishStockProcedure, publish.but("rights", "-6"), forbidden, "OUT_OF_STOCK"},
		{"the key of another", api.AdminServicePublishStockProcedure, publish.but("idempotencyKey", `"p1"`), forbidden, "IDEMPOTENCY_KEY_REUSED"},
		{"none", api.AdminServicePublishStockProcedure, publish.but("rights", "0"), invalid, "INVALID_FIELD"},
		{"too many", api.AdminServicePublishStockProcedure, publish.but("rights", "100000001"), invalid, "INVALID_FIELD"},
		{"a stock that there is not", api.AdminServicePublishStockProcedure, publish.but("tierId", `"gold"`), invalid, "INVALID_FIELD"},
		{"without a limit", api.AdminServicePublishStockProcedure, publish.but("benefitId", `"pass"`), invalid, "INVALID_FIELD"},
		{"no benefit", api.AdminServicePublishStockProcedure, publish.but("benefitId", `"beer"`), "not_found", "NOT_FOUND"},
		{"no benefit to tell of", api.AdminServiceGetStockProcedure, `{"benefitId":"beer"}`, "not_found", "NOT_FOUND"},
	} {
		w.expect(c.name, w.call(auth.Operator, c.procedure, c.body), c.code, c.reason)
	}
	w.balanced()
}
