package ledger

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// Accrual gives a member units. With ActivateAt they wait in a pending place until then.
type Accrual struct {
	Member string
	Unit   string
	Amount decimal.Decimal
	// ActivateAt is zero for an accrual that is spendable at once.
	ActivateAt time.Time
	// ExpiresAt overrides Policy, which overrides the unit's policy.
	ExpiresAt time.Time
	Policy    string
	// Fund is who pays; empty is the programme.
	Fund string
}

// Into completes the request with an accrual's legs. Refusals: UNKNOWN_UNIT, AMOUNT_OUT_OF_RANGE, UNKNOWN_POLICY,
// TIME_NOT_IN_FUTURE, EFFECTIVE_IN_FUTURE, PERIOD_CLOSED, BACK_DATING_LIMIT, REFERENCE_USED, BALANCE_CAP_REACHED, and
// NOTHING_EARNED when the limits that bound it have nothing left.
func (a Accrual) Into(programme uuid.UUID, r Request) Request {
	r.Kind, r.Member, r.DueAt = KindAccrual, a.Member, a.ActivateAt
	to := walletOf(a.Member, a.Unit)
	if !a.ActivateAt.IsZero() {
		to.Place, to.Of = Pending, TransactionID(programme, r.Client, r.Key)
	}
	r.Legs = []Leg{{
		From: Account{Unit: a.Unit, Owner: ProgrammeOwner, Place: Issuance}, To: to,
		Unit: a.Unit, Amount: a.Amount, ExpiresAt: a.ExpiresAt, Policy: a.Policy, Fund: a.Fund,
	}}
	return r
}

// GrantAllotment gives a member the uses of an allotment that expire with its period.
// Refusals are those of an accrual.
func GrantAllotment(member, unit string, amount decimal.Decimal, expiresAt time.Time, r Request) Request {
	r.Kind, r.Member = KindAllotment, member
	r.Legs = []Leg{{
		From: Account{Unit: unit, Owner: ProgrammeOwner, Place: Issuance}, To: walletOf(member, unit),
		Unit: unit, Amount: amount, ExpiresAt: expiresAt,
	}}
	return r
}

// accrue posts the legs of an accrual or an allotment. Each leg into a wallet or a pending place makes one lot.
func (b *Book) accrue(tx *Transaction, r *Request) *Refusal {
	if !r.DueAt.IsZero() && !r.DueAt.After(b.now) {
		return refuse(TimeNotInFuture, "field", "activate_at")
	}
	tx.Amount = r.Amount
	for _, leg := range r.Legs {
		if tx.Kind == KindAccrual {
			leg.Amount = b.within(leg)
		}
		if leg.Amount.IsZero() {
			continue
		}
		if refusal := b.accrueLeg(tx, r, leg); refusal != nil {
			return refusal
		}
	}
	if len(tx.Legs) == 0 {
		return refuse(NothingEarned)
	}
	for _, leg := range slices.Clone(tx.Legs) {
		wallet := leg.To.Account
		if wallet.Place != Wallet {
			continue
		}
		if refusal := b.settle(tx, wallet); refusal != nil {
			return refusal
		}
		if tx.Kind != KindAccrual {
			continue
		}
		if refusal := b.extendByActivity(tx, wallet); refusal != nil {
			return refusal
		}
	}
	return nil
}

// accrueLeg posts one leg, what it uses of limits and what a partner owes for it.
func (b *Book) accrueLeg(tx *Transaction, r *Request, leg Leg) *Refusal {
	partners := leg
	partners.Fund, partners.Amount = leg.Owes.Fund, leg.Amount.Mul(leg.Owes.Share).Truncate(b.programme.Units[leg.Unit].Scale)
	own := leg
	own.Amount = leg.Amount.Sub(partners.Amount)
	for _, funded := range [...]Leg{own, partners} {
		if refusal := b.accrueFunded(tx, r, funded); refusal != nil {
			return refusal
		}
	}
	if refusal := b.use(tx, leg); refusal != nil {
		return refusal
	}
	return b.owe(tx, partners)
}

// accrueFunded posts what one fund pays for.
func (b *Book) accrueFunded(tx *Transaction, r *Request, leg Leg) *Refusal {
	if leg.Amount.IsZero() {
		return nil
	}
	var draws []Draw
	if leg.To.Place.bearsLots() {
		expiresAt, refusal := b.expiryOf(tx, r, leg)
		if refusal != nil {
			return refusal
		}
		draws = []Draw{{ExpiresAt: expiresAt, Fund: fundOf(leg), Amount: leg.Amount}}
	}
	if leg.To.Place == Pending {
		b.edit(leg.To).dueAt = r.DueAt
	}
	if refusal := b.move(tx, leg.From, leg.To, leg.Amount, draws); refusal != nil {
		return refusal
	}
	tx.Legs[len(tx.Legs)-1].Rule = leg.Rule
	return nil
}

// owe posts what a partner owes for its share of a leg, to the nearest unit of money, halves away from zero.
func (b *Book) owe(tx *Transaction, leg Leg) *Refusal {
	owed := leg.Owes.Price.Mul(leg.Amount).Round(b.programme.Units[leg.Owes.Unit].Scale)
	if owed.IsZero() {
		return nil
	}
	from, to := leg.Owes.accounts()
	return b.move(tx, from, to, owed, nil)
}

func (o Owing) accounts() (from, to Account) {
	return Account{Unit: o.Unit, Owner: Partner(o.Partner), Place: Receivable},
		Account{Unit: o.Unit, Owner: ProgrammeOwner, Place: Deferred}
}

// expiryOf finds when a new lot expires: the request's own time, else its policy, else the unit's. Pending units count
// from their activation.
func (b *Book) expiryOf(tx *Transaction, r *Request, leg Leg) (time.Time, *Refusal) {
	if !leg.ExpiresAt.IsZero() {
		if !leg.ExpiresAt.After(b.now) {
			return time.Time{}, refuse(TimeNotInFuture, "field", "expires_at")
		}
		return leg.ExpiresAt, nil
	}
	name := leg.Policy
	if name == "" {
		name = b.programme.Units[leg.Unit].Expiry
	}
	if name == "" {
		return Never, nil
	}
	policy, declared := b.programme.Policies[name]
	if !declared {
		return time.Time{}, refuse(UnknownPolicy, "policy", name)
	}
	from := tx.EffectiveAt
	if !r.DueAt.IsZero() {
		from = r.DueAt
	}
	return policy.ExpiresAt(from, b.programme.Zone), nil
}

func fundOf(leg Leg) string {
	if leg.Fund == "" {
		return ProgrammeFund
	}
	return leg.Fund
}

// activate moves a pending accrual, whole, to the member's wallet once its time has come.
func (b *Book) activate(tx *Transaction) *Refusal {
	refusal := refuse(NotFoundReason) // the original is no pending accrual
	for _, leg := range b.originals[tx.Original].tx.Legs {
		if leg.To.Account.Place != Pending {
			continue
		}
		pending := b.account(leg.To.Account)
		switch {
		case pending.balance.IsZero():
			return refuse(NotPending)
		case pending.dueAt.After(b.now):
			return refuse(HoldNotDue)
		}
		wallet := walletOf(tx.Member, leg.Unit)
		draws, _ := pending.lots.pick(pending.balance, time.Time{})
		if refusal = b.move(tx, pending.Account, wallet, pending.balance, draws); refusal != nil {
			return refusal
		}
		if refusal = b.settle(tx, wallet); refusal != nil {
			return refusal
		}
		if refusal = b.extendByActivity(tx, wallet); refusal != nil {
			return refusal
		}
	}
	return refusal
}
