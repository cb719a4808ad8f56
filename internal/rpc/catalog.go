package rpc

import (
	"context"
	"time"

	"github.com/google/uuid"

	"tallystick/benefits"
	"tallystick/internal/auth"
	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

var benefitKinds = map[benefits.Kind]v1.BenefitKind{
	benefits.Lounge:  v1.BenefitKind_BENEFIT_KIND_LOUNGE,
	benefits.Event:   v1.BenefitKind_BENEFIT_KIND_EVENT,
	benefits.Offer:   v1.BenefitKind_BENEFIT_KIND_OFFER,
	benefits.Gift:    v1.BenefitKind_BENEFIT_KIND_GIFT,
	benefits.Service: v1.BenefitKind_BENEFIT_KIND_SERVICE,
}

var waysToPay = map[v1.PayWith]benefits.PayWith{
	v1.PayWith_PAY_WITH_UNSPECIFIED:     benefits.WithAny,
	v1.PayWith_PAY_WITH_POINTS:          benefits.WithPoints,
	v1.PayWith_PAY_WITH_ALLOTMENT:       benefits.WithAllotment,
	v1.PayWith_PAY_WITH_CASH:            benefits.WithCash,
	v1.PayWith_PAY_WITH_POINTS_AND_CASH: benefits.WithPointsAndCash,
}

// inverse is a map from values to keys.
func inverse[K, V comparable](m map[K]V) map[V]K {
	back := make(map[V]K, len(m))
	for k, v := range m {
		back[v] = k
	}
	return back
}

var (
	kindsOfBenefit = inverse(benefitKinds)
	paidWith       = inverse(waysToPay)
)

// ListBenefits reads one row more than the page has, to know whether another follows. Its cursor is a benefit's code.
func (s *server) ListBenefits(ctx context.Context, m *v1.ListBenefitsRequest) (*v1.ListBenefitsResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	cursor, err := s.pages.cursor(p.Programme, m)
	if err != nil {
		return nil, err
	}
	size := pageSize(m)
	q := benefits.CatalogQuery{
		Member: member, Region: m.Region, Channel: m.Channel, Redeemable: m.Redeemable, After: string(cursor), Limit: size + 1,
	}
	for _, kind := range m.Kinds {
		q.Kinds = append(q.Kinds, kindsOfBenefit[kind])
	}
	list, err := s.benefits.ListBenefits(ctx, p.Programme, q)
	if err != nil {
		return nil, err
	}
	programme, err := s.ledger.Programme(ctx, p.Programme)
	if err != nil {
		return nil, err
	}
	var next []byte
	if len(list) > size {
		list = list[:size]
		next = []byte(list[size-1].Code)
	}
	res := &v1.ListBenefitsResponse{Benefits: make([]*v1.Benefit, len(list))}
	for i := range list {
		res.Benefits[i] = benefitOf(&list[i], programme.Zone)
	}
	res.NextPageToken, err = s.pages.token(p.Programme, m, next)
	return res, err
}

func benefitOf(l *benefits.Listing, zone *time.Location) *v1.Benefit {
	b := &v1.Benefit{
		Id: l.Code, Names: l.Names, Kind: benefitKinds[l.Kind], Terms: l.Terms, Choices: l.Choose, Bundle: l.Bundle,
		Redeemable: len(l.Refusals) == 0, Obstacles: obstaclesOf(l.Refusals, zone),
	}
	for i, price := range l.Prices {
		line := &v1.Price{
			PayWith: paidWith[price.With], Unit: price.Unit, Amount: price.Amount.String(), Spendable: l.Spendable[i].String(), TierId: price.Tier,
		}
		if price.With == benefits.WithPointsAndCash {
			line.Cash = &v1.Cash{Unit: price.Cash.Unit, Amount: price.Cash.Amount.String()}
		}
		b.Prices = append(b.Prices, line)
	}
	if l.Left.Valid {
		b.Stock = l.Left.Decimal.String()
	}
	if len(l.Refusals) > 0 {
		b.BlockedBy = string(l.Refusals[0].Reason)
	}
	return b
}

func obstaclesOf(refusals []*ledger.Refusal, zone *time.Location) []*v1.Obstacle {
	list := make([]*v1.Obstacle, len(refusals))
	for i, no := range refusals {
		list[i] = &v1.Obstacle{Reason: string(no.Reason), Details: no.Detail, Hints: hintsOf(no, zone)}
	}
	return list
}

func (s *server) CheckEntitlement(ctx context.Context, m *v1.CheckEntitlementRequest) (*v1.CheckEntitlementResponse, error) {
	p := caller(ctx)
	member := m.MemberId
	var err error
	if p.Role == auth.System && m.Number != "" {
		if m.MemberId != "" {
			return nil, invalidField("number", "name the member in one way")
		}
		if member, err = s.benefits.MemberOf(ctx, p.Programme, m.Number); err != nil {
			return nil, err
		}
	}
	if member, err = memberOf(p, member); err != nil {
		return nil, err
	}
	q := benefits.CatalogQuery{Member: member, Region: m.Region, Channel: m.Channel}
	e, err := s.benefits.CheckEntitlement(ctx, p.Programme, m.BenefitId, q)
	if err != nil {
		return nil, err
	}
	programme, err := s.ledger.Programme(ctx, p.Programme)
	if err != nil {
		return nil, err
	}
	return &v1.CheckEntitlementResponse{
		MemberId: member, Entitled: len(e.Refusals) == 0, Obstacles: obstaclesOf(e.Refusals, programme.Zone), Parameters: e.Parameters,
	}, nil
}

func (s *server) ListAllotments(ctx context.Context, m *v1.ListAllotmentsRequest) (*v1.ListAllotmentsResponse, error) {
	member, err := memberOf(caller(ctx), m.MemberId)
	if err != nil {
		return nil, err
	}
	list, err := s.benefits.ListAllotments(ctx, caller(ctx).Programme, member)
	if err != nil {
		return nil, err
	}
	res := &v1.ListAllotmentsResponse{Allotments: make([]*v1.Allotment, len(list))}
	for i, a := range list {
		line := &v1.Allotment{
			Unit: a.Unit, TierId: a.Tier, Start: timeOf(a.Start), End: timeOf(a.End), Total: a.Total.String(), Used: a.Used.String(),
			Pending: a.Pending.String(), Left: a.Left.String(),
		}
		for _, from := range a.Sources {
			line.Sources = append(line.Sources, &v1.AllotmentSource{
				Source: from.Source, ExpiresAt: timeOf(from.ExpiresAt), Left: from.Left.String(),
			})
		}
		res.Allotments[i] = line
	}
	return res, nil
}

// wanted is what the requests for a benefit have in common.
type wanted interface {
	GetBenefitId() string
	GetPayWith() v1.PayWith
	GetCash() *v1.Cash
	GetChoice() string
	GetRegion() string
	GetChannel() string
	GetDeliverTo() string
}

// wantedOf reads what is asked for by a member, and the request to ask for it with.
func wantedOf(p *auth.Principal, member, key string, m wanted) (w benefits.Wanted, r ledger.Request, err error) {
	r = asked(p, key)
	r.Channel = m.GetChannel()
	w = benefits.Wanted{
		Member: member, Benefit: m.GetBenefitId(), With: waysToPay[m.GetPayWith()], Choice: m.GetChoice(), Region: m.GetRegion(),
		DeliverTo: m.GetDeliverTo(),
	}
	if cash := m.GetCash(); cash != nil {
		w.Cash.Unit, r.Reference = cash.Unit, cash.PaymentReference
		w.Cash.Amount, err = parseAmount(cash.Amount)
	}
	return w, r, err
}

// PreviewRedemption asks under a key of its own, which is never recorded.
func (s *server) PreviewRedemption(ctx context.Context, m *v1.PreviewRedemptionRequest) (*v1.PreviewRedemptionResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	w, r, err := wantedOf(p, member, "preview:"+uuid.NewString(), m)
	if err != nil {
		return nil, err
	}
	tx, err := s.benefits.PreviewRedemption(ctx, p.Programme, w, r)
	if err != nil {
		return nil, err
	}
	return &v1.PreviewRedemptionResponse{Transaction: previewOf(tx)}, nil
}

func (s *server) RedeemBenefit(ctx context.Context, m *v1.RedeemBenefitRequest) (*v1.RedeemBenefitResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	w, r, err := wantedOf(p, member, m.IdempotencyKey, m)
	if err != nil {
		return nil, err
	}
	claim, err := s.benefits.RedeemBenefit(ctx, p.Programme, w, r)
	tx, err := answered(ctx, claim.Answer, err)
	if err != nil {
		return nil, err
	}
	res := &v1.RedeemBenefitResponse{Transaction: tx, Voucher: voucherOf(claim.Voucher)}
	for _, part := range claim.Parts {
		res.Parts = append(res.Parts, voucherOf(part))
	}
	return res, nil
}

func (s *server) AssignAllotment(ctx context.Context, m *v1.AssignAllotmentRequest) (*v1.AssignAllotmentResponse, error) {
	p := caller(ctx)
	amount, err := parseAmount(m.Amount)
	if err != nil {
		return nil, err
	}
	a := benefits.Assignment{Organisation: m.OrganisationId, Person: m.PersonId, Unit: m.Unit, Amount: amount}
	r := asked(p, m.IdempotencyKey)
	r.Reason = m.Reason
	if m.Preview {
		tx, err := s.benefits.PreviewAssignment(ctx, p.Programme, a, r)
		if err != nil {
			return nil, err
		}
		return &v1.AssignAllotmentResponse{Transaction: previewOf(tx)}, nil
	}
	answer, err := s.benefits.AssignAllotment(ctx, p.Programme, a, r)
	tx, err := answered(ctx, answer, err)
	return &v1.AssignAllotmentResponse{Transaction: tx}, err
}

func (s *server) RevokeAllotment(ctx context.Context, m *v1.RevokeAllotmentRequest) (*v1.RevokeAllotmentResponse, error) {
	p := caller(ctx)
	id := parseID(m.AssignmentId)
	amount, err := parsePart(m.Amount)
	if err != nil {
		return nil, err
	}
	r := asked(p, m.IdempotencyKey)
	r.Reason = m.Reason
	if m.Preview {
		tx, err := s.benefits.PreviewRevocation(ctx, p.Programme, id, amount, r)
		if err != nil {
			return nil, err
		}
		return &v1.RevokeAllotmentResponse{Transaction: previewOf(tx)}, nil
	}
	answer, err := s.benefits.RevokeAllotment(ctx, p.Programme, id, amount, r)
	tx, err := answered(ctx, answer, err)
	return &v1.RevokeAllotmentResponse{Transaction: tx}, err
}
