package ledger

import (
	"flag"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

var machineOps = flag.Int("ledger.ops", machineOpsByDefault, "operations of the state machine against its model")

// TestLedgerAgreesWithItsModel drives the pure core and the model with the same random asks of every kind and compares
// them after each. -ledger.ops says how many asks in total; -rapid.seed repeats a run, -rapid.failfile a failure.
func TestLedgerAgreesWithItsModel(t *testing.T) {
	const steps = 150
	setFlag(t, "rapid.steps", strconv.Itoa(steps))
	setFlag(t, "rapid.checks", strconv.Itoa(1+*machineOps/steps))
	done, seen := 0, map[string]int{}
	for done < *machineOps && !t.Failed() {
		rapid.Check(t, func(t *rapid.T) {
			m := newMachine(t)
			t.Repeat(map[string]func(*rapid.T){"": m.compare, "step": m.one})
			m.settleUp(t)
			done += m.asked
			for what, n := range m.seen {
				seen[what] += n
			}
		})
	}
	for _, what := range outcomesToSee {
		if done < 50_000 {
			break // too few to see the rarest
		}
		if seen[what] == 0 {
			t.Errorf("in %d asks none was %q: the machine does not try it", done, what)
		}
	}
	t.Logf("%d asks: %v", done, seen)
}

// outcomesToSee keeps the machine from testing less than it says.
var outcomesToSee = []string{
	"accrue", "bill", "allot", "redeem", "voucher", "use", "hold", "capture", "void", "timeout", "activate", "lapse",
	"adjust", "transfer", "publish", "redate", "freeze", "unfreeze", "period", "clock", "reverse", "replay", "forfeit", "merge",
	"unmerge", string(MemberTerminated), string(NothingToMerge), "debt", "expiry",
	string(UnknownUnit), string(InvalidField), string(AmountOutOfRange), string(FlowNotAllowed), string(SameAccount),
	string(EffectiveInFuture), string(TimeNotInFuture), string(ReasonRequired), string(UnknownPolicy),
	string(NotFoundReason), string(InsufficientPoints), string(OutOfStock), string(DebtLimitReached),
	string(MemberFrozen), string(PeriodClosed), string(BackDatingLimit), string(HoldClosed), string(HoldExpired),
	string(HoldNotDue), string(CaptureExceedsHold), string(NotPending), string(AlreadyReversed),
	string(ReversalExceedsRest), string(NotReversible), string(NotReversibleInParts), string(VoucherUsed),
	string(VoucherExpired), string(ReferenceUsed), string(NotSandbox), string(ClockBackwards), string(PeriodBackwards),
	string(AlreadyFrozen), string(NotFrozen), string(NothingToRedate), string(AtomicBatchRejected),
	string(IdempotencyKeyReused),
}

// setFlag sets a flag for the length of the test.
func setFlag(t *testing.T, name, value string) {
	t.Helper()
	before := flag.Lookup(name).Value.String()
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set(name, before) })
}

// machine holds the ledger and its model side by side.
type machine struct {
	*desk
	model *model
	names map[uuid.UUID]string
	known map[*account]string // the model's name of an account
	keys  int
	asked int
	tried []ask // the latest

	document []byte
	mirror   func(*rapid.T, Item, []outcome) // also answers every item; nil for the pure core alone
	seen     map[string]int
}

func newMachine(t *rapid.T) *machine {
	return newMachineOf(t, "machine", rapid.Bool().Draw(t, "sandbox"), 3)
}

func newMachineOf(t *rapid.T, programme string, sandbox bool, version int64) *machine {
	grace := rapid.SampledFrom([]int64{0, 5}).Draw(t, "grace")
	document := fmt.Appendf(nil, "programme: %s\nsandbox: %v\nrefund_grace: %dd\n%s", programme, sandbox, grace, machineProgramme)
	p, err := ParseProgramme(document, version)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{TB: t, book: newBook(p, 11), byID: make(map[uuid.UUID]*Transaction)}
	d.book.now, d.book.openFrom = day("2026-03-20"), sandboxEpoch
	return &machine{
		desk: d, model: newModel(d.book.now.UnixMicro(), sandbox, grace*aday), document: document,
		names: make(map[uuid.UUID]string), known: make(map[*account]string), seen: make(map[string]int),
	}
}

// step gives both sides the same item and compares the answers.
func (m *machine) step(t *rapid.T, atomic bool, asks ...ask) {
	m.TB = t
	m.asked += len(asks)
	m.tried = append(m.tried[max(0, len(m.tried)-30):], asks...)
	item := Item{Atomic: atomic}
	for _, a := range asks {
		m.names[idOf(m.book.programme.ID, a.name())] = a.name()
		t.Logf("ask at %s: %s", moment(m.model.now).Format(time.DateTime), a)
		item.Requests = append(item.Requests, a.request(m.book.programme.ID))
	}
	before := len(m.model.order)
	want := m.model.decide(asks, atomic)
	recorded := m.ordinary()
	got := m.applyOnly(item)
	for i, a := range asks {
		m.compareAnswer(t, a, got[i], want[i])
		m.note(a, want[i])
	}
	if m.mirror != nil {
		m.mirror(t, item, got)
	}
	if n, w := m.ordinary()-recorded, len(m.model.order)-before; n != w {
		t.Fatalf("%d transactions are recorded beside expiries, want %d", n, w)
	}
}

// ordinary counts what the open batch recorded beside the expiries that the ledger posts by itself.
func (m *machine) ordinary() int {
	n := 0
	for _, tx := range m.book.out.transactions {
		if tx.Client != systemClient {
			n++
		}
	}
	return n
}

func (m *machine) compareAnswer(t *rapid.T, a ask, got outcome, want answer) {
	if reason := reasonOf(got); reason != want.reason {
		t.Fatalf("%s\nis answered with %q (%v), want %q", a, reason, got.err, want.reason)
	}
	if recorded := got.tx != nil; recorded != want.recorded {
		t.Fatalf("%s\nis recorded: %v, want %v", a, recorded, want.recorded)
	}
	if want.n != whichever && got.tx != nil && got.tx.Posted() && got.tx.Amount.Shift(2).IntPart() != want.n {
		t.Fatalf("%s\nmoved %s, want %d hundredths", a, got.tx.Amount, want.n)
	}
}

func (m *machine) note(a ask, got answer) {
	if got.reason == "" {
		m.seen[a.verb]++
		if p := m.model.past[a.original]; a.verb == "reverse" && p != nil && p.ask.verb == "merge" {
			m.seen["unmerge"]++
		}
		return
	}
	m.seen[string(got.reason)]++
}

// compare holds every account of the ledger against the model, and the model against the ledger. What has lapsed in a
// wallet that nobody touched counts as breakage: whether it was swept must make no difference.
func (m *machine) compare(t *rapid.T) {
	piles, lapsed := 0, map[string]int64{}
	sums := make(map[string]int64, len(m.model.sums))
	for _, acc := range m.book.accounts {
		if acc.seq == 0 {
			continue
		}
		name := m.nameOf(acc)
		if !acc.Place.bearsLots() {
			sums[name] += acc.balance.Shift(2).IntPart()
			continue
		}
		n := 0
		for _, lot := range acc.lots {
			left := lot.Remaining.Shift(2).IntPart()
			if acc.Place == Wallet && !lot.ExpiresAt.After(m.book.now) {
				lapsed[acc.Unit] += left
				continue
			}
			n++
			if want := m.model.piles[name][lotName{lot.ExpiresAt.UnixMicro(), lot.Fund}]; left != want {
				t.Fatalf("%s holds %d of %s %s, want %d", name, left, lot.ExpiresAt, lot.Fund, want)
			}
		}
		if n != len(m.model.piles[name]) {
			t.Fatalf("%s holds lots %v, want %v", name, acc.lots, m.model.piles[name])
		}
		if n > 0 {
			piles++
		}
	}
	if piles != len(m.model.piles) {
		t.Fatalf("%d places hold something, want %d", piles, len(m.model.piles))
	}
	for unit, n := range lapsed {
		sums[house(unit, "breakage")] += n
	}
	m.compareSums(t, sums)
}

func (m *machine) compareSums(t *rapid.T, sums map[string]int64) {
	for name, want := range m.model.sums {
		if sums[name] != want {
			t.Fatalf("%s holds %d, want %d", name, sums[name], want)
		}
		if want < 0 && name[len(name)-5:] == "|debt" {
			m.seen["debt"]++
		}
	}
	for name, got := range sums {
		if m.model.sums[name] != got {
			t.Fatalf("%s holds %d, want %d", name, got, m.model.sums[name])
		}
	}
	for member, frozen := range m.model.frozen {
		if got := m.book.frozen[member]; (got == KindFreeze) != (frozen && !m.model.ended[member]) {
			t.Fatalf("%s frozen: %q, want %v", member, got, frozen)
		}
	}
	for member := range m.model.ended {
		if got := m.book.frozen[member]; got != KindForfeiture {
			t.Fatalf("%s ended: %q", member, got)
		}
	}
}

func (m *machine) nameOf(acc *account) string {
	name := m.known[acc]
	if name == "" {
		where := string(acc.Place)
		if acc.Place.opens() {
			where += "/" + m.names[acc.Of]
		}
		name = acc.Unit + "|" + string(acc.Owner) + "|" + where
		m.known[acc] = name
	}
	return name
}

// closeBatch ends the batch on both sides.
func (m *machine) closeBatch() {
	m.flush()
	m.model.flush()
}

// settleUp ends a run: every wallet is swept, both sides agree without allowance, and the journal is audited.
func (m *machine) settleUp(t *rapid.T) {
	m.TB = t
	m.closeBatch()
	sweep := Item{}
	for _, acc := range m.book.accounts {
		if acc.Place == Wallet {
			sweep.Requests = append(sweep.Requests, Request{
				Client: systemClient, Key: "touch", Kind: touch, Legs: []Leg{{From: acc.Account, To: acc.Account, Unit: acc.Unit}},
			})
		}
	}
	m.applyOnly(sweep)
	m.closeBatch()
	for _, acc := range m.book.accounts {
		if acc.Place == Wallet && len(acc.lots.lapsed(m.book.now)) > 0 {
			t.Fatalf("%s keeps lapsed lots after a sweep", acc.Owner)
		}
	}
	m.compare(t)
	m.audit(t)
	for _, tx := range m.journal {
		if tx.Kind == KindExpiry && tx.Client == systemClient {
			m.seen["expiry"]++
		}
	}
}
