package rpc

import (
	"context"

	"tallystick/benefits"
	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

func (s *server) PublishStock(ctx context.Context, m *v1.PublishStockRequest) (*v1.PublishStockResponse, error) {
	r := asked(caller(ctx), m.IdempotencyKey)
	r.Reason = m.Reason
	tx, err := s.publish(ctx, benefits.Publishing{Benefit: m.BenefitId, Tier: m.TierId, Segment: m.SegmentId, Rights: int64(m.Rights)}, r, m.Preview)
	return &v1.PublishStockResponse{Transaction: tx}, err
}

func (s *server) publish(ctx context.Context, q benefits.Publishing, r ledger.Request, preview bool) (*v1.Transaction, error) {
	programme := caller(ctx).Programme
	if preview {
		tx, err := s.benefits.PreviewPublishing(ctx, programme, q, r)
		if err != nil {
			return nil, err
		}
		return previewOf(tx), nil
	}
	answer, err := s.benefits.PublishStock(ctx, programme, q, r)
	return answered(ctx, answer, err)
}

func (s *server) GetStock(ctx context.Context, m *v1.GetStockRequest) (*v1.GetStockResponse, error) {
	stocks, err := s.benefits.Stocks(ctx, caller(ctx).Programme, m.BenefitId)
	if err != nil {
		return nil, err
	}
	list := make([]*v1.Stock, len(stocks))
	for i, stock := range stocks {
		list[i] = &v1.Stock{TierId: stock.Tier, SegmentId: stock.Segment, Published: stock.Published.String(), Left: stock.Left.String()}
	}
	return &v1.GetStockResponse{Stocks: list}, nil
}
