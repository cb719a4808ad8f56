package ledger

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// Item is what a caller posts at once. Atomic requests are posted all or none; each still has its own key and answer.
type Item struct {
	Requests []Request
	Atomic   bool
}

// outcome is the answer to one request: a transaction, posted or rejected; the id of one that an earlier batch recorded
// and that has to be read; or an error that is not recorded.
type outcome struct {
	tx       *Transaction
	recorded uuid.UUID
	err      error
	expired  []*Transaction // that had to be posted before it
}

// SystemClient names the transactions that the programme's own rules make. Credentials cannot carry a name that begins with it.
const SystemClient = "tallystick"

const systemClient = SystemClient

// apply decides every request of an item and adds what follows to the book.
func (b *Book) apply(item *Item) []outcome {
	outcomes := make([]outcome, len(item.Requests))
	for i := range item.Requests {
		outcomes[i].expired = b.expireOnTouch(&item.Requests[i])
	}
	if item.Atomic {
		return b.applyTogether(item.Requests, outcomes)
	}
	for i := range item.Requests {
		if r := &item.Requests[i]; r.Kind != touch {
			expired := outcomes[i].expired
			outcomes[i] = b.applyOne(r)
			outcomes[i].expired = expired
		}
	}
	return outcomes
}

func (b *Book) applyOne(r *Request) outcome {
	id := TransactionID(b.programme.ID, r.Client, r.Key)
	if o, seen := b.replay(id, r); seen {
		return o
	}
	if b.outdated(r) {
		return outcome{err: ErrTermsChanged}
	}
	mark := b.mark()
	tx, refusal := b.post(id, r)
	if refusal == nil {
		return outcome{tx: tx}
	}
	b.rollback(mark)
	return b.reject(id, r, refusal)
}

// applyTogether posts all requests or none. When one is refused, every one is recorded as rejected, so that a retry of
// any of them gets the same answer.
func (b *Book) applyTogether(requests []Request, outcomes []outcome) []outcome {
	seen, ids := 0, make(map[uuid.UUID]bool, len(requests))
	for i := range requests {
		id := TransactionID(b.programme.ID, requests[i].Client, requests[i].Key)
		if ids[id] {
			return refuseAll(outcomes, refuse(InvalidField, "field", "idempotency_key"))
		}
		ids[id] = true
		if o, was := b.replay(id, &requests[i]); was {
			outcomes[i] = o
			seen++
		}
	}
	if seen == len(requests) {
		return outcomes
	}
	switch {
	case seen > 0:
		return refuseAll(outcomes, refuse(IdempotencyKeyReused))
	case slices.ContainsFunc(requests, func(r Request) bool { return b.outdated(&r) }):
		return refuseAll(outcomes, ErrTermsChanged)
	}
	mark := b.mark()
	for i := range requests {
		id := TransactionID(b.programme.ID, requests[i].Client, requests[i].Key)
		tx, refusal := b.post(id, &requests[i])
		if refusal == nil {
			outcomes[i] = outcome{tx: tx}
			continue
		}
		b.rollback(mark)
		if !recordable(&requests[i], refusal) {
			outcomes = refuseAll(outcomes, beside(refusal, requests[i].Key))
			outcomes[i].err = refusal
			return outcomes
		}
		return b.rejectAll(requests, outcomes, i, refusal)
	}
	return outcomes
}

func refuseAll(outcomes []outcome, refusal error) []outcome {
	for i := range outcomes {
		outcomes[i] = outcome{err: refusal}
	}
	return outcomes
}

// beside is the answer to the others of an atomic item when one is refused.
func beside(refusal *Refusal, key string) *Refusal {
	return refuse(AtomicBatchRejected, "because", string(refusal.Reason), "key", key)
}

func (b *Book) rejectAll(requests []Request, outcomes []outcome, failed int, refusal *Refusal) []outcome {
	for i := range requests {
		why := refusal
		if i != failed {
			why = beside(refusal, requests[failed].Key)
		}
		id := TransactionID(b.programme.ID, requests[i].Client, requests[i].Key)
		outcomes[i] = b.reject(id, &requests[i], why)
	}
	return outcomes
}

// outdated reports whether a request was built from terms that are not those of now: another version of the document, an
// interval of a limit that its time is not in, a time to wait for that has come, or terms that have ended.
func (b *Book) outdated(r *Request) bool {
	if r.under != 0 && r.under != b.programme.Version {
		return true
	}
	if !r.HoldsUntil.IsZero() && !b.now.Before(r.HoldsUntil) {
		return true
	}
	if r.Asked != "" && !r.DueAt.IsZero() && !r.DueAt.After(b.now) {
		return true // what should wait need not any more
	}
	at := r.EffectiveAt
	if at.IsZero() {
		at = b.now
	}
	for _, leg := range r.Legs {
		for _, c := range leg.Uses {
			if limit, declared := b.programme.Limits[c.Unit]; declared && limit.Interval.Of(at, b.programme.Zone) != c.Period {
				return true
			}
		}
	}
	return false
}

// replay answers a request whose key is taken: with the first answer if it asks the same, with a refusal if not (L6).
func (b *Book) replay(id uuid.UUID, r *Request) (outcome, bool) {
	k := b.known[id]
	switch {
	case k == nil:
		return outcome{}, false
	case !bytes.Equal(k.requestHash, r.hash()):
		return outcome{err: refuse(IdempotencyKeyReused)}, true
	case k.tx == nil:
		return outcome{recorded: id}, true
	default:
		return outcome{tx: k.tx}, true
	}
}

// post runs one request, as the first of its alternatives that the books allow. On a refusal, which is that of the last one
// tried, the caller rolls back to its mark.
func (b *Book) post(id uuid.UUID, r *Request) (*Transaction, *Refusal) {
	asked := r.hash()
	for {
		mark := b.mark()
		tx, refusal := b.postAs(id, r, asked)
		if refusal == nil || r.Otherwise == nil || !refusal.leavesAlternatives() {
			return tx, refusal
		}
		b.rollback(mark)
		r = r.Otherwise
	}
}

// leavesAlternatives reports whether a request that was refused so may be met in another way.
func (r *Refusal) leavesAlternatives() bool {
	return r.Reason == InsufficientPoints || r.Reason == OutOfStock || r.Reason == NotEligible
}

// postAs runs one of the alternatives of what was asked, by whose hash a retry is known.
func (b *Book) postAs(id uuid.UUID, r *Request, asked []byte) (*Transaction, *Refusal) {
	tx := b.open(id, r)
	tx.RequestHash = asked
	if refusal := b.admit(tx, r); refusal != nil {
		return nil, refusal
	}
	if r.Denied != nil {
		return nil, r.Denied
	}
	if refusal := b.rule(tx, r); refusal != nil {
		return nil, refusal
	}
	if len(tx.Legs) > 0 && tx.Amount.IsZero() {
		tx.Amount = tx.Legs[0].Amount
	}
	b.record(tx)
	b.refer(tx, r)
	return tx, nil
}

// open starts the transaction that a request becomes.
func (b *Book) open(id uuid.UUID, r *Request) *Transaction {
	tx := &Transaction{
		ID: id, Programme: b.programme.ID, Client: r.Client, Key: r.Key, Kind: r.Kind, RequestHash: r.hash(),
		Member: r.Member, Original: r.Original, DueAt: r.DueAt, Reason: r.Reason, Reference: r.Reference,
		Actor: r.Actor, Channel: r.Channel, Rule: r.Rule, RuleVersion: b.programme.Version,
		EffectiveAt: r.EffectiveAt, RecordedAt: b.now,
	}
	if tx.EffectiveAt.IsZero() {
		tx.EffectiveAt = b.now
	}
	if o := b.originals[r.Original]; o != nil && tx.Member == "" {
		tx.Member = o.tx.Member
	}
	return tx
}

// admit checks what holds for every kind, in the order in which a caller can do least about it: what the request says,
// what it refers to, whether it was done before, time, freeze, what the member must have.
func (b *Book) admit(tx *Transaction, r *Request) *Refusal {
	switch {
	case beforeEpoch(r.DueAt):
		return refuse(InvalidField, "field", "due_at")
	case beforeEpoch(r.EffectiveAt):
		return refuse(InvalidField, "field", "effective_at")
	}
	if refusal := b.admitLegs(r); refusal != nil {
		return refusal
	}
	o := b.originals[r.Original]
	if o == nil && (r.Original != uuid.Nil || r.Kind.follows()) || o != nil && o.tx.Member != tx.Member {
		return refuse(NotFoundReason)
	}
	if first, taken := b.used[reference{r.Client, r.Reference, r.Kind}]; taken && r.Reference != "" {
		return refuse(ReferenceUsed, "transaction_id", first.String())
	}
	if refusal := b.admitTime(tx.EffectiveAt); refusal != nil && !tx.Kind.control() {
		return refusal
	}
	if refusal := b.admitMember(tx); refusal != nil {
		return refusal
	}
	return b.admitNeeds(r)
}

// beforeEpoch reports whether a time is given and lies before 1970. Hashes count from then, and -1 says "none".
func beforeEpoch(t time.Time) bool { return !t.IsZero() && t.Before(time.Unix(0, 0)) }

// admitLegs refuses legs that no state of the books could make right.
func (b *Book) admitLegs(r *Request) *Refusal {
	if len(r.Legs) == 0 && !r.Kind.follows() && !r.Kind.closes() && r.Kind != KindNotice && r.Asked == "" {
		return refuse(InvalidField, "field", "legs")
	}
	for _, leg := range r.Legs {
		unit, declared := b.programme.Units[leg.Unit]
		switch {
		case !declared:
			return refuse(UnknownUnit, "unit", leg.Unit)
		case leg.From.Unit != leg.Unit || leg.To.Unit != leg.Unit:
			return refuse(InvalidField, "field", "unit")
		case leg.From.Place == Wallet && leg.From.Owner != Member(r.Member):
			return refuse(InvalidField, "field", "member") // a freeze is looked up by the request's member
		case strings.ContainsAny(leg.Fund+leg.Owes.Fund, drawMarks):
			return refuse(InvalidField, "field", "fund")
		case !leg.Owes.Share.IsZero() && b.programme.Units[leg.Owes.Unit].Kind != MoneyUnit:
			return refuse(UnknownUnit, "unit", leg.Owes.Unit)
		case r.Kind != KindRedating && r.Kind != KindMerge && !unit.Fits(leg.Amount):
			return refuse(AmountOutOfRange, "amount", leg.Amount.String(), "unit", unit.Code)
		}
		for _, c := range leg.Uses {
			if _, declared := b.programme.Limits[c.Unit]; !declared || c.Place != Cap {
				return refuse(UnknownUnit, "unit", c.Unit)
			}
		}
	}
	return nil
}

// admitTime refuses what would count in the future, in a closed period, or too long ago.
func (b *Book) admitTime(effective time.Time) *Refusal {
	switch {
	case effective.After(b.now):
		return refuse(EffectiveInFuture, "now", b.now.Format(time.RFC3339Nano))
	case effective.Before(b.openFrom):
		return refuse(PeriodClosed, "open_from", b.openFrom.Format(time.RFC3339Nano))
	case !b.programme.Sandbox && effective.Before(b.now.Add(-b.programme.BackDating)):
		return refuse(BackDatingLimit, "earliest", b.now.Add(-b.programme.BackDating).Format(time.RFC3339Nano))
	default:
		return nil
	}
}

// leavesMember reports whether the kind takes units away at the member's wish, which a freeze forbids. Bills still accrue
// and what was taken is still given back while a member is frozen.
func (k Kind) leavesMember() bool {
	return k == KindRedemption || k == KindHold || k == KindCapture || k == KindTransfer || k == KindMerge || k == KindUse
}

// follows reports whether the kind is about an earlier transaction.
func (k Kind) follows() bool {
	switch k {
	case KindActivation, KindCapture, KindVoid, KindTimeout, KindReversal, KindExpiry:
		return true
	default:
		return false
	}
}

// rule dispatches to the rule of the request's kind.
func (b *Book) rule(tx *Transaction, r *Request) *Refusal {
	switch r.Kind {
	case KindAccrual, KindAllotment:
		return b.accrue(tx, r)
	case KindActivation:
		return b.activate(tx)
	case KindRedemption:
		return b.redeem(tx, r)
	case KindHold:
		return b.hold(tx, r)
	case KindCapture:
		return b.capture(tx, r)
	case KindVoid, KindTimeout:
		return b.release(tx)
	case KindRedating:
		return b.redate(tx, r)
	case KindAdjustment:
		return b.adjust(tx, r)
	case KindTransfer, KindPublication, KindUse:
		return b.transfer(tx, r)
	case KindTier:
		return b.changeTier(tx, r)
	case KindReversal:
		return b.reverse(tx, r)
	case KindExpiry:
		return b.lapse(tx)
	case KindForfeiture:
		return b.forfeit(tx)
	case KindMerge:
		return b.merge(tx, r)
	case KindFreeze, KindUnfreeze:
		return b.setFreeze(tx)
	case KindPeriod:
		return b.setPeriod(tx)
	case KindClock:
		return b.setClock(tx)
	case KindNotice:
		tx.Amount = r.Amount
		return nil
	default:
		return refuse(InvalidField, "field", "kind")
	}
}

// record adds a finished transaction, posted or rejected, to the batch.
func (b *Book) record(tx *Transaction) {
	count := len(b.out.transactions)
	b.out.transactions = append(b.out.transactions, tx)
	b.known[tx.ID] = &known{requestHash: tx.RequestHash, tx: tx}
	b.undo = append(b.undo, func() {
		b.out.transactions = b.out.transactions[:count]
		delete(b.known, tx.ID)
	})
}

// refer notes what a posted transaction refers to, and the rows that go with it.
func (b *Book) refer(tx *Transaction, r *Request) {
	followUps, references, companions := len(b.out.followUps), len(b.out.references), len(b.out.companions)
	ref := reference{r.Client, r.Reference, r.Kind}
	if tx.Original != uuid.Nil {
		b.out.followUps = append(b.out.followUps, followUp{tx.Original, tx.ID, tx.Kind, tx.Amount})
	}
	if r.Reference != "" {
		b.used[ref] = tx.ID
		b.out.references = append(b.out.references, usedReference{ref, tx.ID})
	}
	for _, c := range r.Companions {
		b.out.companions = append(b.out.companions, companion{c, tx.ID})
	}
	b.undo = append(b.undo, func() {
		b.out.followUps = b.out.followUps[:followUps]
		b.out.companions = b.out.companions[:companions]
		if len(b.out.references) > references {
			b.out.references = b.out.references[:references]
			delete(b.used, ref)
		}
	})
}

// reject records a refusal that depends on the books, so that a retry never turns a "no" into a "yes". What the ledger
// asks of itself is not recorded: the sweep may ask again later.
func (b *Book) reject(id uuid.UUID, r *Request, refusal *Refusal) outcome {
	if !recordable(r, refusal) {
		return outcome{err: refusal}
	}
	tx := b.open(id, r)
	tx.Rejection, tx.Detail, tx.Amount = refusal.Reason, refusal.Detail, r.principal()
	b.record(tx)
	return outcome{tx: tx}
}

func recordable(r *Request, refusal *Refusal) bool {
	return refusal.recorded() && !r.own
}

// principal is the amount that a request is about.
func (r *Request) principal() decimal.Decimal {
	if r.Amount.IsZero() && len(r.Legs) > 0 {
		return r.Legs[0].Amount
	}
	return r.Amount
}

// finish seals the batch: digests of all its transactions, posted and rejected, chained along the stripe (L8).
func (b *Book) finish(previous Seal, sealedAt time.Time) Seal {
	s := Seal{
		Programme: b.programme.ID, Stripe: b.stripe, N: previous.N + 1, RecordedAt: b.now, SealedAt: sealedAt,
		FirstEvent: previous.FirstEvent + previous.Events,
	}
	digests := make([][]byte, len(b.out.transactions))
	for i, tx := range b.out.transactions {
		tx.Hash = tx.digest()
		digests[i] = tx.Hash
		s.Transactions = append(s.Transactions, tx.ID)
		if tx.Posted() {
			s.Events++
		}
	}
	s.Hash = s.chain(previous.Hash, digests)
	return s
}
