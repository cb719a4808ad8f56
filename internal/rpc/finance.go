package rpc

import (
	"context"
	"maps"
	"slices"

	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

func (s *server) GetTrialBalance(ctx context.Context, m *v1.GetTrialBalanceRequest) (*v1.GetTrialBalanceResponse, error) {
	b, err := s.ledger.TrialBalance(ctx, caller(ctx).Programme, instant(m.AsOfRecorded))
	if err != nil {
		return nil, err
	}
	res := &v1.GetTrialBalanceResponse{At: timeOf(b.At), Lines: make([]*v1.TrialBalanceLine, len(b.Lines))}
	for i, line := range b.Lines {
		kind, id := ownerOf(ledger.Owner(line.Owner))
		res.Lines[i] = &v1.TrialBalanceLine{
			Unit: line.Unit, OwnerKind: kind, OwnerId: id, Place: placeOf(line.Place), Balance: line.Balance.String(),
			Accounts: line.Accounts,
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(b.Totals)) {
		res.Totals = append(res.Totals, &v1.TrialBalanceTotal{Unit: unit, Total: b.Totals[unit].String()})
	}
	return res, nil
}

func (s *server) GetRollForward(ctx context.Context, m *v1.GetRollForwardRequest) (*v1.GetRollForwardResponse, error) {
	f, err := s.ledger.RollForward(ctx, ledger.RollQuery{
		Programme: caller(ctx).Programme, Unit: m.Unit, From: instant(m.From), To: instant(m.To),
	})
	if err != nil {
		return nil, err
	}
	res := &v1.GetRollForwardResponse{
		At: timeOf(f.At), Complete: f.Complete, Opening: f.Opening.String(), Accrued: f.Accrued.String(),
		Redeemed: f.Redeemed.String(), Expired: f.Expired.String(), Reversed: f.Reversed.String(),
		Adjusted: f.Adjusted.String(), Closing: f.Closing.String(), Transferred: f.Transferred.String(),
		Lines: make([]*v1.RollForwardLine, len(f.Lines)),
	}
	for i, line := range f.Lines {
		res.Lines[i] = &v1.RollForwardLine{
			Kind: kindOf(line.Kind), From: placeOf(line.From), To: placeOf(line.To), Change: line.Change.String(),
			Moved: line.Moved.String(), Transactions: line.Transactions,
		}
	}
	return res, nil
}

func (s *server) ListRollForwardLegs(ctx context.Context, m *v1.ListRollForwardLegsRequest) (*v1.ListRollForwardLegsResponse, error) {
	programme := caller(ctx).Programme
	cursor, err := s.pages.cursor(programme, m)
	if err != nil {
		return nil, err
	}
	after, err := readLegCursor(cursor)
	if err != nil {
		return nil, err
	}
	legs, err := s.ledger.RollForwardLegs(ctx, ledger.RollQuery{
		Programme: programme, Unit: m.Unit, From: instant(m.From), To: instant(m.To),
	}, ledger.RollLine{Kind: ledgerKind(m.Kind), From: ledgerPlace(m.FromPlace), To: ledgerPlace(m.ToPlace)}, after.transaction, after.leg)
	if err != nil {
		return nil, err
	}
	var next []byte
	if size := pageSize(m); len(legs) >= size { // the ledger answers its own largest page
		legs = legs[:size]
		next = legCursor{legs[size-1].Transaction, legs[size-1].Leg}.write()
	}
	res := &v1.ListRollForwardLegsResponse{Legs: make([]*v1.RollForwardLeg, len(legs))}
	for i, leg := range legs {
		res.Legs[i] = &v1.RollForwardLeg{
			TransactionId: leg.Transaction.String(), Leg: int32(leg.Leg), MemberId: leg.Member, Reference: leg.Reference,
			EffectiveAt: timeOf(leg.EffectiveAt), RecordedAt: timeOf(leg.RecordedAt), Amount: leg.Amount.String(),
		}
	}
	res.NextPageToken, err = s.pages.token(programme, m, next)
	return res, err
}

func (s *server) SetOpenPeriod(ctx context.Context, m *v1.SetOpenPeriodRequest) (*v1.SetOpenPeriodResponse, error) {
	r := asked(caller(ctx), m.IdempotencyKey)
	r.Reason = m.Reason
	tx, err := s.record(ctx, ledger.SetOpenPeriod(instant(m.OpenFrom), r), m.Preview)
	return &v1.SetOpenPeriodResponse{Transaction: tx}, err
}
