package rpc

import (
	"context"
	"strings"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

func (s *server) GetBalance(ctx context.Context, m *v1.GetBalanceRequest) (*v1.GetBalanceResponse, error) {
	programme := caller(ctx).Programme
	var posted decimal.Decimal
	var err error
	switch at := m.AsOf.(type) {
	case *v1.GetBalanceRequest_AsOfRecorded:
		posted, err = s.ledger.BalanceAsOfRecorded(ctx, programme, m.MemberId, m.Unit, instant(at.AsOfRecorded))
	case *v1.GetBalanceRequest_AsOfEffective:
		posted, err = s.ledger.BalanceAsOfEffective(ctx, programme, m.MemberId, m.Unit, instant(at.AsOfEffective))
	default:
		balance, err := s.ledger.Balance(ctx, programme, m.MemberId, m.Unit)
		return &v1.GetBalanceResponse{Balance: balanceOf(balance)}, err
	}
	return &v1.GetBalanceResponse{Balance: &v1.Balance{Unit: m.Unit, Posted: posted.String()}}, err
}

func balanceOf(b ledger.Balance) *v1.Balance {
	m := &v1.Balance{
		Unit: b.Unit, Posted: b.Posted.String(), Available: b.Available.String(), Pending: b.Pending.String(),
		Held: b.Held.String(), Debt: b.Debt.String(), Expiries: make([]*v1.ExpiryLine, len(b.Expiries)),
	}
	for i, e := range b.Expiries {
		m.Expiries[i] = &v1.ExpiryLine{ExpiresAt: timeOf(e.At), Amount: e.Amount.String()}
	}
	if next, ok := b.NextExpiry(); ok {
		m.NextExpiryAt, m.NextExpiryAmount = timeOf(next.At), next.Amount.String()
	}
	return m
}

func (s *server) ListEntries(ctx context.Context, m *v1.ListEntriesRequest) (*v1.ListEntriesResponse, error) {
	place := ledger.Wallet
	if m.Place == v1.Place_PLACE_DEBT {
		place = ledger.Debt
	}
	entries, next, err := s.statement(ctx, m, ledger.StatementQuery{
		Member: m.MemberId, Unit: m.Unit, Place: place, From: instant(m.From), To: instant(m.To),
	})
	return &v1.ListEntriesResponse{Entries: entries, NextPageToken: next}, err
}

// statement reads one page; q says of which account and range, m is the request that the page's token is bound to.
func (s *server) statement(ctx context.Context, m query, q ledger.StatementQuery) ([]*v1.Entry, string, error) {
	q.Programme, q.Limit = caller(ctx).Programme, pageSize(m)
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return nil, "", invalidField("to", "it must be after from")
	}
	cursor, err := s.pages.cursor(q.Programme, m)
	if err != nil {
		return nil, "", err
	}
	if q.After, err = readCursor(cursor); err != nil {
		return nil, "", err
	}
	page, err := s.ledger.Statement(ctx, q)
	if err != nil {
		return nil, "", err
	}
	entries := make([]*v1.Entry, len(page.Movements))
	for i := range page.Movements {
		entries[i] = entryOf(&page.Movements[i])
	}
	var next []byte
	if page.Next != nil {
		next = writeCursor(*page.Next)
	}
	token, err := s.pages.token(q.Programme, m, next)
	return entries, token, err
}

func entryOf(m *ledger.Movement) *v1.Entry {
	e := &v1.Entry{
		TransactionId: m.Transaction.String(), Kind: kindOf(m.Kind), Amount: m.Amount.String(),
		BalanceAfter: m.Balance.String(), EffectiveAt: timeOf(m.EffectiveAt), RecordedAt: timeOf(m.RecordedAt),
		Reason: m.Reason, Reference: m.Reference, Channel: m.Channel, OriginalId: idOf(m.Original),
		Rule: m.Rule, RuleVersion: m.RuleVersion, Lots: make([]*v1.LotLine, len(m.Lots)),
	}
	for i, d := range m.Lots {
		e.Lots[i] = &v1.LotLine{ExpiresAt: timeOf(d.ExpiresAt), Fund: d.Fund, Amount: d.Amount.String()}
	}
	return e
}

func (s *server) GetTransaction(ctx context.Context, m *v1.GetTransactionRequest) (*v1.GetTransactionResponse, error) {
	programme, id := caller(ctx).Programme, parseID(m.TransactionId)
	cursor, err := s.pages.cursor(programme, m)
	if err != nil {
		return nil, err
	}
	after, err := readTimeAndID(cursor)
	if err != nil {
		return nil, err
	}
	tx, err := s.ledger.Transaction(ctx, programme, id)
	if err != nil {
		return nil, err
	}
	followUps, next, err := s.ledger.FollowUps(ctx, ledger.FollowUpsQuery{
		Programme: programme, Transaction: id, After: ledger.FollowUpCursor{RecordedAt: after.at, Transaction: after.id}, Limit: pageSize(m),
	})
	if err != nil {
		return nil, err
	}
	res := &v1.GetTransactionResponse{Transaction: transactionOf(tx)}
	for _, f := range followUps {
		res.FollowUps = append(res.FollowUps, &v1.FollowUp{
			TransactionId: f.Transaction.String(), Kind: kindOf(f.Kind), Amount: f.Amount.String(), RecordedAt: timeOf(f.RecordedAt),
		})
	}
	if next != nil {
		res.NextPageToken, err = s.pages.token(programme, m, timeAndID{next.RecordedAt, next.Transaction}.write())
	}
	return res, err
}

func (s *server) ExplainBalance(ctx context.Context, m *v1.ExplainBalanceRequest) (*v1.ExplainBalanceResponse, error) {
	explained, err := s.ledger.ExplainBalance(ctx, caller(ctx).Programme, m.MemberId, m.Unit)
	return &v1.ExplainBalanceResponse{Posted: explained.Posted.String(), Lots: explainedOf(explained.Lots)}, err
}

func (s *server) ExplainTransaction(ctx context.Context, m *v1.ExplainTransactionRequest) (*v1.ExplainTransactionResponse, error) {
	programme, id := caller(ctx).Programme, parseID(m.TransactionId)
	tx, err := s.ledger.Transaction(ctx, programme, id)
	if err != nil {
		return nil, err
	}
	lots, err := s.ledger.ExplainTransaction(ctx, programme, id)
	return &v1.ExplainTransactionResponse{Transaction: transactionOf(tx), Lots: explainedOf(lots)}, err
}

func explainedOf(lots []ledger.ExplainedLot) []*v1.ExplainedLot {
	out := make([]*v1.ExplainedLot, len(lots))
	for i, lot := range lots {
		out[i] = &v1.ExplainedLot{
			Unit: lot.Unit, ExpiresAt: timeOf(lot.ExpiresAt), Fund: lot.Fund, Amount: lot.Amount.String(),
			Shares: make([]*v1.AccrualShare, len(lot.Shares)),
		}
		for j, share := range lot.Shares {
			out[i].Shares[j] = &v1.AccrualShare{
				TransactionId: share.Transaction.String(), Kind: kindOf(share.Kind), Amount: share.Amount.String(),
				RecordedAt: timeOf(share.RecordedAt), EffectiveAt: timeOf(share.EffectiveAt), Reference: share.Reference,
				RuleVersion: share.RuleVersion, Rule: share.Rule, Reason: share.Reason,
			}
		}
	}
	return out
}

func (s *server) ListHolds(ctx context.Context, m *v1.ListHoldsRequest) (*v1.ListHoldsResponse, error) {
	programme := caller(ctx).Programme
	cursor, err := s.pages.cursor(programme, m)
	if err != nil {
		return nil, err
	}
	read := s.openHolds
	if m.All {
		read = s.allHolds
	}
	holds, next, err := read(ctx, programme, m, cursor)
	if err != nil {
		return nil, err
	}
	res := &v1.ListHoldsResponse{Holds: make([]*v1.HeldUnits, len(holds))}
	for i, h := range holds {
		res.Holds[i] = &v1.HeldUnits{
			HoldId: h.Hold.String(), Unit: h.Unit, Amount: h.Amount.String(), Captured: h.Captured.String(),
			Returned: h.Returned.String(), Remaining: h.Remaining.String(), DueAt: timeOf(h.DueAt),
			RecordedAt: timeOf(h.RecordedAt), Reason: h.Reason, Reference: h.Reference, State: holdStateOf(h.State),
		}
	}
	res.NextPageToken, err = s.pages.token(programme, m, next)
	return res, err
}

// openHolds reads a page of what still holds something, and the cursor of the next.
func (s *server) openHolds(ctx context.Context, programme uuid.UUID, m *v1.ListHoldsRequest, cursor []byte) ([]ledger.HeldUnits, []byte, error) {
	after, err := readTimeAndID(cursor)
	if err != nil {
		return nil, nil, err
	}
	page, err := s.ledger.Holds(ctx, ledger.HoldsQuery{
		Programme: programme, Member: m.MemberId, Unit: m.Unit,
		After: ledger.HoldCursor{DueAt: after.at, Account: after.id}, Limit: pageSize(m),
	})
	if err != nil || page.Next == nil {
		return page.Holds, nil, err
	}
	return page.Holds, timeAndID{page.Next.DueAt, page.Next.Account}.write(), nil
}

// allHolds reads a page of every hold that there ever was, and the cursor of the next.
func (s *server) allHolds(ctx context.Context, programme uuid.UUID, m *v1.ListHoldsRequest, cursor []byte) ([]ledger.HeldUnits, []byte, error) {
	after, err := readCursor(cursor)
	if err != nil {
		return nil, nil, err
	}
	holds, next, err := s.ledger.HoldHistory(ctx, ledger.StatementQuery{
		Programme: programme, Member: m.MemberId, Unit: m.Unit, After: after, Limit: pageSize(m),
	})
	if err != nil || next == nil {
		return holds, nil, err
	}
	return holds, writeCursor(*next), nil
}

// holdStateOf goes by name, as kindOf.
func holdStateOf(s ledger.HoldState) v1.HoldState {
	return v1.HoldState(v1.HoldState_value["HOLD_STATE_"+strings.ToUpper(string(s))])
}
