package rpc_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "tallystick/proto/tallystick/v1"
)

func TestBatchAnswersEachItemForItself(t *testing.T) {
	w := newWorld(t, nil)
	accrue := func(key, amount string) *v1.BatchItem {
		return &v1.BatchItem{Write: &v1.BatchItem_Accrue{Accrue: &v1.AccrueRequest{IdempotencyKey: key, MemberId: "m1", Unit: "points", Amount: amount}}}
	}
	redeem := func(key, amount string) *v1.BatchItem {
		return &v1.BatchItem{Write: &v1.BatchItem_Redeem{Redeem: &v1.RedeemRequest{IdempotencyKey: key, MemberId: "m1", Unit: "points", Amount: amount}}}
	}
	hold := &v1.BatchItem{Write: &v1.BatchItem_Hold{Hold: &v1.HoldRequest{IdempotencyKey: "h", MemberId: "m1", Unit: "points", Amount: "1", Timeout: durationpb.New(time.Minute)}}}
	both := &v1.BatchItem{Write: &v1.BatchItem_Adjust{Adjust: &v1.AdjustRequest{IdempotencyKey: "a", MemberId: "m1", Unit: "points", Amount: "-1", Fund: "x", Reason: "r"}}}
	res, err := w.ledgerClient().PostBatch(t.Context(), &v1.PostBatchRequest{
		Items: []*v1.BatchItem{accrue("1", "100"), redeem("2", "101"), both, redeem("3", "60"), accrue("1", "100"), accrue("1", "99"), hold},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"", "INSUFFICIENT_POINTS", "INVALID_FIELD", "", "", "IDEMPOTENCY_KEY_REUSED", ""}
	for i, r := range res.Results {
		if got := r.GetFailure().GetReason(); got != want[i] || (got == "") != (r.GetTransaction() != nil) {
			t.Errorf("item %d: %v", i, r)
		}
	}
	if got := w.available("m1"); got != "39" {
		t.Errorf("available %s, want 39", got)
	}
	w.balanced()
}

func TestItemsThatAreNotValidAreRefusedByThemselves(t *testing.T) {
	w := newWorld(t, nil)
	accrue := func(key, amount string) *v1.BatchItem {
		return &v1.BatchItem{Write: &v1.BatchItem_Accrue{Accrue: &v1.AccrueRequest{IdempotencyKey: key, MemberId: "m1", Unit: "points", Amount: amount}}}
	}
	var items []*v1.BatchItem
	for i := range 30 { // more than the answer to a single message tells of
		items = append(items, accrue(fmt.Sprint("good", i), "1"), accrue(fmt.Sprint("bad", i), "-1"))
	}
	items = append(items, &v1.BatchItem{})
	before := w.books().transactions
	for _, c := range []struct {
		atomic     bool
		good, says string // of the valid items: how many are posted, and what the others say
	}{{true, "0", "ATOMIC_BATCH_REJECTED"}, {false, "30", ""}} {
		res, err := w.ledgerClient().PostBatch(t.Context(), &v1.PostBatchRequest{Items: items, Atomic: c.atomic})
		if err != nil || len(res.Results) != len(items) {
			t.Fatalf("atomic %t: %v, %v", c.atomic, res, err)
		}
		for i, result := range res.Results {
			failure := result.GetFailure()
			reason, field := c.says, ""
			switch {
			case i == len(items)-1:
				reason, field = "INVALID_FIELD", "write"
			case i%2 == 1:
				reason, field = "INVALID_FIELD", "accrue.amount"
			}
			if failure.GetReason() != reason || failure.GetMetadata()["field"] != field {
				t.Errorf("atomic %t, item %d: %v, want %s %s", c.atomic, i, result, reason, field)
			}
		}
		if got := w.available("m1"); got != c.good {
			t.Errorf("atomic %t: %s are posted, want %s", c.atomic, got, c.good)
		}
	}
	if after := w.books().transactions; after != before+30 {
		t.Errorf("%d transactions were written", after-before)
	}
	res, err := w.ledgerClient().PostBatch(t.Context(), &v1.PostBatchRequest{Items: []*v1.BatchItem{accrue("bad0", "1")}})
	if err != nil || res.Results[0].GetTransaction() == nil {
		t.Errorf("the key of an item that was not valid is not free: %v, %v", res, err)
	}
	w.balanced()
}

func TestAtomicBatchIsPostedWholeOrNotAtAll(t *testing.T) {
	w := newWorld(t, nil)
	w.accrue("m1", "100")
	item := func(key, amount string) *v1.BatchItem {
		return &v1.BatchItem{Write: &v1.BatchItem_Redeem{Redeem: &v1.RedeemRequest{IdempotencyKey: key, MemberId: "m1", Unit: "points", Amount: amount}}}
	}
	for _, c := range []struct {
		items []*v1.BatchItem
		want  []string
	}{
		{[]*v1.BatchItem{item("1", "60"), item("2", "60")}, []string{"ATOMIC_BATCH_REJECTED", "INSUFFICIENT_POINTS"}},
		{[]*v1.BatchItem{item("3", "60"), item("4", "40")}, []string{"", ""}},
	} {
		res, err := w.ledgerClient().PostBatch(t.Context(), &v1.PostBatchRequest{Items: c.items, Atomic: true})
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range res.Results {
			if got := r.GetFailure().GetReason(); got != c.want[i] {
				t.Errorf("item %d: %v, want %q", i, r, c.want[i])
			}
		}
	}
	if got := w.available("m1"); got != "0" {
		t.Errorf("available %s", got)
	}
	w.balanced()
}
