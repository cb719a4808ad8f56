package partners

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
	"tallystick/ledger"
)

// Vouchers is what can be done with the vouchers of all programmes of one database. It is safe for concurrent use.
type Vouchers struct {
	ledger     *ledger.Ledger
	pool       *db.Pool
	agreements sync.Map // *ledger.Programme → Agreements
}

// New returns the vouchers kept in pool, whose books are l's.
func New(l *ledger.Ledger, pool *db.Pool) *Vouchers { return &Vouchers{ledger: l, pool: pool} }

// Agreements returns the partners of one version of a programme.
func (v *Vouchers) Agreements(p *ledger.Programme) (Agreements, error) {
	if list, parsed := v.agreements.Load(p); parsed {
		return list.(Agreements), nil //nolint:forcetypeassert // nothing else is stored
	}
	list, err := Parse(p)
	if err != nil {
		return nil, err
	}
	v.agreements.Store(p, list)
	return list, nil
}

// State is what became of a voucher. It is derived, and stored nowhere.
type State int

// The states.
const (
	Issued   State = iota + 1 // it can be redeemed
	Redeemed                  // a merchant redeemed it
	Expired                   // its time is over
	Canceled                  // the member gave it back
)

// Voucher is the bearer form of a right to a benefit.
type Voucher struct {
	ID        uuid.UUID // of the transaction that claimed it
	Member    string
	Benefit   string
	State     State
	IssuedAt  time.Time
	ExpiresAt time.Time // ledger.Never if it does not expire
}

// Code is what the merchant types or scans.
func (v Voucher) Code() string { return v.ID.String() }

// ParseCode reads a code as people type it: case, blanks and hyphens do not matter. It refuses with CODE_MALFORMED.
func ParseCode(code string) (uuid.UUID, error) {
	plain := strings.NewReplacer("-", "", " ", "").Replace(code)
	id, err := uuid.Parse(plain)
	if err != nil || len(plain) != 32 {
		return uuid.Nil, &ledger.Refusal{Reason: ledger.CodeMalformed}
	}
	return id, nil
}

// PlaceOf is the place in the books that is a voucher.
func PlaceOf(member, benefit string, id uuid.UUID) ledger.Account {
	return ledger.Account{Unit: benefit, Owner: ledger.Member(member), Place: ledger.Voucher, Of: id}
}

// Facts is the row that goes with the claim of the voucher at place: see [ledger.Companion].
func Facts(programme uuid.UUID, place ledger.Account) ledger.Companion {
	member, _ := place.Owner.MemberRef()
	return ledger.Companion{Table: facts, Row: []any{programme, place.ID(programme), member, place.Unit}}
}

const sqlInsertVouchers = `
INSERT INTO vouchers (id, programme_id, account_id, member, benefit)
SELECT u.id, u.programme_id, u.account_id, u.member, u.benefit
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[]) AS u (id, programme_id, account_id, member, benefit)`

var facts = &ledger.CompanionTable{
	Name:   "vouchers",
	Insert: sqlInsertVouchers,
	Columns: func(rows [][]any) []any {
		return []any{
			column[uuid.UUID](rows, 0), column[uuid.UUID](rows, 1), column[uuid.UUID](rows, 2),
			column[string](rows, 3), column[string](rows, 4),
		}
	},
}

func column[T any](rows [][]any, i int) []T {
	values := make([]T, len(rows))
	for n, row := range rows {
		values[n] = row[i].(T) //nolint:forcetypeassert // Facts made the row
	}
	return values
}

// IssuedBy is the voucher as a claim issued it, from what the claim recorded alone: the same for every retry.
func IssuedBy(claim *ledger.Transaction) (Voucher, bool) {
	for _, leg := range claim.Legs {
		if to := leg.To; to.Account.Place == ledger.Voucher && len(to.Draws) > 0 {
			return Voucher{
				ID: claim.ID, Member: claim.Member, Benefit: leg.Unit, State: Issued,
				IssuedAt: claim.RecordedAt, ExpiresAt: to.Draws[0].ExpiresAt,
			}, true
		}
	}
	return Voucher{}, false
}

const sqlVoucher = `
SELECT v.id, v.member, v.benefit, t.recorded_at, a.due_at, a.balance, e.kind
FROM vouchers AS v
JOIN transactions AS t ON t.id = v.id
JOIN accounts AS a ON a.id = v.account_id
JOIN entries AS e ON e.account_id = a.id AND e.recorded_at = a.recorded_at AND e.seq = a.seq
WHERE v.id = $1 AND v.programme_id = $2`

// Voucher reads a voucher of the programme, or answers NOT_FOUND.
func (v *Vouchers) Voucher(ctx context.Context, programme, id uuid.UUID) (Voucher, error) {
	state, err := v.ledger.State(ctx, programme)
	if err != nil {
		return Voucher{}, err
	}
	rows, err := v.pool.Query(ctx, sqlVoucher, id, programme)
	if err != nil {
		return Voucher{}, fmt.Errorf("partners: read voucher: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanVoucher(state.Now))
	if err != nil {
		return Voucher{}, fmt.Errorf("partners: read voucher: %w", err)
	}
	if len(list) == 0 {
		return Voucher{}, notFound()
	}
	return list[0], nil
}

func notFound() *ledger.Refusal { return &ledger.Refusal{Reason: ledger.NotFoundReason} }

func scanVoucher(now time.Time) pgx.RowToFunc[Voucher] {
	return func(row pgx.CollectableRow) (Voucher, error) {
		var v Voucher
		var balance decimal.Decimal
		var last ledger.Kind
		err := row.Scan(&v.ID, &v.Member, &v.Benefit, &v.IssuedAt, &v.ExpiresAt, &balance, &last)
		v.IssuedAt, v.ExpiresAt = v.IssuedAt.UTC(), v.ExpiresAt.UTC()
		v.State = stateOf(balance, last, v.ExpiresAt, now)
		return v, err
	}
}

// stateOf derives a voucher's state from what its place holds and what last happened to it.
func stateOf(balance decimal.Decimal, last ledger.Kind, expiresAt, now time.Time) State {
	switch {
	case balance.IsPositive() && expiresAt.After(now):
		return Issued
	case balance.IsPositive(), last == ledger.KindExpiry:
		return Expired
	case last == ledger.KindUse:
		return Redeemed
	default:
		return Canceled
	}
}
