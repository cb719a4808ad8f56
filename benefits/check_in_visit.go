package benefits

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"tallystick/ledger"
)

// CheckIn is what is asked for at the door of a lounge.
type CheckIn struct {
	Operator, Lounge string
	// Code is the pass that the member shows. Without one, Member enters with Benefit, which may be empty where one alone
	// lets into the lounge.
	Code            string
	Member, Benefit string
	Guests          int
	// Consent is what the member agreed to pay for each head that no allotment pays for, at the most. Without any, such a
	// head is refused.
	Consent []Consent
}

// loungeChannel is through what visits are asked for, and what collects the money that members agree to pay at a door.
const loungeChannel = "lounge"

// CheckInVisit lets a member and guests into a lounge, all or none, in one database transaction: each head that costs
// something holds what pays for it, until the operator reports the visit or its days are over. A pass is used at once, and
// money that was agreed to is owed at once; either comes back when the visit does, or when nobody reports it in time. A retry with the same key gets the same
// visit. Each head is paid by the first that the books allow: uses of an allotment, then what the member agreed to.
// Refusals: CODE_MALFORMED, INVALID_FIELD, NOT_FOUND for a lounge that the operator does not run and a pass that it does not
// honour (none is recorded), IDEMPOTENCY_KEY_REUSED, MEMBER_FROZEN, MEMBER_TERMINATED, NOT_OPEN, VOUCHER_USED,
// VOUCHER_EXPIRED, NOT_ELIGIBLE with because or tier, LIMIT_REACHED with because: guests beyond the most that may come, or
// entry or guest for a head that would cost one of accepted; INSUFFICIENT_POINTS for what was agreed to.
func (c *Catalog) CheckInVisit(ctx context.Context, programme uuid.UUID, w CheckIn, r ledger.Request) (Visit, error) {
	id := ledger.TransactionID(programme, r.Client, r.Key)
	if v, err := c.checkedIn(ctx, programme, id, &w); v.ID != uuid.Nil || err != nil {
		return v, err
	}
	a, err := c.admission(ctx, programme, &w, r)
	if err != nil {
		return Visit{}, err
	}
	if _, err := c.Qualify(ctx, programme, a.visit.Member); err != nil {
		return Visit{}, err
	}
	for {
		answers, err := c.ledger.PostBatch(ctx, programme, a.requests, true)
		if err == nil {
			err = ledger.Decisive(answers)
		}
		if err == nil {
			return c.Visit(ctx, programme, id)
		}
		if !errors.Is(err, ledger.ErrTermsChanged) {
			return Visit{}, err
		}
		if a, err = c.admission(ctx, programme, &w, r); err != nil {
			return Visit{}, err
		}
	}
}

// PreviewVisit decides a CheckInVisit, and before it the grants that it would make, by the same code on the same state, and
// records nothing. The heads of the visit say what each would pay.
func (c *Catalog) PreviewVisit(ctx context.Context, programme uuid.UUID, w CheckIn, r ledger.Request) (Visit, error) {
	v, err := c.previewVisit(ctx, programme, &w, r)
	for errors.Is(err, ledger.ErrTermsChanged) {
		v, err = c.previewVisit(ctx, programme, &w, r)
	}
	return v, err
}

func (c *Catalog) previewVisit(ctx context.Context, programme uuid.UUID, w *CheckIn, r ledger.Request) (Visit, error) {
	a, err := c.admission(ctx, programme, w, r)
	if err != nil {
		return Visit{}, err
	}
	p, err := c.ledger.Programme(ctx, programme)
	if err != nil {
		return Visit{}, err
	}
	_, grants, err := c.brought(ctx, programme, a.visit.Member, true)
	if err != nil {
		return Visit{}, err
	}
	answers, err := c.ledger.PreviewBatch(ctx, programme, append(grants, a.requests...), false)
	if err != nil {
		return Visit{}, err
	}
	for i, answer := range answers[len(grants):] {
		if answer.Err != nil {
			return Visit{}, answer.Err
		}
		one := paid{kind: answer.Transaction.Kind, unit: answer.Transaction.Legs[0].Unit, amount: answer.Transaction.Legs[0].Amount}
		head := a.visit.head(p, i, map[uuid.UUID]paid{answer.Transaction.ID: one})
		head.Transaction = uuid.Nil
		a.visit.Heads = append(a.visit.Heads, head)
		a.visit.At = answer.Transaction.RecordedAt
	}
	a.visit.ID, a.visit.State = uuid.Nil, VisitPending
	a.visit.ReleaseAt = a.visit.At.Add(a.timeout)
	return a.visit, nil
}

// checkedIn finds the visit of an earlier attempt.
func (c *Catalog) checkedIn(ctx context.Context, programme, id uuid.UUID, w *CheckIn) (Visit, error) {
	v, err := c.Visit(ctx, programme, id)
	if err != nil {
		if errors.Is(err, &ledger.Refusal{Reason: ledger.NotFoundReason}) {
			err = nil
		}
		return Visit{}, err
	}
	pass := uuid.Nil
	if w.Code != "" {
		voucher, err := c.vouchers.Shown(ctx, programme, w.Code)
		if err != nil {
			return Visit{}, err
		}
		pass = voucher.ID
	}
	same := v.Operator == w.Operator && v.Lounge == w.Lounge && v.Guests == w.Guests && v.Voucher == pass &&
		(w.Code != "" || v.Member == w.Member) && (w.Benefit == "" || v.Benefit == w.Benefit) && consentText(v.Consent) == consentText(w.Consent)
	if !same {
		return Visit{}, refuse(ledger.IdempotencyKeyReused)
	}
	return v, nil
}

// admission is a visit on its way into the books.
type admission struct {
	visit    Visit
	timeout  time.Duration
	requests []ledger.Request
}

// admission builds what lets a member in under the current version of the document.
func (c *Catalog) admission(ctx context.Context, programme uuid.UUID, w *CheckIn, r ledger.Request) (*admission, error) {
	t, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
	}
	site := s.lounges[w.Lounge]
	switch {
	case site == nil || site.Operator != w.Operator:
		return nil, refuse(ledger.NotFoundReason, "lounge", w.Lounge)
	case w.Guests < 0 || w.Guests > maxGuests:
		return nil, invalid("guests", fmt.Sprintf("use 0 to %d", maxGuests))
	}
	if w.Code != "" {
		return c.admitPass(ctx, t, s, site, w, r)
	}
	b, err := s.lettingIn(site, w.Benefit)
	if err != nil {
		return nil, err
	}
	at, err := c.circumstances(ctx, t, s, b, Wanted{Member: w.Member, Region: site.Region}, loungeChannel)
	if err != nil {
		return nil, err
	}
	why, until := s.denies(b, at, t.Zone)
	if b.limited() || len(b.Limits) > 0 {
		why = append(why, refuse(ledger.NotEligible, "because", "pass", "accepted", b.Code)) // they are counted when one is claimed
	}
	for _, tier := range s.tiersFor(b, at.now, t.Zone) {
		r.Needs = append(r.Needs, s.tiers.need(tier))
	}
	r.HoldsUntil = until
	if len(why) > 0 {
		r.Denied = why[0]
	}
	return s.admit(t.Programme, b, site, w, w.Member, uuid.Nil, at.now, r), nil
}

// lettingIn is the benefit that a member enters with.
func (s *section) lettingIn(site *LoungeSite, benefit string) (*Benefit, error) {
	into := s.lettingInto(site)
	switch {
	case benefit == "" && len(into) == 1:
		return s.benefits[into[0]], nil
	case benefit == "" && len(into) > 1:
		return nil, invalid("benefit", fmt.Sprintf("use one of %v", into))
	case !slices.Contains(into, benefit):
		return nil, refuse(ledger.NotFoundReason, "benefit", benefit)
	}
	return s.benefits[benefit], nil
}

// admitPass lets in who shows a pass, which was paid for when it was claimed.
func (c *Catalog) admitPass(
	ctx context.Context, t ledger.Terms, s *section, site *LoungeSite, w *CheckIn, r ledger.Request,
) (*admission, error) {
	voucher, err := c.vouchers.Shown(ctx, t.ID, w.Code)
	if err != nil {
		return nil, err
	}
	use, err := c.vouchers.UseOf(t.Programme, voucher, site.Operator, r)
	if err != nil {
		return nil, err
	}
	b := s.benefits[voucher.Benefit]
	if b == nil || !s.lets(b, site) {
		return nil, refuse(ledger.NotEligible, "because", "lounge", "accepted", strings.Join(s.lettingInto(site), " "))
	}
	a := s.admit(t.Programme, b, site, w, voucher.Member, voucher.ID, t.Now, r)
	first := &a.requests[0]
	use.Asked, use.Rule, use.Channel = first.Asked, first.Rule, first.Channel
	if use.HoldsUntil = first.HoldsUntil; use.Denied == nil {
		use.Denied = first.Denied
	}
	use.Companions = append(first.Companions, a.visit.due(t.ID, t.Now.Add(a.timeout)))
	a.requests[0] = use.Under(t.Programme)
	return a, nil
}

// admit builds a request for each head that costs something. It depends on the document, on what is asked and on the time
// alone.
func (s *section) admit(
	p *ledger.Programme, b *Benefit, site *LoungeSite, w *CheckIn, member string, pass uuid.UUID, now time.Time, r ledger.Request,
) *admission {
	a := &admission{timeout: time.Duration(b.Entry.Days) * 24 * time.Hour, visit: Visit{
		ID: ledger.TransactionID(p.ID, r.Client, r.Key), Member: member, Benefit: b.Code, Lounge: site.Code, Operator: site.Operator,
		Voucher: pass, Guests: w.Guests, Free: min(w.Guests, b.Entry.Guests.Free), Consent: w.Consent, client: r.Client, key: r.Key,
	}}
	r.Rule, r.Channel = "lounge/"+site.Code+"/"+b.Code, loungeChannel
	r.Asked = fmt.Sprintf("visit of %q with %q pass %s guests %d consent %s", site.Code, w.Benefit, pass, w.Guests, consentText(w.Consent))
	if denied, until := s.keepsOut(b, site, w.Guests, now, p.Zone); r.Denied == nil {
		r.Denied, r.HoldsUntil = denied, sooner(r.HoldsUntil, until)
	}
	prices, what := b.Prices, "entry"
	for head := range a.visit.paying(w.Guests) {
		one := r
		if one.Key = headKey(r.Key, head); head > 0 {
			prices, what = b.Entry.Guests.Prices, "guest"
			one.Needs, one.Denied = nil, nil // the member's own decide for all
		} else {
			one.Companions = append(one.Companions, a.visit.row(p.ID, b.Entry.Days))
		}
		a.requests = append(a.requests, s.head(p, a, prices, what, now, one).Under(p))
	}
	return a
}

// keepsOut says why a lounge lets nobody in, or not so many, and until when that holds.
func (s *section) keepsOut(b *Benefit, site *LoungeSite, guests int, now time.Time, zone *time.Location) (*ledger.Refusal, time.Time) {
	open, until := site.open(now, zone)
	most := min(site.Guests, b.Entry.Guests.Most)
	switch {
	case !open:
		return notOpen("closed", until), until
	case guests > most:
		return refuse(ledger.LimitReached, "because", "guests", "most", strconv.Itoa(most)), until
	default:
		return nil, until
	}
}

// sooner is the earlier of two times, of which the zero one is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// head is the request by which one head is held or paid for, in every way that is to be tried.
func (s *section) head(p *ledger.Programme, a *admission, prices []Price, what string, now time.Time, r ledger.Request) ledger.Request {
	member := a.visit.Member
	hold := ledger.Account{Owner: ledger.Member(member), Place: ledger.Hold, Of: ledger.TransactionID(p.ID, r.Client, r.Key)}
	var ways []ledger.Request
	beyond := false
	for _, price := range agreedOf(prices, a.visit.Consent) {
		beyond = beyond || price.With != WithAllotment
		way := ledger.RedeemLegs(member, price.legs(member, loungeChannel), r)
		if price.With == WithCash {
			way.Companions = append(slices.Clone(r.Companions), a.visit.due(p.ID, now.Add(a.timeout)))
		} else {
			hold.Unit = price.Unit
			way.Kind, way.Timeout, way.Legs[0].To = ledger.KindHold, a.timeout, hold
		}
		way.Needs = s.needs(r.Needs, price.Tier)
		ways = append(ways, way)
	}
	if !beyond {
		last := r
		last.Kind, last.Member, last.Timeout = ledger.KindHold, member, a.timeout
		if last.Denied == nil {
			last.Denied = refuse(ledger.LimitReached, "because", what, "accepted", costs(prices))
		}
		ways = append(ways, last)
	}
	return inTurn(ways)
}

// inTurn is one request whose alternatives are tried in their order.
func inTurn(ways []ledger.Request) ledger.Request {
	for i := len(ways) - 1; i > 0; i-- {
		ways[i-1].Otherwise = &ways[i]
	}
	return ways[0]
}

// agreedOf are the prices that may be paid: allotments, and what the member agreed to.
func agreedOf(prices []Price, consent []Consent) []Price {
	return slices.DeleteFunc(slices.Clone(prices), func(price Price) bool {
		return price.With != WithAllotment && !agreed(consent, price)
	})
}

// agreed reports whether the member agreed to a price.
func agreed(consent []Consent, price Price) bool {
	return price.With != WithPointsAndCash && slices.ContainsFunc(consent, func(c Consent) bool {
		return c.Unit == price.Unit && !price.Amount.GreaterThan(c.Most)
	})
}

// costs writes the prices that a member may agree to, such as "points 300, CNY 99".
func costs(prices []Price) string {
	var list []string
	for _, price := range prices {
		if price.With == WithPoints || price.With == WithCash {
			list = append(list, price.Unit+" "+price.Amount.String())
		}
	}
	return strings.Join(list, ", ")
}
