package rpc_test

import (
	"testing"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"tallystick/internal/auth"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

func billOf(member, amount string) *v1.Activity {
	return &v1.Activity{
		Kind: "bill", MemberId: member, Amount: amount, Reference: "bill-" + amount, Channel: "billing", Fields: []*v1.Field{
			{Name: "online", Value: &v1.Field_Flag{Flag: true}},
			{Name: "months", Value: &v1.Field_Number{Number: "12"}},
			{Name: "plan", Value: &v1.Field_Text{Text: "p588"}},
		},
	}
}

func TestBillingRecordsEstimatesAndReturnsAnActivity(t *testing.T) {
	w := newWorld(t, nil)
	client := api.NewLedgerServiceClient(w.client(auth.System), w.url)
	estimate, err := client.EstimateActivity(t.Context(), &v1.EstimateActivityRequest{Activity: billOf("m1", "88.80")})
	if err != nil {
		t.Fatal(err)
	}
	ask := &v1.RecordActivityRequest{IdempotencyKey: uuid.NewString(), Activity: billOf("m1", "88.80")}
	first, err := client.RecordActivity(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	again, err := client.RecordActivity(t.Context(), ask)
	if err != nil || !proto.Equal(first, again) {
		t.Errorf("first %v\nagain %v, %v", first, again, err)
	}
	for i, want := range []string{"bill-points 88", "online 5"} {
		lot := first.Lots[i]
		if got := lot.Rule + " " + lot.Granted; got != want || !proto.Equal(lot, estimate.Lots[i]) || first.Transaction.Legs[i].Rule != lot.Rule {
			t.Errorf("lot %v, estimate %v, leg %v, want %s", lot, estimate.Lots[i], first.Transaction.Legs[i], want)
		}
	}
	if got := w.available("m1"); got != "93" {
		t.Errorf("available %s", got)
	}
	back := &v1.ReturnActivityRequest{IdempotencyKey: uuid.NewString(), TransactionId: first.Transaction.Id, Amount: "44.40"}
	if _, err := client.ReturnActivity(t.Context(), back); err != nil {
		t.Error(err)
	}
	if got := w.available("m1"); got != "47" { // 44 of 88, and 2 of 5
		t.Errorf("available %s after half was returned", got)
	}
	back.IdempotencyKey, back.Amount = uuid.NewString(), "44.41"
	if _, err := client.ReturnActivity(t.Context(), back); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("more than the bill: %v", err)
	}
	w.balanced()
}

func TestAnActivityThatEarnsNothingSucceeds(t *testing.T) {
	w := newWorld(t, nil)
	client := api.NewLedgerServiceClient(w.client(auth.System), w.url)
	survey := &v1.Activity{Kind: "survey", MemberId: "m1"}
	for i, want := range []v1.Outcome{v1.Outcome_OUTCOME_POSTED, v1.Outcome_OUTCOME_REJECTED} {
		res, err := client.RecordActivity(t.Context(), &v1.RecordActivityRequest{IdempotencyKey: uuid.NewString(), Activity: survey})
		if err != nil || res.Transaction.Outcome != want || len(res.Lots) != 1-i {
			t.Errorf("survey %d: %v, %v", i, res, err)
		}
	}
	if got := w.available("m1"); got != "20" {
		t.Errorf("available %s", got)
	}
}

func TestActivitiesThatCannotBeAreRefusedWithTheField(t *testing.T) {
	w := newWorld(t, nil)
	for name, row := range map[string]struct{ activity, code, reason string }{
		"unknown kind":      {`{"kind":"dance","memberId":"m1"}`, "not_found", "NOT_FOUND"},
		"no member":         {`{"kind":"survey"}`, "invalid_argument", "INVALID_FIELD"},
		"fen and a half":    {`{"kind":"bill","memberId":"m1","amount":"1.005"}`, "invalid_argument", "INVALID_FIELD"},
		"survey for money":  {`{"kind":"survey","memberId":"m1","amount":"1"}`, "invalid_argument", "INVALID_FIELD"},
		"unknown field":     {`{"kind":"bill","memberId":"m1","fields":[{"name":"colour","text":"red"}]}`, "invalid_argument", "INVALID_FIELD"},
		"wrong type":        {`{"kind":"bill","memberId":"m1","fields":[{"name":"months","text":"12"}]}`, "invalid_argument", "INVALID_FIELD"},
		"field of no value": {`{"kind":"bill","memberId":"m1","fields":[{"name":"months"}]}`, "invalid_argument", "INVALID_FIELD"},
		"given twice":       {`{"kind":"bill","memberId":"m1","fields":[{"name":"months","number":"1"},{"name":"months","number":"2"}]}`, "invalid_argument", "INVALID_FIELD"},
		"tomorrow":          {`{"kind":"survey","memberId":"m1","happenedAt":"2199-01-01T00:00:00Z"}`, "invalid_argument", "EFFECTIVE_IN_FUTURE"},
	} {
		body := `{"idempotencyKey":"` + uuid.NewString() + `","activity":` + row.activity + `}`
		w.expect(name, w.call(auth.System, api.LedgerServiceRecordActivityProcedure, body), row.code, row.reason)
	}
}
