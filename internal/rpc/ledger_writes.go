package rpc

import (
	"context"

	"connectrpc.com/connect"

	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

// replayedHeader tells that an answer is that of an earlier request with the same key. It is no field of the answer,
// because both answers are equal.
const replayedHeader = "Idempotency-Replayed"

// write posts, or previews, one ordinary write.
func (s *server) write(ctx context.Context, m write) (*v1.Transaction, error) {
	r, err := build(caller(ctx), m)
	if err != nil {
		return nil, err
	}
	return s.record(ctx, r, m.GetPreview())
}

// record posts a request, or only tries it.
func (s *server) record(ctx context.Context, r ledger.Request, preview bool) (*v1.Transaction, error) {
	if preview {
		return s.preview(ctx, r)
	}
	return s.post(ctx, r)
}

func (s *server) post(ctx context.Context, r ledger.Request) (*v1.Transaction, error) {
	answer, err := s.ledger.Post(ctx, caller(ctx).Programme, r)
	return answered(ctx, answer, err)
}

// answered translates what became of a request.
func answered(ctx context.Context, answer ledger.Answer, err error) (*v1.Transaction, error) {
	if answer.Replayed {
		if info, ok := connect.CallInfoForHandlerContext(ctx); ok {
			info.ResponseHeader().Set(replayedHeader, "true")
		}
	}
	if err != nil {
		return nil, recorded(answer, err)
	}
	return transactionOf(answer.Transaction), nil
}

// recorded names the transaction of a refusal that stands in the journal.
func recorded(answer ledger.Answer, err error) error {
	if answer.Transaction == nil {
		return err
	}
	return toRefusal(err).with("recorded_id", answer.Transaction.ID.String())
}

func (s *server) preview(ctx context.Context, r ledger.Request) (*v1.Transaction, error) {
	return previewed(s.ledger.Preview(ctx, caller(ctx).Programme, r))
}

// previewed translates what would become of a request.
func previewed(tx *ledger.Transaction, err error) (*v1.Transaction, error) {
	if err != nil {
		return nil, err
	}
	return previewOf(tx), nil
}

func previewOf(tx *ledger.Transaction) *v1.Transaction {
	m := transactionOf(tx)
	m.Outcome = v1.Outcome_OUTCOME_PREVIEWED
	return m
}

func (s *server) Accrue(ctx context.Context, m *v1.AccrueRequest) (*v1.AccrueResponse, error) {
	tx, err := s.write(ctx, m)
	return &v1.AccrueResponse{Transaction: tx}, err
}

func (s *server) Redeem(ctx context.Context, m *v1.RedeemRequest) (*v1.RedeemResponse, error) {
	tx, err := s.write(ctx, m)
	return &v1.RedeemResponse{Transaction: tx}, err
}

func (s *server) Hold(ctx context.Context, m *v1.HoldRequest) (*v1.HoldResponse, error) {
	tx, err := s.write(ctx, m)
	return &v1.HoldResponse{Transaction: tx}, err
}

func (s *server) Capture(ctx context.Context, m *v1.CaptureRequest) (*v1.CaptureResponse, error) {
	tx, err := s.write(ctx, m)
	return &v1.CaptureResponse{Transaction: tx}, err
}

func (s *server) Void(ctx context.Context, m *v1.VoidRequest) (*v1.VoidResponse, error) {
	tx, err := s.write(ctx, m)
	return &v1.VoidResponse{Transaction: tx}, err
}

func (s *server) Reverse(ctx context.Context, m *v1.ReverseRequest) (*v1.ReverseResponse, error) {
	tx, err := s.write(ctx, m)
	return &v1.ReverseResponse{Transaction: tx}, err
}

func (s *server) Adjust(ctx context.Context, m *v1.AdjustRequest) (*v1.AdjustResponse, error) {
	tx, err := s.write(ctx, m)
	return &v1.AdjustResponse{Transaction: tx}, err
}

func (s *server) Transfer(ctx context.Context, m *v1.TransferRequest) (*v1.TransferResponse, error) {
	tx, err := s.write(ctx, m)
	return &v1.TransferResponse{Transaction: tx}, err
}

func (s *server) GrantAllotment(ctx context.Context, m *v1.GrantAllotmentRequest) (*v1.GrantAllotmentResponse, error) {
	tx, err := s.write(ctx, m)
	return &v1.GrantAllotmentResponse{Transaction: tx}, err
}
