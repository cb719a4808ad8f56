package ledger

import (
	"time"

	"github.com/google/uuid"
)

// touch is the kind of the sweep's requests: it posts what has lapsed in a wallet and is no transaction itself.
const touch Kind = "touch"

// expireOnTouch posts the expiry of every lapsed lot of each wallet that the request touches, before the request is
// decided: so nothing expired is ever spendable, swept or not (L7). Each is a transaction of its own whose id follows
// from account, expires_at and fund; a lot cannot come back under the same three, because what arrives lapsed leaves
// in the transaction that brought it. It returns what it posted.
func (b *Book) expireOnTouch(r *Request) []*Transaction {
	var posted []*Transaction
	for _, wallet := range b.walletsOf(r) {
		acc := b.account(wallet)
		for _, lapsed := range acc.lots.lapsed(b.now) {
			if tx := b.expire(acc, lapsed); tx != nil {
				posted = append(posted, tx)
			}
		}
	}
	return posted
}

func (b *Book) expire(acc *account, lapsed Draw) *Transaction {
	member, _ := acc.Owner.MemberRef()
	r := Request{
		Client: systemClient, Kind: KindExpiry, Member: member, Amount: lapsed.Amount, EffectiveAt: b.expiredAt(lapsed),
		Key: expiryKey(acc.id, lapsed.ExpiresAt, lapsed.Fund),
	}
	mark := b.mark()
	tx := b.open(TransactionID(b.programme.ID, r.Client, r.Key), &r)
	tx.Amount = lapsed.Amount
	if refusal := b.move(tx, acc.Account, breakageOf(acc.Unit), lapsed.Amount, []Draw{lapsed}); refusal != nil {
		b.rollback(mark) // only the cap on breakage can refuse; the lot stays lapsed, hence unspendable
		return nil
	}
	b.record(tx)
	return tx
}

// expiryKey is the idempotency key of a lot's expiry.
func expiryKey(account uuid.UUID, expiresAt time.Time, fund string) string {
	return "expiry/" + account.String() + "/" + expiresAt.UTC().Format(drawTime) + "/" + fund
}

// ExpiryID is the id of the transaction by which what was left of a lot expires.
func ExpiryID(programme uuid.UUID, wallet Account, expiresAt time.Time, fund string) uuid.UUID {
	return TransactionID(programme, systemClient, expiryKey(wallet.ID(programme), expiresAt, fund))
}

// lapse ends a voucher that nobody used in time: its rights go to breakage.
func (b *Book) lapse(tx *Transaction) *Refusal {
	refusal := refuse(NotFoundReason) // the original made no voucher
	for _, leg := range b.originals[tx.Original].tx.Legs {
		if leg.To.Account.Place != Voucher || leg.To.Account.Of != tx.Original {
			continue
		}
		voucher := b.account(leg.To.Account)
		switch {
		case voucher.balance.IsZero():
			return refuse(VoucherUsed)
		case voucher.lots.live(b.now).IsPositive():
			return refuse(HoldNotDue)
		}
		if refusal = b.dropLapsed(tx, voucher.Account); refusal != nil {
			return refusal
		}
	}
	return refusal
}

// expiredAt is when an expiry counts: at the lot's own time, unless that period is closed by now.
func (b *Book) expiredAt(d Draw) time.Time {
	if d.ExpiresAt.Before(b.openFrom) {
		return b.openFrom
	}
	return d.ExpiresAt
}
