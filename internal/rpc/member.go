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
		MemberId: member, Accrued: "0", Balances: make([]*v1.Balance, len(w.Balances)),
		Due: make(map[string]string, len(w.Due)),
	}
	if first, in := w.Standing.First(); in {
		res.Tier, res.NextTier = tierOf(first.Tier()), tierOf(first.Next())
		res.Accrued = first.Value(string(benefits.ByPoints)).String()
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
	return &v1.Tier{Id: t.Code, Names: t.Names, From: t.From[string(benefits.ByPoints)].String()}
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
	ids := make([]uuid.UUID, len(list))
	for i, v := range list {
		ids[i] = v.ID
	}
	deliveries, err := s.benefits.Deliveries(ctx, p.Programme, ids)
	if err != nil {
		return nil, err
	}
	res := &v1.ListVouchersResponse{Vouchers: make([]*v1.Voucher, len(list))}
	for i, v := range list {
		res.Vouchers[i] = voucherOf(v)
		if d := deliveries[v.ID]; d != nil {
			res.Vouchers[i].Delivery = deliveryOf(d)
		}
	}
	res.NextPageToken, err = s.pages.token(p.Programme, m, next)
	return res, err
}

func (s *server) GetVoucherCode(ctx context.Context, m *v1.GetVoucherCodeRequest) (*v1.GetVoucherCodeResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	v, err := s.vouchers.Voucher(ctx, p.Programme, parseID(m.VoucherId))
	if err != nil {
		return nil, err
	}
	if v.Member != member {
		return nil, &ledger.Refusal{Reason: ledger.NotFoundReason}
	}
	res := &v1.GetVoucherCodeResponse{Code: string(v.Code)}
	for _, r := range s.vouchers.Rotating(v) {
		res.RotatingCodes = append(res.RotatingCodes, &v1.RotatingCode{Token: r.Token, From: timeOf(r.From), Until: timeOf(r.Until)})
	}
	return res, nil
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
