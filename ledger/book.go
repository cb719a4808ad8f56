package ledger

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// Book is the loaded state that decides a batch of requests, and what applying them adds to it. Everything in it is
// locked for the length of the batch. Applying is pure: no I/O, no clock, no randomness.
type Book struct {
	programme *Programme
	now       time.Time
	openFrom  time.Time
	stripe    int16
	accounts  map[Account]*account
	originals map[uuid.UUID]*original
	known     map[uuid.UUID]*known
	used      map[reference]uuid.UUID
	frozen    map[string]Kind             // of the transaction that stands in a member's way: a freeze, or a forfeiture
	accrued   map[Account]decimal.Decimal // by wallet, for requests with needs
	out       batch
	undo      []func()
	stage     int
}

// account is an account's state in the book.
type account struct {
	Account
	id         uuid.UUID
	floor      decimal.Decimal
	floored    bool
	balance    decimal.Decimal
	seq        int64
	head       []byte
	recordedAt time.Time
	dueAt      time.Time
	lots       lotSet
	before     saved // as loaded, to find what changed
	stored     bool
	stage      int // the stage in which it was last put into the undo list
}

type saved struct {
	seq     int64
	balance decimal.Decimal
	lots    lotSet
}

// original is an earlier transaction that a request refers to, with what later ones already took back of it.
type original struct {
	tx       *Transaction
	reversed decimal.Decimal
}

// known is a transaction that is already recorded, or was applied earlier in this batch.
type known struct {
	requestHash []byte
	tx          *Transaction // nil when it was recorded by an earlier batch and has to be read
}

type reference struct {
	client, reference string
	kind              Kind
}

// batch is what applying adds: journal rows and changes of projections.
type batch struct {
	transactions []*Transaction
	touched      []*account
	followUps    []followUp
	references   []usedReference
	freezes      []freeze
	companions   []companion
	clock        time.Time
	openFrom     time.Time
}

type followUp struct {
	original, transaction uuid.UUID
	kind                  Kind
	amount                decimal.Decimal
}

type usedReference struct {
	reference
	transaction uuid.UUID
}

type freeze struct {
	member      string
	by          Kind // none when the freeze ended
	transaction uuid.UUID
}

type companion struct {
	Companion
	transaction uuid.UUID
}

func newBook(p *Programme, stripe int16) *Book {
	return &Book{
		programme: p, stripe: stripe,
		accounts:  make(map[Account]*account),
		originals: make(map[uuid.UUID]*original),
		known:     make(map[uuid.UUID]*known),
		used:      make(map[reference]uuid.UUID),
		frozen:    make(map[string]Kind),
		accrued:   make(map[Account]decimal.Decimal),
	}
}

// mark begins a stage: everything since can be taken back by rollback.
func (b *Book) mark() int {
	b.stage++
	return len(b.undo)
}

func (b *Book) rollback(mark int) {
	for i := len(b.undo) - 1; i >= mark; i-- {
		b.undo[i]()
	}
	b.undo = b.undo[:mark]
	b.stage++
}

// onStripe puts a striped account on the batch's stripe.
func (b *Book) onStripe(a Account) Account {
	a.Stripe = 0
	if a.Place.striped() {
		a.Stripe = b.stripe
	}
	return a
}

// account finds an account that require listed. Asking for another is a bug: it would not be locked.
func (b *Book) account(a Account) *account {
	acc := b.accounts[b.onStripe(a)]
	if acc == nil {
		panic(fmt.Sprintf("ledger: a %s account in %s was not loaded", a.Place, a.Unit)) // whose it is does not belong in a log
	}
	return acc
}

// edit returns the account for changing, after saving it for a rollback of this stage.
func (b *Book) edit(a Account) *account {
	acc := b.account(a)
	if acc.stage == b.stage {
		return acc
	}
	before := *acc
	before.lots = slices.Clone(acc.lots)
	touched := len(b.out.touched)
	b.undo = append(b.undo, func() {
		*acc = before
		b.out.touched = b.out.touched[:touched]
	})
	acc.stage = b.stage
	return acc
}

// move posts one leg of tx. draws are the lot lines, positive, of a leg that touches a place that bears lots.
func (b *Book) move(tx *Transaction, from, to Account, amount decimal.Decimal, draws []Draw) *Refusal {
	unit := b.programme.Units[from.Unit]
	if !flows[flow{tx.Kind, from.Place, to.Place, unit.Kind}] || !tx.Kind.mayChangeHands(from, to) {
		return refuse(FlowNotAllowed, "kind", string(tx.Kind), "from", string(from.Place), "to", string(to.Place))
	}
	if !unit.counts(amount) {
		return refuse(AmountOutOfRange, "amount", amount.String(), "unit", unit.Code)
	}
	fromEntry, refusal := b.enter(tx, from, amount.Neg(), draws)
	if refusal != nil {
		return refusal
	}
	toEntry, refusal := b.enter(tx, to, amount, draws)
	if refusal != nil {
		return refusal
	}
	leg := PostedLeg{Unit: unit.Code, Amount: amount, From: fromEntry, To: toEntry}
	tx.Legs = append(tx.Legs, leg)
	b.countAccrued(tx, leg)
	return nil
}

// enter adds one entry to an account: balance, lots, seq and chain move together.
func (b *Book) enter(tx *Transaction, name Account, amount decimal.Decimal, draws []Draw) (Entry, *Refusal) {
	acc := b.edit(name)
	if amount.IsPositive() && b.closed(name) {
		return Entry{}, refuse(MemberTerminated)
	}
	balance := acc.balance.Add(amount)
	if acc.floored && amount.IsNegative() && balance.LessThan(acc.floor) {
		return Entry{}, shortfall(acc, amount.Neg())
	}
	if balance.Abs().GreaterThan(maxBalance) {
		return Entry{}, refuse(BalanceCapReached, "unit", name.Unit, "place", string(name.Place))
	}
	var lines []Draw
	if name.Place.bearsLots() {
		lines = make([]Draw, len(draws))
		for i, d := range draws {
			if amount.IsNegative() {
				d = d.neg()
			}
			lines[i] = d
			if !acc.lots.add(d) {
				return Entry{}, shortfall(acc, amount.Neg())
			}
		}
	}
	if acc.seq == acc.before.seq {
		b.out.touched = append(b.out.touched, acc)
	}
	acc.balance = balance
	acc.seq++
	acc.recordedAt = b.now
	e := Entry{
		Account: acc.Account, AccountID: acc.id, Seq: acc.seq, Transaction: tx.ID, Leg: int16(len(tx.Legs)), Kind: tx.Kind,
		Amount: amount, Balance: balance, EffectiveAt: tx.EffectiveAt, RecordedAt: b.now, Draws: lines,
	}
	e.Hash = e.chain(acc.head)
	acc.head = e.Hash
	return e, nil
}

// shortfall names what an account lacks, in the words of its place.
func shortfall(acc *account, required decimal.Decimal) *Refusal {
	reason := InsufficientPoints
	switch acc.Place {
	case Stock:
		reason = OutOfStock
	case Budget:
		reason = BudgetExhausted
	case Prepaid:
		reason = PrepaidExhausted
	case Debt:
		reason = DebtLimitReached
	case Hold:
		reason = HoldClosed
	case Voucher:
		reason = VoucherUsed
	case Pending:
		reason = NotPending
	case Cap:
		reason = LimitReached
	default:
	}
	return refuse(reason, "available", acc.balance.Sub(acc.floor).String(), "required", required.String(), "unit", acc.Unit)
}

// spend picks what leaves a wallet: live lots in spending order.
func (b *Book) spend(wallet Account, amount decimal.Decimal) ([]Draw, *Refusal) {
	acc := b.account(wallet)
	draws, enough := acc.lots.pick(amount, b.now)
	if !enough {
		return nil, refuse(InsufficientPoints, "available", acc.lots.live(b.now).String(), "required", amount.String(),
			"unit", wallet.Unit)
	}
	return draws, nil
}

// settle finishes a credit to a wallet: what arrived already expired goes to breakage, and debt is paid first.
func (b *Book) settle(tx *Transaction, wallet Account) *Refusal {
	if r := b.dropLapsed(tx, wallet); r != nil {
		return r
	}
	owed := b.account(debtOf(wallet)).balance.Neg()
	payment := decimal.Min(owed, b.account(wallet).lots.live(b.now))
	if !payment.IsPositive() {
		return nil
	}
	draws, r := b.spend(wallet, payment)
	if r != nil {
		return r
	}
	return b.move(tx, wallet, debtOf(wallet), payment, draws)
}

// dropLapsed moves what has expired in a wallet or a voucher to breakage, within the transaction that brought it.
func (b *Book) dropLapsed(tx *Transaction, place Account) *Refusal {
	lapsed := b.account(place).lots.lapsed(b.now)
	if len(lapsed) == 0 {
		return nil
	}
	return b.move(tx, place, breakageOf(place.Unit), sumDraws(lapsed), lapsed)
}

func breakageOf(unit string) Account {
	return Account{Unit: unit, Owner: ProgrammeOwner, Place: Breakage}
}

func debtOf(wallet Account) Account {
	return Account{Unit: wallet.Unit, Owner: wallet.Owner, Place: Debt}
}

func walletOf(member, unit string) Account {
	return Account{Unit: unit, Owner: Member(member), Place: Wallet}
}
