package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Forfeit ends a membership: all that the member has in wallets, pending places, holds and vouchers goes to breakage, in one
// transaction, and nothing enters any of them afterwards; vouchers stay open when the programme's document says so. Debt
// stays as it is. Later bills are recorded as rejected; what is clawed back still makes debt. It is for good: whoever joins
// again does so under another reference. A forfeiture of nothing has no legs, and ends the membership all the same.
// Refusals: REASON_REQUIRED, MEMBER_TERMINATED.
func Forfeit(member string, r Request) Request {
	r.Kind, r.Member = KindForfeiture, member
	return r
}

// forfeit empties every place of the member that the book has, which is all of them: see loadHoldings.
func (b *Book) forfeit(tx *Transaction) *Refusal {
	switch {
	case tx.Reason == "":
		return refuse(ReasonRequired)
	case tx.Member == "":
		return refuse(InvalidField, "field", "member")
	}
	for _, acc := range b.holdings(tx.Member) {
		if acc.Place == Voucher && b.programme.KeepsVouchers {
			continue
		}
		draws, _ := acc.lots.pick(acc.balance, time.Time{})
		if refusal := b.move(tx, acc.Account, breakageOf(acc.Unit), acc.balance, draws); refusal != nil {
			return refusal
		}
	}
	b.stand(tx, KindForfeiture)
	return nil
}

// holdings are the places of a member that hold lots, in an order that follows from nothing but their names.
func (b *Book) holdings(member string) []*account {
	var list []*account
	for _, acc := range b.accounts {
		if acc.Owner == Member(member) && acc.Place.bearsLots() && acc.balance.IsPositive() {
			list = append(list, acc)
		}
	}
	slices.SortFunc(list, func(x, y *account) int { return bytes.Compare(x.id[:], y.id[:]) })
	return list
}

// closed reports whether nothing may enter an account any more. Debt may still arise.
func (b *Book) closed(a Account) bool {
	if !a.Place.bearsLots() || a.Place == Voucher && b.programme.KeepsVouchers {
		return false
	}
	member, is := a.Owner.MemberRef()
	return is && b.frozen[member] == KindForfeiture
}

// admitMember refuses what the member may not do: a frozen one nothing by which units leave, one whose membership ended
// nothing at all but to use a voucher that outlived it. What enters such a member's places is refused where it enters.
func (b *Book) admitMember(tx *Transaction) *Refusal {
	by, leaves := b.frozen[tx.Member], tx.Kind.leavesMember()
	switch {
	case by == KindFreeze && leaves:
		return refuse(MemberFrozen)
	case by == KindForfeiture && (leaves || tx.Kind.concernsMember()) && (tx.Kind != KindUse || !b.programme.KeepsVouchers):
		return refuse(MemberTerminated)
	default:
		return nil
	}
}

// concernsMember reports whether the kind decides what a member may do.
func (k Kind) concernsMember() bool {
	return k == KindFreeze || k == KindUnfreeze || k == KindForfeiture
}

const sqlReadHoldings = `
SELECT o.unit, o.place
FROM open_places AS o
WHERE o.programme_id = $1 AND o.owner = $2`

// loadHoldings adds to the book every place in which the members of forfeitures may have something. It locks all stripes
// first, so that no place is opened meanwhile; a preview locks none, and tells how things stand.
func (l *Ledger) loadHoldings(ctx context.Context, tx dbTx, b *Book, items []*Item, stripe int16) error {
	owners := make(map[Owner]bool)
	for r := range requestsOf(items) {
		if r.Kind == KindForfeiture {
			owners[Member(r.Member)] = true
		}
	}
	if len(owners) == 0 {
		return nil
	}
	if stripe != noStripe {
		if _, err := tx.Exec(ctx, sqlLockStripes, b.programme.ID, allStripes()); err != nil {
			return fmt.Errorf("lock stripes: %w", err)
		}
	}
	p, err := l.lockedProgramme(ctx, tx, b)
	if err != nil {
		return err
	}
	for owner := range owners {
		b.wantWallets(p, owner)
		if err := b.wantOpenPlaces(ctx, tx, owner); err != nil {
			return err
		}
	}
	return nil
}

// lockedProgramme is the version that is in force while the stripes are locked.
func (l *Ledger) lockedProgramme(ctx context.Context, tx dbTx, b *Book) (*Programme, error) {
	var version int64
	var sandbox bool
	var clock, openFrom, now time.Time
	err := tx.QueryRow(ctx, sqlReadProgramme, b.programme.ID).Scan(&version, &sandbox, &clock, &openFrom, &now)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, refuse(NotFoundReason, "programme", b.programme.ID.String())
	}
	if err != nil {
		return nil, fmt.Errorf("read programme: %w", err)
	}
	return l.programmeAt(ctx, tx, b.programme.ID, version)
}

// wantWallets adds an owner's wallets of all units.
func (b *Book) wantWallets(p *Programme, owner Owner) {
	for code, unit := range p.Units {
		if slices.Contains(anyExpiring, unit.Kind) || unit.Kind == TierUnit {
			b.want(Account{Unit: code, Owner: owner, Place: Wallet})
		}
	}
}

// wantOpenPlaces adds the places of an owner that hold something.
func (b *Book) wantOpenPlaces(ctx context.Context, tx dbTx, owner Owner) error {
	rows, err := tx.Query(ctx, sqlReadHoldings, b.programme.ID, string(owner))
	if err != nil {
		return fmt.Errorf("read holdings: %w", err)
	}
	var unit, text string
	_, err = pgx.ForEachRow(rows, []any{&unit, &text}, func() error {
		a, err := ParsePlace(text)
		a.Unit, a.Owner = unit, owner
		b.want(a)
		return err
	})
	if err != nil {
		return fmt.Errorf("read holdings: %w", err)
	}
	return nil
}
