package benefits_test

import (
	"fmt"
	"strings"
	"testing"

	"tallystick/benefits"
	"tallystick/ledger"
)

func (c club) wantStock(t *testing.T, benefit, want string) {
	t.Helper()
	stocks, err := c.Stocks(t.Context(), c.Programme, benefit)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, s := range stocks {
		list = append(list, fmt.Sprintf("%s%s %s/%s", s.Tier, s.Segment, s.Left, s.Published))
	}
	if got := strings.Join(list, ", "); got != want {
		t.Errorf("stock of %s: %q, want %q", benefit, got, want)
	}
}

func TestStockIsAddedAndTakenOutByStaff(t *testing.T) {
	t.Parallel()
	c := newRichClub(t)
	c.Accrue(t, "a1", "gus", "points", 600)
	c.wantStock(t, "golf", "gold 2/2,  8/8")
	if _, err := c.redeem(t, "r1", "gus", "golf", benefits.WithPoints); err != nil {
		t.Fatal(err)
	}
	c.wantStock(t, "golf", "gold 1/2,  8/8")
	publish := func(key string, q benefits.Publishing) error {
		_, err := c.PublishStock(t.Context(), c.Programme, q, ledger.Request{Client: "desk", Key: key, Actor: "wu", Reason: "delivery 7"})
		return err
	}
	for range 2 {
		if err := publish("p1", benefits.Publishing{Benefit: "golf", Tier: "gold", Rights: 3}); err != nil {
			t.Fatal(err)
		}
	}
	if err := publish("p2", benefits.Publishing{Benefit: "golf", Rights: -8}); err != nil {
		t.Fatal(err)
	}
	c.wantStock(t, "golf", "gold 4/5,  0/0")
	wantRefusal(t, publish("p1", benefits.Publishing{Benefit: "golf", Tier: "gold", Rights: 4}), ledger.IdempotencyKeyReused)
	wantRefusal(t, publish("p3", benefits.Publishing{Benefit: "golf", Rights: -1}), ledger.OutOfStock)
	wantRefusal(t, publish("p4", benefits.Publishing{Benefit: "golf", Tier: "silver", Rights: 1}), ledger.InvalidField)
	wantRefusal(t, publish("p5", benefits.Publishing{Benefit: "movie", Rights: 1}), ledger.InvalidField) // without a limit
	wantRefusal(t, publish("p6", benefits.Publishing{Benefit: "golf"}), ledger.InvalidField)
	wantRefusal(t, publish("p7", benefits.Publishing{Benefit: "beer", Rights: 1}), ledger.NotFoundReason)
	wantRefusal(t, publish("p8", benefits.Publishing{Benefit: "golf", Rights: 1, Seats: true}), ledger.NotFoundReason)
	c.wantStock(t, "movie", "")
	q := benefits.Publishing{Benefit: "golf", Rights: 5}
	if tx, err := c.PreviewPublishing(t.Context(), c.Programme, q, ledger.Request{Client: "desk", Key: "p9"}); err != nil || len(tx.Legs) != 1 {
		t.Errorf("%+v, %v", tx, err)
	}
	c.wantStock(t, "golf", "gold 4/5,  0/0")
	_, err := c.Stocks(t.Context(), c.Programme, "beer")
	wantRefusal(t, err, ledger.NotFoundReason)
}
