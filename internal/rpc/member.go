package rpc

import (
	"context"

	"github.com/google/uuid"

	"tallystick/benefits"
	"tallystick/internal/auth"
	"tallystick/ledger"
	"tallystick/partners"
	v1 "tallystick/proto/tallystick/v1"
)

// memberOf is the member that a call is about: a member's credential knows its own only, a system names one.
func memberOf(p *auth.Principal, named string) (string, error) {
	switch {
	case p.Role == auth.Member && (named == "" || named == p.Subject):
		return p.Subject, nil
	case p.Role == auth.Member:
		return "", &ledger.Refusal{Reason: ledger.NotFoundReason}
	case named == "":
		return "", invalidField("member_id", "say which member")
	}
	return named, nil
}

func (s *server) GetWallet(ctx context.Context, m *v1.GetWalletRequest) (*v1.GetWalletResponse, error) {
	member, err := memberOf(caller(ctx), m.MemberId)
	if err != nil {
		return nil, err
	}
	w, err := s.benefits.Wallet(ctx, caller(ctx).Programme, member)
	if err != nil {
		return nil, err
	}
	res := &v1.GetWalletResponse{
		MemberId: member, Tier: tierOf(w.Standing.Tier), NextTier: tierOf(w.Standing.Next),
		Accrued: w.Standing.Accrued.String(), Balances: make([]*v1.Balance, len(w.Balances)),
		Due: make(map[string]string, len(w.Due)),
	}
	for i, b := range w.Balances {
		res.Balances[i] = balanceOf(b)
	}
	for unit, amount := range w.Due {
		res.Due[unit] = amount.String()
	}
	return res, nil
}

func tierOf(t *benefits.Tier) *v1.Tier {
	if t == nil {
		return nil
	}
	return &v1.Tier{Id: t.Code, Names: t.Names, From: t.From.String()}
}

func (s *server) ListBenefits(ctx context.Context, m *v1.ListBenefitsRequest) (*v1.ListBenefitsResponse, error) {
	member, err := memberOf(caller(ctx), m.MemberId)
	if err != nil {
		return nil, err
	}
	list, err := s.benefits.ListBenefits(ctx, caller(ctx).Programme, member)
	if err != nil {
		return nil, err
	}
	res := &v1.ListBenefitsResponse{Benefits: make([]*v1.Benefit, len(list))}
	for i := range list {
		res.Benefits[i] = benefitOf(&list[i])
	}
	return res, nil
}

var benefitKinds = map[benefits.Kind]v1.BenefitKind{
	benefits.Lounge:  v1.BenefitKind_BENEFIT_KIND_LOUNGE,
	benefits.Event:   v1.BenefitKind_BENEFIT_KIND_EVENT,
	benefits.Offer:   v1.BenefitKind_BENEFIT_KIND_OFFER,
	benefits.Gift:    v1.BenefitKind_BENEFIT_KIND_GIFT,
	benefits.Service: v1.BenefitKind_BENEFIT_KIND_SERVICE,
}

var waysToPay = map[v1.PayWith]benefits.PayWith{
	v1.PayWith_PAY_WITH_POINTS:    benefits.WithPoints,
	v1.PayWith_PAY_WITH_ALLOTMENT: benefits.WithAllotment,

	v1.PayWith_PAY_WITH_CASH:            benefits.WithCash,
	v1.PayWith_PAY_WITH_POINTS_AND_CASH: benefits.WithPointsAndCash,
}

func benefitOf(l *benefits.Listing) *v1.Benefit {
	b := &v1.Benefit{Id: l.Code, Names: l.Names, Kind: benefitKinds[l.Kind], Redeemable: l.Refusal == nil}
	for i, price := range l.Prices {
		line := &v1.Price{Unit: price.Unit, Amount: price.Amount.String(), Spendable: l.Spendable[i].String()}
		for way, with := range waysToPay {
			if with == price.With {
				line.PayWith = way
			}
		}
		b.Prices = append(b.Prices, line)
	}
	if l.Left.Valid {
		b.Stock = l.Left.Decimal.String()
	}
	if l.Refusal != nil {
		b.BlockedBy = string(l.Refusal.Reason)
	}
	return b
}

// PreviewRedemption asks under a key of its own, which is never recorded.
func (s *server) PreviewRedemption(ctx context.Context, m *v1.PreviewRedemptionRequest) (*v1.PreviewRedemptionResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	r := asked(p, "preview:"+uuid.NewString())
	tx, err := s.benefits.PreviewRedemption(ctx, p.Programme, benefits.Wanted{Member: member, Benefit: m.BenefitId, With: waysToPay[m.PayWith]}, r)
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
	r := asked(p, m.IdempotencyKey)
	r.Channel = m.Channel
	claim, err := s.benefits.RedeemBenefit(ctx, p.Programme, benefits.Wanted{Member: member, Benefit: m.BenefitId, With: waysToPay[m.PayWith]}, r)
	tx, err := answered(ctx, claim.Answer, err)
	if err != nil {
		return nil, err
	}
	return &v1.RedeemBenefitResponse{Transaction: tx, Voucher: voucherOf(claim.Voucher)}, nil
}

func (s *server) CancelRedemption(ctx context.Context, m *v1.CancelRedemptionRequest) (*v1.CancelRedemptionResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	r := asked(p, m.IdempotencyKey)
	r.Channel = m.Channel
	if m.Preview {
		tx, err := s.benefits.PreviewCancel(ctx, p.Programme, member, parseID(m.VoucherId), r)
		if err != nil {
			return nil, err
		}
		return &v1.CancelRedemptionResponse{Transaction: previewOf(tx)}, nil
	}
	answer, err := s.benefits.CancelRedemption(ctx, p.Programme, member, parseID(m.VoucherId), r)
	tx, err := answered(ctx, answer, err)
	return &v1.CancelRedemptionResponse{Transaction: tx}, err
}

var voucherStates = map[partners.State]v1.VoucherState{
	partners.Issued:   v1.VoucherState_VOUCHER_STATE_ISSUED,
	partners.Redeemed: v1.VoucherState_VOUCHER_STATE_REDEEMED,
	partners.Expired:  v1.VoucherState_VOUCHER_STATE_EXPIRED,
	partners.Canceled: v1.VoucherState_VOUCHER_STATE_CANCELED,
}

func voucherOf(v partners.Voucher) *v1.Voucher {
	return &v1.Voucher{
		Id: v.ID.String(), BenefitId: v.Benefit, Code: string(v.Code), State: voucherStates[v.State],
		IssuedAt: timeOf(v.IssuedAt), ExpiresAt: timeOf(v.ExpiresAt),
	}
}

func (s *server) ListVouchers(ctx context.Context, m *v1.ListVouchersRequest) (*v1.ListVouchersResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	cursor, err := s.pages.cursor(p.Programme, m)
	if err != nil {
		return nil, err
	}
	after, err := readTimeAndID(cursor)
	if err != nil {
		return nil, err
	}
	size := pageSize(m)
	list, err := s.vouchers.ListVouchers(ctx, p.Programme, member, partners.Cursor{IssuedAt: after.at, ID: after.id}, size+1)
	if err != nil {
		return nil, err
	}
	var next []byte
	if len(list) > size {
		list = list[:size]
		next = timeAndID{list[size-1].IssuedAt, list[size-1].ID}.write()
	}
	res := &v1.ListVouchersResponse{Vouchers: make([]*v1.Voucher, len(list))}
	for i, v := range list {
		res.Vouchers[i] = voucherOf(v)
	}
	res.NextPageToken, err = s.pages.token(p.Programme, m, next)
	return res, err
}

func (s *server) ListStatement(ctx context.Context, m *v1.ListStatementRequest) (*v1.ListStatementResponse, error) {
	member, err := memberOf(caller(ctx), m.MemberId)
	if err != nil {
		return nil, err
	}
	entries, next, err := s.statement(ctx, m, ledger.StatementQuery{
		Member: member, Unit: m.Unit, From: instant(m.From), To: instant(m.To),
	})
	return &v1.ListStatementResponse{Entries: entries, NextPageToken: next}, err
}
