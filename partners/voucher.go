package partners

import (
	"context"
	"errors"
	"fmt"
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
	Code      Code
	Member    string
	Benefit   string
	State     State
	IssuedAt  time.Time
	ExpiresAt time.Time // ledger.Never if it does not expire
}

// PlaceOf is the place in the books that is a voucher.
func PlaceOf(member, benefit string, id uuid.UUID) ledger.Account {
	return ledger.Account{Unit: benefit, Owner: ledger.Member(member), Place: ledger.Voucher, Of: id}
}

// Facts is the row that goes with the claim of the voucher at place, with a code of its own: see [ledger.Companion]. What
// a retry makes is not saved, so the code is the one of the row and of nothing else.
func Facts(programme uuid.UUID, place ledger.Account) ledger.Companion {
	member, _ := place.Owner.MemberRef()
	return ledger.Companion{Table: facts, Row: []any{programme, place.ID(programme), member, place.Unit, string(newCode())}}
}

// codeOf is the code that a request gives the voucher that it claims.
func codeOf(claim ledger.Request) (code Code, made bool) {
	for _, row := range claim.Companions {
		if row.Table == facts {
			text, is := row.Row[len(row.Row)-1].(string)
			return Code(text), is
		}
	}
	return "", false
}

const sqlInsertVouchers = `
INSERT INTO vouchers (id, programme_id, account_id, member, benefit, code)
SELECT u.id, u.programme_id, u.account_id, u.member, u.benefit, u.code
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[])
  AS u (id, programme_id, account_id, member, benefit, code)`

var facts = &ledger.CompanionTable{
	Name:   "vouchers",
	Insert: sqlInsertVouchers,
	Columns: func(rows [][]any) []any {
		return []any{
			ledger.Column[uuid.UUID](rows, 0), ledger.Column[uuid.UUID](rows, 1), ledger.Column[uuid.UUID](rows, 2),
			ledger.Column[string](rows, 3), ledger.Column[string](rows, 4), ledger.Column[string](rows, 5),
		}
	},
}

const sqlReadCode = `
SELECT v.code
FROM vouchers AS v
WHERE v.id = $1 AND v.programme_id = $2`

// IssuedBy is the voucher as a claim issued it, the same for every retry: what the claim recorded, and the code of its
// row, which is the one that was sent unless the claim was recorded before. It answers NOT_FOUND for what claimed no voucher.
func (v *Vouchers) IssuedBy(ctx context.Context, answer ledger.Answer, sent ledger.Request) (Voucher, error) {
	claim := answer.Transaction
	for _, leg := range claim.Legs {
		to := leg.To
		if to.Account.Place != ledger.Voucher || len(to.Draws) == 0 {
			continue
		}
		issued := Voucher{
			ID: claim.ID, Member: claim.Member, Benefit: leg.Unit, State: Issued,
			IssuedAt: claim.RecordedAt, ExpiresAt: to.Draws[0].ExpiresAt,
		}
		if code, made := codeOf(sent); made && !answer.Replayed {
			issued.Code = code
			return issued, nil
		}
		if err := v.pool.QueryRow(ctx, sqlReadCode, claim.ID, claim.Programme).Scan(&issued.Code); err != nil {
			return Voucher{}, fmt.Errorf("partners: read code: %w", err)
		}
		return issued, nil
	}
	return Voucher{}, notFound()
}

const (
	sqlVoucher = `
SELECT v.id, v.code, v.member, v.benefit, t.recorded_at, a.due_at, a.balance, l.to_place
FROM vouchers AS v
JOIN transactions AS t ON t.id = v.id
JOIN accounts AS a ON a.id = v.account_id
JOIN entries AS e ON e.account_id = a.id AND e.recorded_at = a.recorded_at AND e.seq = a.seq
JOIN legs AS l ON l.transaction_id = e.transaction_id AND l.leg = e.leg
WHERE v.id = $1 AND v.programme_id = $2`

	sqlVouchers = `
SELECT v.id, v.code, v.member, v.benefit, t.recorded_at, a.due_at, a.balance, l.to_place
FROM vouchers AS v
JOIN transactions AS t ON t.id = v.id
JOIN accounts AS a ON a.id = v.account_id
JOIN entries AS e ON e.account_id = a.id AND e.recorded_at = a.recorded_at AND e.seq = a.seq
JOIN legs AS l ON l.transaction_id = e.transaction_id AND l.leg = e.leg
WHERE v.id = ANY($1::uuid[]) AND v.programme_id = $2`

	sqlVoucherByCode = `
SELECT v.id, v.code, v.member, v.benefit, t.recorded_at, a.due_at, a.balance, l.to_place
FROM vouchers AS v
JOIN transactions AS t ON t.id = v.id
JOIN accounts AS a ON a.id = v.account_id
JOIN entries AS e ON e.account_id = a.id AND e.recorded_at = a.recorded_at AND e.seq = a.seq
JOIN legs AS l ON l.transaction_id = e.transaction_id AND l.leg = e.leg
WHERE v.code = $1 AND v.programme_id = $2`
)

// Voucher reads a voucher of the programme, or answers NOT_FOUND.
func (v *Vouchers) Voucher(ctx context.Context, programme, id uuid.UUID) (Voucher, error) {
	state, err := v.ledger.State(ctx, programme)
	if err != nil {
		return Voucher{}, err
	}
	rows, err := v.pool.Query(ctx, sqlVoucher, id, programme)
	return oneVoucher(rows, err, state.Now)
}

// ByID reads those vouchers of a programme that there are.
func (v *Vouchers) ByID(ctx context.Context, programme uuid.UUID, ids []uuid.UUID) ([]Voucher, error) {
	state, err := v.ledger.State(ctx, programme)
	if err != nil {
		return nil, err
	}
	rows, err := v.pool.Query(ctx, sqlVouchers, ids, programme)
	if err != nil {
		return nil, fmt.Errorf("partners: read vouchers: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanVoucher(state.Now))
	if err != nil {
		return nil, fmt.Errorf("partners: read vouchers: %w", err)
	}
	return list, nil
}

// byCode reads the voucher with a code, or answers NOT_FOUND. Whether a partner may know of it is for the agreements.
func (v *Vouchers) byCode(ctx context.Context, programme uuid.UUID, code Code) (Voucher, error) {
	state, err := v.ledger.State(ctx, programme)
	if err != nil {
		return Voucher{}, err
	}
	rows, err := v.pool.Query(ctx, sqlVoucherByCode, string(code), programme)
	return oneVoucher(rows, err, state.Now)
}

func oneVoucher(rows pgx.Rows, err error, now time.Time) (Voucher, error) {
	if err != nil {
		return Voucher{}, fmt.Errorf("partners: read voucher: %w", err)
	}
	voucher, err := pgx.CollectOneRow(rows, scanVoucher(now))
	if errors.Is(err, pgx.ErrNoRows) {
		return Voucher{}, notFound()
	}
	if err != nil {
		return Voucher{}, fmt.Errorf("partners: read voucher: %w", err)
	}
	return voucher, nil
}

func notFound() *ledger.Refusal { return &ledger.Refusal{Reason: ledger.NotFoundReason} }

func scanVoucher(now time.Time) pgx.RowToFunc[Voucher] {
	return func(row pgx.CollectableRow) (Voucher, error) {
		var v Voucher
		var balance decimal.Decimal
		var wentTo ledger.Place
		err := row.Scan(&v.ID, &v.Code, &v.Member, &v.Benefit, &v.IssuedAt, &v.ExpiresAt, &balance, &wentTo)
		v.IssuedAt, v.ExpiresAt = v.IssuedAt.UTC(), v.ExpiresAt.UTC()
		v.State = stateOf(balance, wentTo, v.ExpiresAt, now)
		return v, err
	}
}

// stateOf derives a voucher's state from what its place holds, or where the last of it went.
func stateOf(balance decimal.Decimal, wentTo ledger.Place, expiresAt, now time.Time) State {
	switch {
	case balance.IsPositive() && expiresAt.After(now):
		return Issued
	case balance.IsPositive(), wentTo == ledger.Breakage:
		return Expired
	case wentTo == ledger.Redeemed:
		return Redeemed
	default:
		return Canceled
	}
}
