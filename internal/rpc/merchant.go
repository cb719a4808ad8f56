package rpc

import (
	"context"
	"errors"

	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

func (s *server) ValidateVoucher(ctx context.Context, m *v1.ValidateVoucherRequest) (*v1.ValidateVoucherResponse, error) {
	p := caller(ctx)
	partner, _ := p.Partner()
	v, err := s.vouchers.ValidateVoucher(ctx, p.Programme, partner, m.Code)
	if err != nil {
		return nil, err
	}
	res := &v1.ValidateVoucherResponse{
		BenefitId: v.Voucher.Benefit, State: voucherStates[v.Voucher.State], ExpiresAt: timeOf(v.Voucher.ExpiresAt),
	}
	if v.Refusal != nil {
		res.BlockedBy = string(v.Refusal.Reason)
	}
	benefit, err := s.benefits.Benefit(ctx, p.Programme, v.Voucher.Benefit)
	switch {
	case err == nil:
		res.BenefitNames = benefit.Names
	case !errors.Is(err, &ledger.Refusal{Reason: ledger.NotFoundReason}): // a benefit may be gone before its vouchers
		return nil, err
	}
	return res, nil
}

func (s *server) RedeemVoucher(ctx context.Context, m *v1.RedeemVoucherRequest) (*v1.RedeemVoucherResponse, error) {
	p := caller(ctx)
	partner, outlet := p.Partner()
	if outlet != "" && m.Outlet != "" && m.Outlet != outlet {
		return nil, invalidField("outlet", "the credential belongs to another one")
	}
	if outlet == "" {
		outlet = m.Outlet
	}
	act := s.vouchers.RedeemVoucher
	if m.Preview {
		act = s.vouchers.PreviewUse
	}
	use, err := act(ctx, p.Programme, partner, outlet, m.Code, asked(p, m.IdempotencyKey))
	if m.Preview && err != nil {
		return nil, err // nothing was recorded, so nothing is to be named
	}
	if _, err := answered(ctx, use.Answer, err); err != nil {
		return nil, err
	}
	res := &v1.RedeemVoucherResponse{
		RedemptionId: use.Transaction.ID.String(), BenefitId: use.Benefit, RecordedAt: timeOf(use.Transaction.RecordedAt),
	}
	if m.Preview {
		res.RedemptionId = ""
	}
	if use.Payable.Amount.IsPositive() {
		res.PayableUnit, res.PayableAmount = use.Payable.Unit, use.Payable.Amount.String()
	}
	return res, nil
}

func (s *server) ReverseVoucher(ctx context.Context, m *v1.ReverseVoucherRequest) (*v1.ReverseVoucherResponse, error) {
	p := caller(ctx)
	partner, _ := p.Partner()
	r := asked(p, m.IdempotencyKey)
	r.Reason = m.Reason
	if m.Preview {
		tx, err := s.vouchers.PreviewReverse(ctx, p.Programme, partner, parseID(m.RedemptionId), r)
		if err != nil {
			return nil, err
		}
		return &v1.ReverseVoucherResponse{RecordedAt: timeOf(tx.RecordedAt)}, nil
	}
	answer, err := s.vouchers.ReverseVoucher(ctx, p.Programme, partner, parseID(m.RedemptionId), r)
	if _, err := answered(ctx, answer, err); err != nil {
		return nil, err
	}
	return &v1.ReverseVoucherResponse{
		ReversalId: answer.Transaction.ID.String(), RecordedAt: timeOf(answer.Transaction.RecordedAt),
	}, nil
}
