package rpc

import (
	"context"

	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

func (s *server) SetOpenPeriod(ctx context.Context, m *v1.SetOpenPeriodRequest) (*v1.SetOpenPeriodResponse, error) {
	r := asked(caller(ctx), m.IdempotencyKey)
	r.Reason = m.Reason
	tx, err := s.post(ctx, ledger.SetOpenPeriod(instant(m.OpenFrom), r))
	return &v1.SetOpenPeriodResponse{Transaction: tx}, err
}
