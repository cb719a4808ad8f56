package benefits

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// Goodwill is what a member of staff gives a member of the budget that was delegated to them.
type Goodwill struct {
	Staff, Member string
	Amount        decimal.Decimal
}

// GrantGoodwill gives a member units out of a budget, in one transaction of kind adjustment. r.Reason is a reason that the
// programme's document declares: it says of what unit, how much at most and for which tier, and which limits count. The
// budget cannot be overdrawn nor a limit exceeded, however many grant at once; taken back, a grant returns to both.
// Refusals: INVALID_FIELD for a reason that is not declared and AMOUNT_OUT_OF_RANGE above what it is good for (neither is
// recorded), IDEMPOTENCY_KEY_REUSED, NOT_ELIGIBLE with the tier that is required, BUDGET_EXHAUSTED, LIMIT_REACHED,
// MEMBER_TERMINATED.
func (c *Catalog) GrantGoodwill(ctx context.Context, programme uuid.UUID, g Goodwill, r ledger.Request) (ledger.Answer, error) {
	standing, err := c.Rate(ctx, programme, g.Member)
	if err != nil {
		return ledger.Answer{}, err
	}
	return c.ledger.PostUnder(ctx, programme, r, func(t ledger.Terms, r ledger.Request) (ledger.Request, error) {
		return c.goodwill(t.Programme, g, standing.At, r)
	})
}

// PreviewGoodwill decides a grant by the same code on the same state, and records nothing.
func (c *Catalog) PreviewGoodwill(ctx context.Context, programme uuid.UUID, g Goodwill, r ledger.Request) (*ledger.Transaction, error) {
	rater, err := c.rateNow(ctx, programme, g.Member)
	if err != nil {
		return nil, err
	}
	if r, err = c.goodwill(rater.programme, g, rater.now, r); err != nil {
		return nil, err
	}
	_, requests := rater.decide(rater.ratings[0])
	answers, err := c.ledger.PreviewBatch(ctx, programme, append(requests, r), false)
	if err != nil {
		return nil, err
	}
	last := answers[len(answers)-1]
	return last.Transaction, last.Err
}

// goodwill builds the grant under a version of the document.
func (c *Catalog) goodwill(p *ledger.Programme, g Goodwill, now time.Time, r ledger.Request) (ledger.Request, error) {
	s, err := c.section(p)
	if err != nil {
		return r, err
	}
	reason := s.goodwill[r.Reason]
	if reason == nil {
		return r, invalid("reason", "the programme's document declares no such reason")
	}
	tier, anybody := s.tierFor(reason, g.Amount)
	if !anybody {
		return r, refuse(ledger.AmountOutOfRange, "most", reason.most().String(), "unit", reason.Unit)
	}
	if tier != "" {
		r.Needs = append(r.Needs, s.tiers.need(tier))
	}
	var uses []ledger.Account
	for _, code := range reason.Limits {
		uses = append(uses, p.Cap(p.Limits[code], g.Member, now))
	}
	r.Rule, r.Asked = "goodwill/"+reason.Code, fmt.Sprintf("goodwill of %s %s", g.Staff, g.Amount)
	return ledger.Grant(g.Staff, g.Member, reason.Unit, g.Amount, uses, r), nil
}

// Budget is what is left of the budget of a member of staff.
type Budget struct {
	Unit      string
	Available decimal.Decimal
}

// BudgetOf reads the budget of a member of staff in the unit of the programme's goodwill. Whoever was never given one has
// nothing. NOT_FOUND says that the programme knows no goodwill.
func (c *Catalog) BudgetOf(ctx context.Context, programme uuid.UUID, staff string) (Budget, error) {
	p, s, err := c.current(ctx, programme)
	if err != nil {
		return Budget{}, err
	}
	if s.goodwillUnit == "" {
		return Budget{}, refuse(ledger.NotFoundReason)
	}
	b := Budget{Unit: s.goodwillUnit}
	err = c.pool.QueryRow(ctx, sqlReadBudget, ledger.BudgetOf(staff, b.Unit).ID(p.ID)).Scan(&b.Available)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return Budget{}, fmt.Errorf("benefits: read budget: %w", err)
	}
	return b, nil
}

const sqlReadBudget = `
SELECT a.balance
FROM accounts AS a
WHERE a.id = $1`

// FundBudget puts units into the budget of a member of staff, or with a negative amount takes back what is not spent, in one
// transaction of kind adjustment. Refusals: NOT_FOUND when the programme knows no goodwill (not recorded),
// IDEMPOTENCY_KEY_REUSED, REASON_REQUIRED, AMOUNT_OUT_OF_RANGE, BUDGET_EXHAUSTED.
func (c *Catalog) FundBudget(ctx context.Context, programme uuid.UUID, staff string, amount decimal.Decimal, r ledger.Request, preview bool) (ledger.Answer, error) {
	_, s, err := c.current(ctx, programme)
	if err != nil {
		return ledger.Answer{}, err
	}
	if s.goodwillUnit == "" {
		return ledger.Answer{}, refuse(ledger.NotFoundReason)
	}
	r = ledger.FundBudget(staff, s.goodwillUnit, amount, r)
	if preview {
		tx, err := c.ledger.Preview(ctx, programme, r)
		return ledger.Answer{Transaction: tx}, err
	}
	return c.ledger.Post(ctx, programme, r)
}

// Goodwills reads the movements of a budget, oldest first: what was put into it, granted of it and came back.
func (c *Catalog) Goodwills(ctx context.Context, programme uuid.UUID, staff string, after ledger.Cursor, limit int) (ledger.Statement, error) {
	_, s, err := c.current(ctx, programme)
	if err != nil {
		return ledger.Statement{}, err
	}
	if s.goodwillUnit == "" {
		return ledger.Statement{}, refuse(ledger.NotFoundReason)
	}
	return c.ledger.Statement(ctx, ledger.StatementQuery{Programme: programme, Staff: staff, Unit: s.goodwillUnit, After: after, Limit: limit})
}
