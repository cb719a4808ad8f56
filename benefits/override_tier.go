package benefits

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tallystick/internal/db"
	"tallystick/ledger"
)

// Override is a tier by decision of an operator.
type Override struct {
	Member string
	Group  string // empty: the first group that the member is in
	Tier   string // empty ends what was decided
	// From is since when it counts, where it was held elsewhere before; zero: now. It is history: the books have it from now on.
	From  time.Time
	Until time.Time
}

// OverrideTier gives a member a tier until a time, whatever was measured, in one transaction of kind tier; it takes the
// place of what was decided so before. The member has the higher of it and what the other sources give. r gives client,
// key, actor, channel and reason, which is kept with the decision. A retry with the same client and key changes nothing.
// Refusals, none recorded: INVALID_FIELD for a group that the member is not in and a tier that is not in it, or without a
// reason, TIME_NOT_IN_FUTURE, IDEMPOTENCY_KEY_REUSED, MEMBER_TERMINATED; db.ErrContention when others kept changing the tier.
func (c *Catalog) OverrideTier(ctx context.Context, programme uuid.UUID, o Override, r ledger.Request) (ledger.Answer, error) {
	const attempts = 10
	for range attempts {
		request, err := c.override(ctx, programme, o, r)
		if err != nil {
			return ledger.Answer{}, err
		}
		answer, err := c.ledger.Post(ctx, programme, request)
		if err == nil || !errors.Is(err, ledger.ErrTermsChanged) && !errors.Is(err, &ledger.Refusal{Reason: ledger.TierMoved}) {
			return answer, err
		}
	}
	return ledger.Answer{}, db.ErrContention
}

// EndOverride takes back what OverrideTier gave a member in a group, in the same way. What the other sources give counts
// again, as it was measured meanwhile. Refusals as those of OverrideTier, and NOT_FOUND when there is nothing to end.
func (c *Catalog) EndOverride(ctx context.Context, programme uuid.UUID, member, group string, r ledger.Request) (ledger.Answer, error) {
	return c.OverrideTier(ctx, programme, Override{Member: member, Group: group}, r)
}

// PreviewOverride decides the same by the same code on the same state, and records nothing.
func (c *Catalog) PreviewOverride(ctx context.Context, programme uuid.UUID, o Override, r ledger.Request) (*ledger.Transaction, error) {
	for {
		request, err := c.override(ctx, programme, o, r)
		if err != nil {
			return nil, err
		}
		tx, err := c.ledger.Preview(ctx, programme, request)
		if !errors.Is(err, ledger.ErrTermsChanged) {
			return tx, err
		}
	}
}

// override builds the change of tier under the current version of the document.
func (c *Catalog) override(ctx context.Context, programme uuid.UUID, o Override, r ledger.Request) (ledger.Request, error) {
	rater, err := c.rateNow(ctx, programme, o.Member)
	if err != nil {
		return r, err
	}
	return rater.ratings[0].override(rater, o, r)
}

// override builds the change of tier of a member whose rating is prepared.
func (m *rating) override(rater *rater, o Override, r ledger.Request) (ledger.Request, error) {
	o.Until, o.From = o.Until.UTC().Truncate(time.Microsecond), o.From.UTC().Truncate(time.Microsecond)
	g, err := m.groupOf(o.Group)
	if err != nil {
		return r, err
	}
	rank := g.group.rank(o.Tier)
	switch {
	case r.Reason == "":
		return r, invalid("reason", "say why")
	case o.Tier != "" && rank == 0:
		return r, invalid("tier", fmt.Sprintf("use one of %v", g.group.codes()))
	case o.From.After(rater.now):
		return r, invalid("from", "use a time that is not to come")
	case o.Tier != "" && !o.Until.After(rater.now):
		r.Denied = refuse(ledger.TimeNotInFuture, "field", "until")
	}
	d := &sourceDecider{rater: rater, rating: m, group: g.group, source: ByOverride, sourceRating: g.sources[ByOverride]}
	decision := TierDecision{Cause: OverrideEnd, Change: true}
	if rank > 0 {
		decision = TierDecision{Grant{Rank: rank, Start: rater.now, Until: o.Until, LotUntil: o.Until}, Overridden, true}
		if !o.From.IsZero() {
			decision.Start = o.From
		}
	} else if len(d.lots) == 0 {
		r.Denied = refuse(ledger.NotFoundReason, "override", g.group.Code)
	}
	r.Asked = fmt.Sprintf("override of %q in %q with %q until %s because %q", o.Member, o.Group, o.Tier, o.Until.Format(time.RFC3339Nano), r.Reason)
	if !o.From.IsZero() {
		r.Asked += " from " + o.From.Format(time.RFC3339Nano)
	}
	return d.replace(d.overrules(decision, r.Reason), d.caused(decision, r)).Own().Under(rater.programme), nil
}

// overrules is what is kept of an operator's decision.
func (d *sourceDecider) overrules(decision TierDecision, reason string) tierDecision {
	d.last++
	row := d.row(decision, false)
	inputs := d.inputs()
	inputs.Reason = reason
	row.inputs = encode(inputs)
	return row
}

// caused names the cause and the source of a decision in its transaction.
func (d *sourceDecider) caused(decision TierDecision, r ledger.Request) ledger.Request {
	r.Reason, r.Rule = string(decision.Cause), "tier/"+d.group.Code+"/"+string(d.source)
	return r
}

// groupOf finds a group that the member is in.
func (m *rating) groupOf(code string) (*groupRating, error) {
	var codes []string
	for _, g := range m.groups {
		if code == "" || g.group.Code == code {
			return g, nil
		}
		codes = append(codes, g.group.Code)
	}
	return nil, invalid("group", fmt.Sprintf("use one of %v", codes))
}
