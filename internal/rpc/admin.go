package rpc

import (
	"context"

	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

func (s *server) FreezeMember(ctx context.Context, m *v1.FreezeMemberRequest) (*v1.FreezeMemberResponse, error) {
	r := asked(caller(ctx), m.IdempotencyKey)
	r.Reason = m.Reason
	tx, err := s.record(ctx, ledger.Freeze(m.MemberId, r), m.Preview)
	return &v1.FreezeMemberResponse{Transaction: tx}, err
}

func (s *server) UnfreezeMember(ctx context.Context, m *v1.UnfreezeMemberRequest) (*v1.UnfreezeMemberResponse, error) {
	r := asked(caller(ctx), m.IdempotencyKey)
	r.Reason = m.Reason
	tx, err := s.record(ctx, ledger.Unfreeze(m.MemberId, r), m.Preview)
	return &v1.UnfreezeMemberResponse{Transaction: tx}, err
}

func (s *server) MoveClock(ctx context.Context, m *v1.MoveClockRequest) (*v1.MoveClockResponse, error) {
	r := ledger.SetClock(instant(m.Clock), asked(caller(ctx), m.IdempotencyKey))
	tx, err := s.record(ctx, r, m.Preview)
	return &v1.MoveClockResponse{Transaction: tx}, err
}

// RedateLots takes an absent end of the range as after the last date, so that lots which never expire stay as they are.
func (s *server) RedateLots(ctx context.Context, m *v1.RedateLotsRequest) (*v1.RedateLotsResponse, error) {
	r := asked(caller(ctx), m.IdempotencyKey)
	r.Reason = m.Reason
	to := ledger.Never
	if m.ExpiringTo != nil {
		to = instant(m.ExpiringTo)
	}
	r = ledger.Redate(m.MemberId, m.Unit, instant(m.ExpiringFrom), to, instant(m.ExpiresAt), r)
	tx, err := s.record(ctx, r, m.Preview)
	return &v1.RedateLotsResponse{Transaction: tx}, err
}
