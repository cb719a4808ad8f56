package ledger

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

// drawnLot is any lot line that an entry can have.
func drawnLot(t *rapid.T) Draw {
	micros := rapid.Int64Range(time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC).UnixMicro(), Never.UnixMicro()).Draw(t, "expires")
	n := rapid.Int64Range(1, 1e15).Draw(t, "n")
	if rapid.Bool().Draw(t, "negative") {
		n = -n
	}
	return Draw{
		ExpiresAt: time.UnixMicro(micros).UTC(),
		Fund:      rapid.StringMatching(`[A-Za-z0-9_.:@-]{1,12}`).Draw(t, "fund"),
		Amount:    decimal.New(n, -rapid.Int32Range(0, 9).Draw(t, "scale")),
	}
}

func equalDraws(a, b []Draw) bool {
	return slices.EqualFunc(a, b, func(x, y Draw) bool {
		return x.ExpiresAt.Equal(y.ExpiresAt) && x.Fund == y.Fund && x.Amount.Equal(y.Amount)
	})
}

func TestDrawsSurviveTheirStoredForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draws := rapid.SliceOfN(rapid.Custom(drawnLot), 0, 5).Draw(t, "draws")
		text := formatDraws(draws)
		parsed, err := ParseDraws(text)
		if err != nil || !equalDraws(draws, parsed) {
			t.Fatalf("%q is read as %v, %v", text, parsed, err)
		}
		if again := formatDraws(parsed); again != text {
			t.Fatalf("%q is written again as %q", text, again)
		}
	})
}

func TestDifferentDrawsAreStoredDifferently(t *testing.T) {
	few := rapid.Custom(func(t *rapid.T) Draw {
		return Draw{
			ExpiresAt: time.UnixMicro(rapid.Int64Range(0, 2).Draw(t, "expires")).UTC(),
			Fund:      rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(t, "fund"),
			Amount:    decimal.New(rapid.Int64Range(1, 12).Draw(t, "n"), -1),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOfN(few, 0, 3).Draw(t, "a"), rapid.SliceOfN(few, 0, 3).Draw(t, "b")
		if (formatDraws(a) == formatDraws(b)) != equalDraws(a, b) {
			t.Fatalf("%q and %q", formatDraws(a), formatDraws(b))
		}
	})
}

func TestMalformedDrawsAreRefused(t *testing.T) {
	for _, text := range []string{
		";", "|", "||", "2026-02-01T00:00:00Z|a", "2026-02-01|a|1", "2026-02-01T00:00:00Z|a|one", "2026-02-01T00:00:00Z|a|1;",
		"2026-02-01T00:00:00Z|a|1|2",
	} {
		if draws, err := ParseDraws(text); err == nil {
			t.Errorf("%q is read as %v", text, draws)
		}
	}
}

// FuzzParseDraws: what can be read can be written and read again with the same meaning.
func FuzzParseDraws(f *testing.F) {
	f.Add("2026-02-01T00:00:00Z|programme|10.5;2026-03-01T00:00:00.000001Z|bank@1|-3")
	f.Add("9999-12-31T00:00:00Z||1e3")
	f.Fuzz(func(t *testing.T, text string) {
		draws, err := ParseDraws(text)
		if err != nil {
			return
		}
		for _, d := range draws {
			if d.Amount.Exponent() > 30 || d.Amount.Exponent() < -30 {
				return // no column holds it, and writing it out takes memory
			}
		}
		again, err := ParseDraws(formatDraws(draws))
		if err != nil || len(again) != len(draws) {
			t.Fatalf("%q is read again as %v, %v", text, again, err)
		}
		for i := range draws {
			if again[i].Fund != draws[i].Fund || !again[i].Amount.Equal(draws[i].Amount) ||
				!again[i].ExpiresAt.Equal(draws[i].ExpiresAt.Truncate(time.Microsecond)) {
				t.Fatalf("%q is read again as %v", text, again)
			}
		}
	})
}

// smallLot comes from few lots, so that they meet.
func smallLot(t *rapid.T) Draw {
	return Draw{
		ExpiresAt: day("2026-01-01").AddDate(0, 0, rapid.IntRange(0, 4).Draw(t, "day")),
		Fund:      rapid.SampledFrom([]string{"programme", "bank@1", "hotel@2"}).Draw(t, "fund"),
		Amount:    decimal.NewFromInt(rapid.Int64Range(1, 9).Draw(t, "n")),
	}
}

type lotKey struct {
	at   int64
	fund string
}

func keyOf(d Draw) lotKey { return lotKey{d.ExpiresAt.UnixMicro(), d.Fund} }

func TestLotsStayInSpendingOrderWhateverComesAndGoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set lotSet
		naive := map[lotKey]int64{}
		for range rapid.IntRange(1, 40).Draw(t, "changes") {
			d := smallLot(t)
			if rapid.Bool().Draw(t, "out") {
				d = d.neg()
			}
			before := slices.Clone(set)
			n := naive[keyOf(d)] + d.Amount.IntPart()
			if set.add(d) != (n >= 0) {
				t.Fatalf("%v added to %v", d, before)
			}
			if n < 0 && !slices.EqualFunc(before, set, func(a, b Lot) bool { return a.Remaining.Equal(b.Remaining) }) {
				t.Fatalf("a refused draw changed %v to %v", before, set)
			}
			if n >= 0 {
				naive[keyOf(d)] = n
			}
			if n == 0 {
				delete(naive, keyOf(d))
			}
		}
		sorted := slices.IsSortedFunc(set, func(a, b Lot) int {
			return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), cmp.Compare(a.Fund, b.Fund))
		})
		if !sorted || len(set) != len(naive) {
			t.Fatalf("%v of %v", set, naive)
		}
		for _, lot := range set {
			if n := naive[lotKey{lot.ExpiresAt.UnixMicro(), lot.Fund}]; lot.Remaining.IntPart() != n || n == 0 {
				t.Fatalf("%v of %v", set, naive)
			}
		}
	})
}

func TestPickTakesTheFirstLiveLotsAndNoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set lotSet
		for range rapid.IntRange(0, 8).Draw(t, "lots") {
			set.add(smallLot(t))
		}
		now := day("2026-01-01").AddDate(0, 0, rapid.IntRange(-1, 5).Draw(t, "today"))
		wanted := decimal.NewFromInt(rapid.Int64Range(1, 40).Draw(t, "wanted"))
		draws, enough := set.pick(wanted, now)
		if live := set.live(now); enough != live.GreaterThanOrEqual(wanted) {
			t.Fatalf("%s of %s live: %v", wanted, live, enough)
		}
		if !enough {
			return
		}
		var live lotSet
		for _, lot := range set {
			if lot.ExpiresAt.After(now) {
				live = append(live, lot)
			}
		}
		for i, d := range draws {
			last := i == len(draws)-1
			if keyOf(d) != (lotKey{live[i].ExpiresAt.UnixMicro(), live[i].Fund}) ||
				!last && !d.Amount.Equal(live[i].Remaining) || last && d.Amount.GreaterThan(live[i].Remaining) {
				t.Fatalf("%s of %v picks %v", wanted, live, draws)
			}
		}
		if !sumDraws(draws).Equal(wanted) {
			t.Fatalf("%s of %v picks %v", wanted, live, draws)
		}
		if lapsed := set.lapsed(now); !sumDraws(lapsed).Add(set.live(now)).Equal(sumDraws(set.draws())) {
			t.Fatalf("%v are neither live nor lapsed", set)
		}
	})
}

// draws is everything that the lots hold.
func (s lotSet) draws() []Draw {
	draws, _ := s.pick(sumLots(s), time.Time{})
	return draws
}

func sumLots(s lotSet) decimal.Decimal {
	sum := decimal.Zero
	for _, lot := range s {
		sum = sum.Add(lot.Remaining)
	}
	return sum
}

// TestWhatPartialReversalsLeaveSpentIsAPrefixOfTheDraws is what makes the order of refunds not matter: after any parts
// the rest is what a smaller spend at the time would have drawn.
func TestWhatPartialReversalsLeaveSpentIsAPrefixOfTheDraws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draws := rapid.SliceOfN(rapid.Custom(smallLot), 1, 5).Draw(t, "draws")
		spent := slices.Clone(draws)
		for i := range draws {
			draws[i] = draws[i].neg() // as an entry that left the wallet has them
		}
		total, back := sumDraws(spent).IntPart(), int64(0)
		for back < total {
			part := rapid.Int64Range(1, total-back).Draw(t, "part")
			parts := returned(draws, decimal.NewFromInt(back), decimal.NewFromInt(part))
			if !sumDraws(parts).Equal(decimal.NewFromInt(part)) {
				t.Fatalf("%d of %v brings back %v", part, draws, parts)
			}
			for _, p := range parts { // each must be what stands at the end of what is still spent
				last := len(spent) - 1
				if keyOf(spent[last]) != keyOf(p) || p.Amount.GreaterThan(spent[last].Amount) || !p.Amount.IsPositive() {
					t.Fatalf("after %d, %d brings back %v of %v", back, part, parts, spent)
				}
				if spent[last].Amount = spent[last].Amount.Sub(p.Amount); spent[last].Amount.IsZero() {
					spent = spent[:last]
				}
			}
			back += part
		}
		if len(spent) > 0 {
			t.Fatalf("%v is still spent", spent)
		}
	})
}
