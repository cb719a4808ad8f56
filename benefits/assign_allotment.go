package benefits

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// Assignment is uses of an organisation's allotment for one of its people.
type Assignment struct {
	Organisation, Person, Unit string
	Amount                     decimal.Decimal
}

// AssignAllotment moves uses of an organisation's allotment to a person who belongs to it, in one transaction of kind
// transfer; they expire with the organisation's period, and are drawn after the person's own that expire then. What the
// organisation's tier still has to grant is granted first. r gives client, key and actor; a retry gets the first answer.
// Refusals: INVALID_FIELD for a unit that is not allotted (not recorded), IDEMPOTENCY_KEY_REUSED, NOT_ELIGIBLE because
// organisation for who does not belong to it, INSUFFICIENT_POINTS, AMOUNT_OUT_OF_RANGE, MEMBER_FROZEN, MEMBER_TERMINATED.
func (c *Catalog) AssignAllotment(ctx context.Context, programme uuid.UUID, a Assignment, r ledger.Request) (ledger.Answer, error) {
	if _, err := c.Qualify(ctx, programme, a.Organisation); err != nil {
		return ledger.Answer{}, err
	}
	return c.ledger.PostUnder(ctx, programme, r, func(t ledger.Terms, r ledger.Request) (ledger.Request, error) {
		return c.assignment(ctx, t, a, r)
	})
}

// PreviewAssignment decides an assignment by the same code on the same state, and before it the grants that it would make,
// and records nothing.
func (c *Catalog) PreviewAssignment(ctx context.Context, programme uuid.UUID, a Assignment, r ledger.Request) (*ledger.Transaction, error) {
	rater, requests, err := c.brought(ctx, programme, a.Organisation, true)
	if err != nil {
		return nil, err
	}
	if r, err = c.assignment(ctx, ledger.Terms{Programme: rater.programme, Now: rater.now}, a, r); err != nil {
		return nil, err
	}
	answers, err := c.ledger.PreviewBatch(ctx, programme, append(requests, r), false)
	if err != nil {
		return nil, err
	}
	last := answers[len(answers)-1]
	return last.Transaction, last.Err
}

func (c *Catalog) assignment(ctx context.Context, t ledger.Terms, a Assignment, r ledger.Request) (ledger.Request, error) {
	s, err := c.section(t.Programme)
	if err != nil {
		return r, err
	}
	if s.allotment(a.Unit) == nil {
		return r, invalid("unit", "the programme's document has no allotment of it")
	}
	facts, err := c.Facts(ctx, t.ID, []string{a.Person})
	if err != nil {
		return r, err
	}
	r = ledger.Transfer(a.Organisation, a.Person, a.Unit, a.Amount, r)
	r.Rule = allotmentRule + a.Unit + "/assigned"
	r.Asked = fmt.Sprintf("assign %s %q of %q to %q", a.Amount, a.Unit, a.Organisation, a.Person)
	belongs := slices.ContainsFunc(facts[a.Person].Organisations, func(m Membership) bool { return m.Of == a.Organisation && m.At(t.Now) })
	if !belongs {
		r.Denied = refuse(ledger.NotEligible, "because", "organisation", "accepted", a.Organisation)
	}
	return r, nil
}

// RevokeAllotment takes an assignment back to the organisation: so much of it, or with zero what of it is unused now. r is
// as for AssignAllotment. It is the assignment's reversal, in parts if need be, and never takes what was used.
// Refusals: NOT_FOUND for what is no assignment (not recorded), IDEMPOTENCY_KEY_REUSED, INSUFFICIENT_POINTS when less is
// unused, also when it was used while this was decided, REVERSAL_EXCEEDS_REST, ALREADY_REVERSED, AMOUNT_OUT_OF_RANGE.
func (c *Catalog) RevokeAllotment(ctx context.Context, programme, assignment uuid.UUID, amount decimal.Decimal, r ledger.Request) (ledger.Answer, error) {
	r, err := c.revocation(ctx, programme, assignment, amount, r)
	if err != nil {
		return ledger.Answer{}, err
	}
	return c.ledger.Post(ctx, programme, r)
}

// PreviewRevocation decides a revocation by the same code on the same state, and records nothing.
func (c *Catalog) PreviewRevocation(ctx context.Context, programme, assignment uuid.UUID, amount decimal.Decimal, r ledger.Request) (*ledger.Transaction, error) {
	r, err := c.revocation(ctx, programme, assignment, amount, r)
	if err != nil {
		return nil, err
	}
	return c.ledger.Preview(ctx, programme, r)
}

func (c *Catalog) revocation(ctx context.Context, programme, assignment uuid.UUID, amount decimal.Decimal, r ledger.Request) (ledger.Request, error) {
	original, err := c.ledger.Transaction(ctx, programme, assignment)
	if err != nil {
		return r, err
	}
	if original.Kind != ledger.KindTransfer || original.Rule != allotmentRule+original.Legs[0].Unit+"/assigned" || !original.Posted() {
		return r, refuse(ledger.NotFoundReason)
	}
	r.Rule, r.Asked = original.Rule, "revoke "+assignment.String()+" "+amount.String()
	if amount.IsZero() {
		if amount, err = c.unused(ctx, programme, original); err != nil {
			return r, err
		}
	}
	return ledger.Reverse(assignment, amount, r), nil
}

const sqlRevoked = `
SELECT coalesce(sum(f.amount), 0)
FROM follow_ups AS f
WHERE f.original_id = $1 AND f.kind = 'reversal'`

// unused is how much of an assignment the person still has: what was not taken back, as far as the wallet has it. With
// nothing left it is the rest, or the whole, which is refused for the reason that there is.
func (c *Catalog) unused(ctx context.Context, programme uuid.UUID, assignment *ledger.Transaction) (decimal.Decimal, error) {
	leg := assignment.Legs[0]
	var revoked decimal.Decimal
	if err := c.pool.QueryRow(ctx, sqlRevoked, assignment.ID).Scan(&revoked); err != nil {
		return revoked, fmt.Errorf("benefits: read revocations: %w", err)
	}
	person, _ := leg.To.Account.Owner.MemberRef()
	balances, err := c.ledger.Balances(ctx, programme, person, leg.Unit)
	if err != nil {
		return revoked, err
	}
	rest := leg.Amount.Sub(revoked)
	switch unused := decimal.Min(rest, balances[0].Available); {
	case unused.IsPositive():
		return unused, nil
	case rest.IsPositive():
		return rest, nil
	default:
		return leg.Amount, nil
	}
}
