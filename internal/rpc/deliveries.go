package rpc

import (
	"context"

	"github.com/google/uuid"

	"tallystick/benefits"
	v1 "tallystick/proto/tallystick/v1"
)

var deliveryStates = map[benefits.DeliveryState]v1.DeliveryState{
	benefits.DeliveryOrdered:   v1.DeliveryState_DELIVERY_STATE_ORDERED,
	benefits.DeliveryShipped:   v1.DeliveryState_DELIVERY_STATE_SHIPPED,
	benefits.DeliveryDelivered: v1.DeliveryState_DELIVERY_STATE_DELIVERED,
	benefits.DeliveryRefunded:  v1.DeliveryState_DELIVERY_STATE_REFUNDED,
	benefits.DeliveryCanceled:  v1.DeliveryState_DELIVERY_STATE_CANCELED,
}

var deliveryEvents = map[benefits.DeliveryEvent]v1.DeliveryEvent{
	benefits.Shipped:   v1.DeliveryEvent_DELIVERY_EVENT_SHIPPED,
	benefits.Delivered: v1.DeliveryEvent_DELIVERY_EVENT_DELIVERED,
	benefits.CameBack:  v1.DeliveryEvent_DELIVERY_EVENT_RETURNED,
	benefits.Lost:      v1.DeliveryEvent_DELIVERY_EVENT_LOST,
}

func deliveryOf(d *benefits.Delivery) *v1.Delivery {
	m := &v1.Delivery{
		ClaimId: d.Claim.String(), BenefitId: d.Benefit, State: deliveryStates[d.State], DeliverTo: d.DeliverTo, OrderedAt: timeOf(d.OrderedAt),
	}
	for _, r := range d.Reports {
		m.Reports = append(m.Reports, &v1.DeliveryReport{Event: deliveryEvents[r.What], HappenedAt: timeOf(r.At), Carrier: r.Carrier, Number: r.Number})
	}
	return m
}

func (s *server) ListDeliveries(ctx context.Context, m *v1.ListDeliveriesRequest) (*v1.ListDeliveriesResponse, error) {
	p := caller(ctx)
	partner, _ := p.Partner()
	cursor, err := s.pages.cursor(p.Programme, m)
	if err != nil {
		return nil, err
	}
	q := benefits.DeliveriesQuery{Operator: partner, Limit: pageSize(m)}
	for state, shown := range deliveryStates {
		if shown == m.State {
			q.State = state
		}
	}
	if len(cursor) == len(q.After) {
		q.After = uuid.UUID(cursor)
	}
	list, last, err := s.benefits.ListDeliveries(ctx, p.Programme, q)
	if err != nil {
		return nil, err
	}
	res := &v1.ListDeliveriesResponse{Deliveries: make([]*v1.Delivery, len(list))}
	for i, d := range list {
		res.Deliveries[i] = deliveryOf(d)
	}
	var next []byte
	if last != uuid.Nil {
		next = last[:]
	}
	res.NextPageToken, err = s.pages.token(p.Programme, m, next)
	return res, err
}

func (s *server) ReportDelivery(ctx context.Context, m *v1.ReportDeliveryRequest) (*v1.ReportDeliveryResponse, error) {
	p := caller(ctx)
	partner, _ := p.Partner()
	w := benefits.DeliveryRecord{
		Operator: partner, Record: m.RecordId, Claim: parseID(m.ClaimId), At: instant(m.HappenedAt), Carrier: m.Carrier, Number: m.Number,
	}
	for event, shown := range deliveryEvents {
		if shown == m.Event {
			w.What = event
		}
	}
	d, known, err := s.benefits.ReportDelivery(ctx, p.Programme, w, asked(p, m.RecordId))
	if err != nil {
		return nil, err
	}
	return &v1.ReportDeliveryResponse{Delivery: deliveryOf(&d), Known: known}, nil
}
