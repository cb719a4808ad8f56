package ledger_test

import (
	"context"
	"sync"
	"testing"

	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// Whatever parts of a transaction are reversed at once, they are never more than the original, and the rest is exactly
// what they left.
func TestPartialReversalsOfTwoServersNeverExceedTheOriginal(t *testing.T) {
	s := twoServers(t, liveDocument)
	var seen tally
	for round := range 40 * long {
		member := named("m%d", round)
		accrued := s.Post(t, accrue(s.Books, member, 100, named("a%d", round)))
		spent := s.Post(t, ledger.Redeem(member, "points", amount(100), key(named("r%d", round))))
		for _, original := range []*ledger.Transaction{spent, accrued} { // the points come back, then they are clawed back
			sum := s.reverseAtOnce(t, original, round%2 == 0, &seen)
			if !sum.Equal(amount(100)) {
				t.Errorf("round %d: %s of a %s of 100 were reversed", round, sum, original.Kind)
			}
		}
		b, err := s.of(round).Balance(t.Context(), s.Programme, member, "points")
		if err != nil || !b.Posted.IsZero() || !b.Debt.IsZero() {
			t.Errorf("round %d: %+v, %v", round, b, err)
		}
	}
	seen.wantAll(t, 20, "part", "rest", "exceeds", "already")
}

// reverseAtOnce fires parts of one transaction, and the rest if wanted, from both servers, and reverses what they leave.
// It returns what was reversed in all.
func (s *servers) reverseAtOnce(t *testing.T, original *ledger.Transaction, rest bool, seen *tally) decimal.Decimal {
	t.Helper()
	var mu sync.Mutex
	sum := decimal.Zero
	reverse := func(c int, part int64) {
		answer, err := s.of(c).Post(context.Background(), s.Programme,
			ledger.Reverse(original.ID, amount(part), key(named("%s/%d", original.Key, c))))
		mu.Lock()
		defer mu.Unlock()
		switch {
		case refused(err, ledger.ReversalExceedsRest):
			seen.add("exceeds", 1)
		case refused(err, ledger.AlreadyReversed):
			seen.add("already", 1)
		case err != nil:
			t.Errorf("reverse: %v", err)
		default:
			sum = sum.Add(answer.Transaction.Amount)
			seen.add(map[bool]string{true: "rest", false: "part"}[part == 0], 1)
		}
	}
	together(8, func(c int) {
		part := int64(30)
		if c == 7 && rest {
			part = 0
		}
		reverse(c, part)
	})
	if sum.LessThan(original.Amount) {
		reverse(8, 0)
	}
	return sum
}
