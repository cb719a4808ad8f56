package rpc

import (
	"context"

	"tallystick/internal/auth"
	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

// PostBatch posts the items that can be built and puts each answer where its item stood.
func (s *server) PostBatch(ctx context.Context, m *v1.PostBatchRequest) (*v1.PostBatchResponse, error) {
	p, wrong := caller(ctx), callOf(ctx).items
	results := make([]*v1.BatchResult, len(m.Items))
	requests := make([]ledger.Request, 0, len(m.Items))
	places := make([]int, 0, len(m.Items))
	for i, item := range m.Items {
		var r ledger.Request
		err := wrong[i]
		if err == nil {
			r, err = buildItem(p, item)
		}
		if err != nil {
			results[i] = failed(err)
			continue
		}
		requests, places = append(requests, r), append(places, i)
	}
	if m.Atomic && len(requests) < len(m.Items) {
		for _, i := range places {
			results[i] = failed(&ledger.Refusal{Reason: ledger.AtomicBatchRejected})
		}
		return &v1.PostBatchResponse{Results: results}, nil
	}
	if len(requests) == 0 {
		return &v1.PostBatchResponse{Results: results}, nil
	}
	act := s.ledger.PostBatch
	if m.Preview {
		act = s.ledger.PreviewBatch
	}
	answers, err := act(ctx, p.Programme, requests, m.Atomic)
	if err != nil {
		return nil, err
	}
	for n, answer := range answers {
		results[places[n]] = resultOf(answer, m.Preview)
	}
	return &v1.PostBatchResponse{Results: results}, nil
}

func buildItem(p *auth.Principal, item *v1.BatchItem) (ledger.Request, error) {
	m := writeOf(item)
	if m == nil {
		return ledger.Request{}, invalidField("write", "nothing is asked for")
	}
	if m.GetPreview() {
		return ledger.Request{}, invalidField("preview", "an item of a batch has none, the batch has one")
	}
	return build(p, m)
}

func writeOf(item *v1.BatchItem) write {
	switch w := item.Write.(type) {
	case *v1.BatchItem_Accrue:
		return w.Accrue
	case *v1.BatchItem_Redeem:
		return w.Redeem
	case *v1.BatchItem_Hold:
		return w.Hold
	case *v1.BatchItem_Capture:
		return w.Capture
	case *v1.BatchItem_Void:
		return w.Void
	case *v1.BatchItem_Reverse:
		return w.Reverse
	case *v1.BatchItem_Adjust:
		return w.Adjust
	case *v1.BatchItem_Transfer:
		return w.Transfer
	case *v1.BatchItem_GrantAllotment:
		return w.GrantAllotment
	}
	return nil
}

func resultOf(answer ledger.Answer, preview bool) *v1.BatchResult {
	show := transactionOf
	if preview {
		show = previewOf
	}
	switch {
	case answer.Err != nil && preview:
		return failed(answer.Err)
	case answer.Err != nil:
		return failed(recorded(answer, answer.Err))
	}
	return &v1.BatchResult{Result: &v1.BatchResult_Transaction{Transaction: show(answer.Transaction)}}
}

func failed(err error) *v1.BatchResult {
	no := toRefusal(err)
	return &v1.BatchResult{Result: &v1.BatchResult_Failure{Failure: &v1.Failure{
		Code: no.code.String(), Reason: no.reason, Message: no.Error(), Metadata: no.metadata,
		Messages: sentences[no.reason].byLanguage(),
	}}}
}
