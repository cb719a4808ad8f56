package ledger

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

// otherValue is a value of the same type that says something else.
func otherValue(t *testing.T, v reflect.Value) reflect.Value {
	t.Helper()
	switch was := v.Interface().(type) {
	case time.Time:
		return reflect.ValueOf(was.Add(time.Microsecond))
	case decimal.Decimal:
		return reflect.ValueOf(was.Add(decimal.New(1, -9)))
	case uuid.UUID:
		was[15]++
		return reflect.ValueOf(was)
	case map[string]string:
		return reflect.ValueOf(map[string]string{"available": "4"})
	case []byte:
		return reflect.ValueOf(append(slices.Clone(was), 0))
	case []uuid.UUID:
		return reflect.ValueOf(append(slices.Clone(was), uuid.Nil))
	case []Draw:
		return reflect.ValueOf(append(slices.Clone(was), Draw{ExpiresAt: Never, Fund: "x", Amount: decimal.New(1, 0)}))
	}
	other := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.String:
		other.SetString(v.String() + "x")
	case reflect.Int, reflect.Int16, reflect.Int32, reflect.Int64:
		other.SetInt(v.Int() + 1)
	case reflect.Bool:
		other.SetBool(!v.Bool())
	default:
		t.Fatalf("no other value of a %s: teach this test the new field", v.Type())
	}
	return other
}

// eachField changes every field of row, and those of the structs and slices of structs in it, one at a time. Fields are
// named by path, such as "Legs.From.Owner"; those in leave are left out, and so is what is below them.
func eachField(t *testing.T, row reflect.Value, path string, leave map[string]string, check func(path string)) {
	t.Helper()
	for i := range row.NumField() {
		field := row.Field(i)
		name := strings.TrimPrefix(path+"."+row.Type().Field(i).Name, ".")
		if leave[name] != "" {
			delete(leave, name) // each is used once
			continue
		}
		switch inner := field.Interface().(type) {
		case Account, Entry, Owing:
			eachField(t, field, name, leave, check)
			continue
		case []Account:
			eachField(t, reflect.ValueOf(&inner[0]).Elem(), name, leave, check)
			continue
		case []Leg:
			eachField(t, reflect.ValueOf(&inner[0]).Elem(), name, leave, check)
			continue
		case []PostedLeg:
			eachField(t, reflect.ValueOf(&inner[0]).Elem(), name, leave, check)
			continue
		}
		before := reflect.New(field.Type()).Elem()
		before.Set(field)
		field.Set(otherValue(t, field))
		check(name)
		field.Set(before)
	}
}

// checkEveryField fails when a field may change without a change of the hash.
func checkEveryField(t *testing.T, row any, leave map[string]string, hash func() []byte) {
	t.Helper()
	first := hash()
	seen := map[string]string{string(first): "nothing"}
	eachField(t, reflect.ValueOf(row).Elem(), "", leave, func(path string) {
		got := string(hash())
		if twin := seen[got]; twin != "" {
			t.Errorf("the hash with another %s is that with another %s", path, twin)
		}
		seen[got] = path
	})
	if !bytes.Equal(first, hash()) {
		t.Fatal("a field was not put back")
	}
	if len(leave) > 0 {
		t.Errorf("fields that are left out but do not exist: %v", leave)
	}
}

func TestEveryFieldOfARequestMatters(t *testing.T) {
	at := day("2026-01-15")
	r := Accrual{Member: "ann", Unit: "points", Amount: amount("1")}.Into(uuid.UUID{1}, Request{Client: "test", Key: "k"})
	r.Legs[0].To.Place, r.Legs[0].From.Place = Hold, Voucher // places whose Of counts
	r.Legs[0].Uses = []Account{{Unit: "monthly", Place: Hold}}
	r.DueAt, r.EffectiveAt, r.RedateFrom, r.RedateTo = at, at, at, at
	checkEveryField(t, &r, map[string]string{
		"Client": "names the transaction", "Key": "names the transaction", "Companions": "are not the caller's",
		"Needs": "are the rule's", "Otherwise": "is the same in another way", "Denied": "is the rule's",
		"HoldsUntil": "a retry may be built from other terms", "own": "is the ledger's", "under": "a retry may be built from other terms",
	}, r.hash)
}

func TestEveryFieldOfAnEntryIsInItsChain(t *testing.T) {
	e := Entry{
		AccountID: uuid.UUID{1}, Seq: 2, Transaction: uuid.UUID{3}, Kind: KindAccrual, Amount: amount("1"), Balance: amount("2"),
		EffectiveAt: day("2026-01-14"), RecordedAt: day("2026-01-15"),
	}
	previous := []byte("previous")
	checkEveryField(t, &e, map[string]string{"Account": "is what AccountID says", "Hash": "is the hash"}, func() []byte {
		return e.chain(previous)
	})
	if bytes.Equal(e.chain(previous), e.chain([]byte("another"))) {
		t.Error("the previous hash does not matter")
	}
}

func TestEveryFieldOfATransactionIsInItsDigest(t *testing.T) {
	leave := map[string]string{"Hash": "is the hash"}
	for _, side := range []string{"Legs.From.", "Legs.To."} {
		for _, field := range []string{
			"AccountID", "Transaction", "Leg", "Kind", "Amount", "Balance", "EffectiveAt", "RecordedAt", "Draws", "Hash",
		} {
			leave[side+field] = "is in the entry's own chain"
		}
	}
	of := Account{Unit: "points", Owner: Member("ann"), Place: Hold, Of: uuid.UUID{9}}
	tx := Transaction{
		EffectiveAt: day("2026-01-14"), RecordedAt: day("2026-01-15"), DueAt: day("2026-01-16"), Amount: amount("1"),
		Legs: []PostedLeg{{Unit: "points", Amount: amount("1"), From: Entry{Account: of}, To: Entry{Account: of}}},
	}
	checkEveryField(t, &tx, leave, tx.digest)
}

func TestEveryFieldOfASealIsInItsChain(t *testing.T) {
	s := Seal{RecordedAt: day("2026-01-14"), SealedAt: day("2026-01-15"), Transactions: []uuid.UUID{{1}, {2}}}
	digests := [][]byte{[]byte("a"), []byte("b"), []byte("c")}
	checkEveryField(t, &s, map[string]string{"Hash": "is the hash"}, func() []byte { return s.chain(nil, digests) })
	first := s.chain(nil, digests)
	for what, other := range map[string][]byte{
		"the previous hash":        s.chain([]byte("x"), digests),
		"a transaction's digest":   s.chain(nil, [][]byte{[]byte("a"), []byte("x"), []byte("c")}),
		"the order of the digests": s.chain(nil, [][]byte{[]byte("b"), []byte("a"), []byte("c")}),
	} {
		if bytes.Equal(first, other) {
			t.Errorf("%s does not matter", what)
		}
	}
}

// smallRequest has texts of few letters, so that moving one from a field to the next would show.
func smallRequest(t *rapid.T) Request {
	text := rapid.SampledFrom([]string{"", "a", "aa", "ab", "b"})
	at := rapid.Map(rapid.Int64Range(0, 2), moment)
	n := rapid.Map(rapid.Int64Range(1, 3), func(n int64) decimal.Decimal { return decimal.New(n, int32(n)-2) })
	r := Request{
		Kind: Kind(text.Draw(t, "kind")), Member: text.Draw(t, "member"), Amount: n.Draw(t, "amount"),
		Asked: text.Draw(t, "asked"), Reason: text.Draw(t, "reason"), Reference: text.Draw(t, "reference"),
		Rule: text.Draw(t, "rule"), Actor: text.Draw(t, "actor"), Channel: text.Draw(t, "channel"),
		DueAt: at.Draw(t, "due"), RedateFrom: at.Draw(t, "from"), RedateTo: at.Draw(t, "to"), Release: rapid.Bool().Draw(t, "release"),
	}
	for range rapid.IntRange(0, 2).Draw(t, "legs") {
		unit := text.Draw(t, "unit")
		account := func() Account {
			return Account{Unit: unit, Owner: Owner(text.Draw(t, "owner")), Place: Place(text.Draw(t, "place"))}
		}
		r.Legs = append(r.Legs, Leg{
			From: account(), To: account(), Unit: unit, Amount: n.Draw(t, "n"), ExpiresAt: at.Draw(t, "expires"),
			Fund: text.Draw(t, "fund"), Policy: text.Draw(t, "policy"), Rule: text.Draw(t, "leg rule"),
			Uses: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Account {
				return Account{Unit: text.Draw(t, "limit"), Place: Cap, Period: text.Draw(t, "period")}
			}), 0, 2).Draw(t, "uses"),
			Owes: Owing{
				Partner: text.Draw(t, "partner"), Fund: text.Draw(t, "partner's fund"), Share: n.Draw(t, "share"),
				Unit: text.Draw(t, "money"), Price: n.Draw(t, "price"),
			},
		})
	}
	return r
}

// TestDifferentRequestsHaveDifferentHashes compares a request with one that differs in a field or two: equal hashes must
// mean equal requests.
func TestDifferentRequestsHaveDifferentHashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := smallRequest(t), smallRequest(t)
		mixed := a // takes a run of fields from b, as if a border between two fields were lost
		first := rapid.IntRange(0, reflect.TypeFor[Request]().NumField()-1).Draw(t, "first")
		last := rapid.IntRange(first, reflect.TypeFor[Request]().NumField()-1).Draw(t, "last")
		for i := first; i <= last; i++ {
			if field := reflect.ValueOf(&mixed).Elem().Field(i); field.CanSet() {
				field.Set(reflect.ValueOf(b).Field(i))
			}
		}
		if same := equalRequests(a, mixed); same != bytes.Equal(a.hash(), mixed.hash()) {
			t.Fatalf("equal: %v\n%+v\n%+v", same, a, mixed)
		}
	})
}

func equalRequests(a, b Request) bool {
	asked := a.Kind == b.Kind && a.Member == b.Member && a.Asked == b.Asked && a.Reason == b.Reason &&
		a.Reference == b.Reference && a.Actor == b.Actor && a.Channel == b.Channel
	if !asked || a.Asked != "" { // what follows from what was asked does not count
		return asked
	}
	legs := slices.EqualFunc(a.Legs, b.Legs, func(x, y Leg) bool {
		return x.From == y.From && x.To == y.To && x.Unit == y.Unit && x.Fund == y.Fund && x.Amount.Equal(y.Amount) &&
			x.ExpiresAt.Equal(y.ExpiresAt) && x.Policy == y.Policy && x.Rule == y.Rule && slices.Equal(x.Uses, y.Uses) &&
			x.Owes.Partner == y.Owes.Partner && x.Owes.Fund == y.Owes.Fund && x.Owes.Share.Equal(y.Owes.Share) && x.Owes.Unit == y.Owes.Unit && x.Owes.Price.Equal(y.Owes.Price)
	})
	return legs && a.Amount.Equal(b.Amount) && a.Rule == b.Rule && a.DueAt.Equal(b.DueAt) && a.RedateFrom.Equal(b.RedateFrom) &&
		a.RedateTo.Equal(b.RedateTo) && a.Release == b.Release
}

func TestAnAmountIsHashedByItsValue(t *testing.T) {
	for _, same := range [][]string{{"1.5", "1.50", "15e-1"}, {"1000", "1e3", "1000.000"}, {"0.01", "1e-2"}} {
		first := Request{Amount: amount(same[0])}
		for _, text := range same[1:] {
			if other := (Request{Amount: amount(text)}); !bytes.Equal(first.hash(), other.hash()) {
				t.Errorf("%s and %s are hashed differently", same[0], text)
			}
		}
	}
}

// TestDetailSurvivesItsStoredForm leaves out line breaks: keys, the only words of a caller in a detail, have none.
func TestDetailSurvivesItsStoredForm(t *testing.T) {
	text := rapid.StringMatching(`[a-c= |;\\]{0,4}`)
	key := rapid.SampledFrom([]string{"available", "because", "key"})
	rapid.Check(t, func(t *rapid.T) {
		one, two := rapid.MapOf(key, text).Draw(t, "one"), rapid.MapOf(key, text).Draw(t, "two")
		if maps.Equal(one, two) != (formatDetail(one) == formatDetail(two)) {
			t.Fatalf("%q and %q", formatDetail(one), formatDetail(two))
		}
		if parsed := parseDetail(formatDetail(one)); !maps.Equal(parsed, one) {
			t.Fatalf("%q is read as %q", one, parsed)
		}
	})
}
