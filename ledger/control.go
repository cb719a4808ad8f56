package ledger

import (
	"time"
)

// Freeze forbids that a member's units leave: no redemption, hold, capture or transfer until Unfreeze. Bills still
// accrue, holds can be voided, lots expire. Refusals: REASON_REQUIRED, ALREADY_FROZEN.
func Freeze(member string, r Request) Request {
	r.Kind, r.Member = KindFreeze, member
	return r
}

// Unfreeze ends a freeze. Refusals: REASON_REQUIRED, NOT_FROZEN.
func Unfreeze(member string, r Request) Request {
	r.Kind, r.Member = KindUnfreeze, member
	return r
}

func (b *Book) setFreeze(tx *Transaction) *Refusal {
	by := b.frozen[tx.Member]
	switch {
	case tx.Reason == "":
		return refuse(ReasonRequired)
	case tx.Member == "":
		return refuse(InvalidField, "field", "member")
	case tx.Kind == KindFreeze && by != "":
		return refuse(AlreadyFrozen)
	case tx.Kind == KindUnfreeze && by == "":
		return refuse(NotFrozen)
	case tx.Kind == KindUnfreeze:
		b.stand(tx, "")
	default:
		b.stand(tx, KindFreeze)
	}
	return nil
}

// stand puts a transaction in its member's way, or with no kind takes away what stood there.
func (b *Book) stand(tx *Transaction, by Kind) {
	count, before := len(b.out.freezes), b.frozen[tx.Member]
	b.frozen[tx.Member] = by
	b.out.freezes = append(b.out.freezes, freeze{tx.Member, by, tx.ID})
	b.undo = append(b.undo, func() {
		b.frozen[tx.Member] = before
		b.out.freezes = b.out.freezes[:count]
	})
}

// SetOpenPeriod closes everything before openFrom: nothing may be effective earlier any more. It moves forward only.
// Refusals: PERIOD_BACKWARDS, EFFECTIVE_IN_FUTURE.
func SetOpenPeriod(openFrom time.Time, r Request) Request {
	r.Kind, r.DueAt = KindPeriod, openFrom
	return r
}

func (b *Book) setPeriod(tx *Transaction) *Refusal {
	switch {
	case tx.DueAt.After(b.now):
		return refuse(EffectiveInFuture, "now", b.now.Format(time.RFC3339Nano))
	case !tx.DueAt.After(b.openFrom):
		return refuse(PeriodBackwards, "open_from", b.openFrom.Format(time.RFC3339Nano))
	}
	before, saved := b.openFrom, b.out.openFrom
	b.openFrom, b.out.openFrom = tx.DueAt, tx.DueAt
	b.undo = append(b.undo, func() { b.openFrom, b.out.openFrom = before, saved })
	return nil
}

// SetClock moves a sandbox's clock forward. Refusals: NOT_A_SANDBOX, CLOCK_BACKWARDS.
func SetClock(to time.Time, r Request) Request {
	r.Kind, r.DueAt = KindClock, to
	return r
}

// setClock takes effect with the next batch: the time of this one is fixed.
func (b *Book) setClock(tx *Transaction) *Refusal {
	switch {
	case !b.programme.Sandbox:
		return refuse(NotSandbox)
	case tx.DueAt.Before(b.now) || tx.DueAt.Before(b.out.clock):
		return refuse(ClockBackwards, "now", b.now.Format(time.RFC3339Nano))
	}
	before := b.out.clock
	b.out.clock = tx.DueAt
	b.undo = append(b.undo, func() { b.out.clock = before })
	return nil
}
