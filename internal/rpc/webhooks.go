package rpc

import (
	"context"
	"maps"
	"slices"

	"tallystick/internal/auth"
	"tallystick/internal/outbox"
	v1 "tallystick/proto/tallystick/v1"
)

// keyed says who asks for a change of an endpoint: as for postings, the holder of the credential scopes the key.
func keyed(p *auth.Principal, m interface{ GetIdempotencyKey() string }) outbox.Asked {
	return outbox.Asked{Client: p.Holder(), Key: m.GetIdempotencyKey()}
}

func (s *server) CreateWebhook(ctx context.Context, m *v1.CreateWebhookRequest) (*v1.CreateWebhookResponse, error) {
	p := caller(ctx)
	endpoint, secret, err := s.webhooks.Create(ctx, p.Programme, keyed(p, m), m.Url)
	if err != nil {
		return nil, err
	}
	return &v1.CreateWebhookResponse{Webhook: webhookOf(&endpoint), Secret: secret}, nil
}

func (s *server) ListWebhooks(ctx context.Context, _ *v1.ListWebhooksRequest) (*v1.ListWebhooksResponse, error) {
	list, err := s.webhooks.List(ctx, caller(ctx).Programme)
	if err != nil {
		return nil, err
	}
	res := &v1.ListWebhooksResponse{Webhooks: make([]*v1.Webhook, len(list))}
	for i := range list {
		res.Webhooks[i] = webhookOf(&list[i])
	}
	return res, nil
}

func (s *server) RotateWebhookSecret(ctx context.Context, m *v1.RotateWebhookSecretRequest) (*v1.RotateWebhookSecretResponse, error) {
	p := caller(ctx)
	secret, err := s.webhooks.Rotate(ctx, p.Programme, parseID(m.WebhookId), keyed(p, m))
	return &v1.RotateWebhookSecretResponse{Secret: secret}, err
}

func (s *server) ReplayWebhook(ctx context.Context, m *v1.ReplayWebhookRequest) (*v1.ReplayWebhookResponse, error) {
	position := make(outbox.Position, len(m.Position))
	for _, at := range m.Position {
		if _, twice := position[int16(at.Stripe)]; twice {
			return nil, invalidField("position", "a stripe is named twice")
		}
		position[int16(at.Stripe)] = at.N
	}
	p := caller(ctx)
	endpoint, err := s.webhooks.Replay(ctx, p.Programme, parseID(m.WebhookId), keyed(p, m), position)
	if err != nil {
		return nil, err
	}
	return &v1.ReplayWebhookResponse{Webhook: webhookOf(&endpoint)}, nil
}

func (s *server) ResumeWebhook(ctx context.Context, m *v1.ResumeWebhookRequest) (*v1.ResumeWebhookResponse, error) {
	p := caller(ctx)
	endpoint, err := s.webhooks.Resume(ctx, p.Programme, parseID(m.WebhookId), keyed(p, m))
	if err != nil {
		return nil, err
	}
	return &v1.ResumeWebhookResponse{Webhook: webhookOf(&endpoint)}, nil
}

func (s *server) DeleteWebhook(ctx context.Context, m *v1.DeleteWebhookRequest) (*v1.DeleteWebhookResponse, error) {
	p := caller(ctx)
	return &v1.DeleteWebhookResponse{}, s.webhooks.Delete(ctx, p.Programme, parseID(m.WebhookId), keyed(p, m))
}

var webhookStates = map[outbox.State]v1.WebhookState{
	outbox.Active: v1.WebhookState_WEBHOOK_STATE_ACTIVE,
	outbox.Parked: v1.WebhookState_WEBHOOK_STATE_PARKED,
}

func webhookOf(e *outbox.Endpoint) *v1.Webhook {
	m := &v1.Webhook{
		Id: e.ID.String(), Url: e.URL, State: webhookStates[e.State], Undelivered: e.Undelivered,
		Failures: int32(e.Failures), LastFailure: e.LastFailure, CreatedAt: timeOf(e.CreatedAt), DeliveredAt: timeOf(e.DeliveredAt),
	}
	for _, stripe := range slices.Sorted(maps.Keys(e.Position)) {
		m.Position = append(m.Position, &v1.StripePosition{Stripe: int32(stripe), N: e.Position[stripe]})
	}
	return m
}
