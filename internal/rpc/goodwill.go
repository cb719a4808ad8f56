package rpc

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	"tallystick/benefits"
	v1 "tallystick/proto/tallystick/v1"
)

func (s *server) FundBudget(ctx context.Context, m *v1.FundBudgetRequest) (*v1.FundBudgetResponse, error) {
	amount, err := parseAmount(m.Amount)
	if err != nil {
		return nil, err
	}
	r := asked(caller(ctx), m.IdempotencyKey)
	r.Reason = m.Reason
	answer, err := s.benefits.FundBudget(ctx, caller(ctx).Programme, m.StaffId, amount, r, m.Preview)
	tx, err := s.decided(ctx, answer, err, m.Preview)
	return &v1.FundBudgetResponse{Transaction: tx}, err
}

func (s *server) GrantGoodwill(ctx context.Context, m *v1.GrantGoodwillRequest) (*v1.GrantGoodwillResponse, error) {
	amount, err := parseAmount(m.Amount)
	if err != nil {
		return nil, err
	}
	g := benefits.Goodwill{Staff: m.StaffId, Member: m.MemberId, Amount: amount}
	if m.Preview {
		tx, err := previewed(s.benefits.PreviewGoodwill(ctx, caller(ctx).Programme, g, changed(ctx, m)))
		return &v1.GrantGoodwillResponse{Transaction: tx}, err
	}
	answer, err := s.benefits.GrantGoodwill(ctx, caller(ctx).Programme, g, changed(ctx, m))
	tx, err := answered(ctx, answer, err)
	return &v1.GrantGoodwillResponse{Transaction: tx}, err
}

func (s *server) GetBudget(ctx context.Context, m *v1.GetBudgetRequest) (*v1.GetBudgetResponse, error) {
	b, err := s.benefits.BudgetOf(ctx, caller(ctx).Programme, m.StaffId)
	if err != nil {
		return nil, err
	}
	return &v1.GetBudgetResponse{Unit: b.Unit, Available: b.Available.String()}, nil
}

func (s *server) ListBudget(ctx context.Context, m *v1.ListBudgetRequest) (*v1.ListBudgetResponse, error) {
	programme := caller(ctx).Programme
	cursor, err := s.pages.cursor(programme, m)
	if err != nil {
		return nil, err
	}
	after, err := readCursor(cursor)
	if err != nil {
		return nil, err
	}
	page, err := s.benefits.Goodwills(ctx, programme, m.StaffId, after, pageSize(m))
	if err != nil {
		return nil, err
	}
	res := &v1.ListBudgetResponse{Movements: make([]*v1.BudgetMovement, len(page.Movements))}
	for i, moved := range page.Movements {
		res.Movements[i] = &v1.BudgetMovement{
			TransactionId: moved.Transaction.String(), Kind: kindOf(moved.Kind), MemberId: moved.Member, Amount: moved.Amount.String(),
			Balance: moved.Balance.String(), Reason: moved.Reason, RecordedAt: timestamppb.New(moved.RecordedAt),
		}
	}
	var next []byte
	if page.Next != nil {
		next = writeCursor(*page.Next)
	}
	res.NextPageToken, err = s.pages.token(programme, m, next)
	return res, err
}
