package rpc

import (
	"context"

	"github.com/shopspring/decimal"

	"tallystick/benefits"
	v1 "tallystick/proto/tallystick/v1"
)

func (s *server) RecordActivity(ctx context.Context, m *v1.RecordActivityRequest) (*v1.RecordActivityResponse, error) {
	p := caller(ctx)
	a, err := activityOf(m.Activity)
	if err != nil {
		return nil, err
	}
	if a.Member == "" {
		return nil, invalidField("activity.member_id", "it is required")
	}
	earned, err := s.benefits.RecordActivity(ctx, p.Programme, a, asked(p, m.IdempotencyKey))
	tx, err := answered(ctx, earned.Answer, err)
	if err != nil {
		return nil, err
	}
	return &v1.RecordActivityResponse{Transaction: tx, Lots: earnedLots(earned.Lots)}, nil
}

func (s *server) EstimateActivity(ctx context.Context, m *v1.EstimateActivityRequest) (*v1.EstimateActivityResponse, error) {
	a, err := activityOf(m.Activity)
	if err != nil {
		return nil, err
	}
	earned, err := s.benefits.EstimateActivity(ctx, caller(ctx).Programme, a)
	if err != nil {
		return nil, err
	}
	return &v1.EstimateActivityResponse{Lots: earnedLots(earned.Lots)}, nil
}

func (s *server) ReturnActivity(ctx context.Context, m *v1.ReturnActivityRequest) (*v1.ReturnActivityResponse, error) {
	p := caller(ctx)
	amount, err := parsePart(m.Amount)
	if err != nil {
		return nil, err
	}
	r := asked(p, m.IdempotencyKey)
	r.Reason, r.Reference = m.Reason, m.Reference
	if r, err = s.benefits.Return(ctx, p.Programme, parseID(m.TransactionId), amount, r); err != nil {
		return nil, err
	}
	tx, err := s.record(ctx, r, m.Preview)
	return &v1.ReturnActivityResponse{Transaction: tx}, err
}

// activityOf reads an activity whose form validation has checked.
func activityOf(m *v1.Activity) (benefits.Activity, error) {
	a := benefits.Activity{
		Kind: m.Kind, Member: m.MemberId, At: instant(m.HappenedAt), Channel: m.Channel, Reference: m.Reference,
	}
	for _, amount := range []struct {
		name, text string
		into       *decimal.Decimal
	}{{"amount", m.Amount, &a.Amount}, {"gifted", m.Gifted, &a.Gifted}, {"paid_in_points", m.PaidInPoints, &a.PaidInPoints}} {
		if amount.text == "" {
			continue
		}
		var err error
		if *amount.into, err = decimal.NewFromString(amount.text); err != nil {
			return a, invalidField("activity."+amount.name, "not a decimal number")
		}
	}
	var err error
	a.Fields, err = valuesOf("activity.fields", m.Fields)
	return a, err
}

// valuesOf reads the fields of a list, whose form validation has checked; none is nil.
func valuesOf(list string, fields []*v1.Field) (map[string]any, error) {
	var values map[string]any
	for _, field := range fields {
		if values == nil {
			values = make(map[string]any, len(fields))
		}
		if _, twice := values[field.Name]; twice {
			return nil, invalidField(list, field.Name+": given twice")
		}
		switch value := field.Value.(type) {
		case *v1.Field_Text:
			values[field.Name] = value.Text
		case *v1.Field_Flag:
			values[field.Name] = value.Flag
		case *v1.Field_Number:
			number, err := decimal.NewFromString(value.Number)
			if err != nil {
				return nil, invalidField(list, field.Name+": not a decimal number")
			}
			values[field.Name] = number
		}
	}
	return values, nil
}

func earnedLots(lots []benefits.EarnedLot) []*v1.EarnedLot {
	list := make([]*v1.EarnedLot, len(lots))
	for i, l := range lots {
		list[i] = &v1.EarnedLot{Rule: l.Rule, Unit: l.Unit, Points: l.Points.String(), Granted: l.Granted.String(), Why: l.Why}
	}
	return list
}
