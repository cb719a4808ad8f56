package rpc

import (
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

// kindOf and placeOf go by name: the contract's names are the ledger's, in capitals and with a prefix.
func kindOf(k ledger.Kind) v1.Kind {
	return v1.Kind(v1.Kind_value["KIND_"+strings.ToUpper(string(k))])
}

func placeOf(p ledger.Place) v1.Place {
	return v1.Place(v1.Place_value["PLACE_"+strings.ToUpper(string(p))])
}

// ledgerKind and ledgerPlace are the inverse of kindOf and placeOf.
func ledgerKind(k v1.Kind) ledger.Kind {
	return ledger.Kind(strings.ToLower(strings.TrimPrefix(k.String(), "KIND_")))
}

func ledgerPlace(p v1.Place) ledger.Place {
	return ledger.Place(strings.ToLower(strings.TrimPrefix(p.String(), "PLACE_")))
}

func ownerOf(o ledger.Owner) (v1.OwnerKind, string) {
	kind, id, _ := strings.Cut(string(o), "/")
	return v1.OwnerKind(v1.OwnerKind_value["OWNER_KIND_"+strings.ToUpper(kind)]), id
}

// timeOf is absent for the zero time and for never.
func timeOf(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() || t.Equal(ledger.Never) {
		return nil
	}
	return timestamppb.New(t)
}

// instant is the zero time when the field is absent.
func instant(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func idOf(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}

func accountOf(a ledger.Account) *v1.Account {
	kind, id := ownerOf(a.Owner)
	return &v1.Account{OwnerKind: kind, OwnerId: id, Place: placeOf(a.Place), PlaceId: idOf(a.Of) + a.Period}
}

// lotsOf drops the sign: a leg says by itself which way its lots moved.
func lotsOf(draws []ledger.Draw) []*v1.LotLine {
	if len(draws) == 0 {
		return nil
	}
	lines := make([]*v1.LotLine, len(draws))
	for i, d := range draws {
		lines[i] = &v1.LotLine{ExpiresAt: timeOf(d.ExpiresAt), Fund: d.Fund, Amount: d.Amount.Abs().String()}
	}
	return lines
}

func sameLots(a, b []ledger.Draw) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].ExpiresAt.Equal(b[i].ExpiresAt) || a[i].Fund != b[i].Fund || !a[i].Amount.Abs().Equal(b[i].Amount.Abs()) {
			return false
		}
	}
	return true
}

func legsOf(legs []ledger.PostedLeg) []*v1.Leg {
	out := make([]*v1.Leg, len(legs))
	for i, leg := range legs {
		out[i] = &v1.Leg{
			From: accountOf(leg.From.Account), To: accountOf(leg.To.Account), Unit: leg.Unit, Amount: leg.Amount.String(),
			Draws: lotsOf(leg.From.Draws), Rule: leg.Rule,
		}
		if !sameLots(leg.From.Draws, leg.To.Draws) {
			out[i].Lots = lotsOf(leg.To.Draws)
		}
	}
	return out
}

// balancesAfter are the last balances of the member's accounts that a transaction touched, in the legs' order.
func balancesAfter(t *ledger.Transaction) []*v1.AccountBalance {
	if t.Member == "" {
		return nil
	}
	owner := ledger.Member(t.Member)
	var out []*v1.AccountBalance
	at := make(map[uuid.UUID]int, 2)
	for i := range t.Legs {
		for _, e := range [...]*ledger.Entry{&t.Legs[i].From, &t.Legs[i].To} {
			if e.Account.Owner != owner {
				continue
			}
			if n, seen := at[e.AccountID]; seen {
				out[n].Balance = e.Balance.String()
				continue
			}
			at[e.AccountID] = len(out)
			out = append(out, &v1.AccountBalance{
				Account: accountOf(e.Account), Unit: e.Account.Unit, Balance: e.Balance.String(),
			})
		}
	}
	return out
}

// transactionOf is the message of a transaction; every field of it was fixed when it was recorded.
func transactionOf(t *ledger.Transaction) *v1.Transaction {
	m := &v1.Transaction{
		Id: t.ID.String(), Kind: kindOf(t.Kind), Outcome: v1.Outcome_OUTCOME_POSTED, MemberId: t.Member,
		Legs: legsOf(t.Legs), EffectiveAt: timeOf(t.EffectiveAt), RecordedAt: timeOf(t.RecordedAt),
		Reason: t.Reason, Reference: t.Reference, Actor: t.Actor, Channel: t.Channel,
		Rule: t.Rule, RuleVersion: t.RuleVersion, OriginalId: idOf(t.Original), DueAt: timeOf(t.DueAt),
		BalancesAfter: balancesAfter(t), Rejection: string(t.Rejection),
	}
	if !t.Posted() {
		m.Outcome = v1.Outcome_OUTCOME_REJECTED
	}
	if !t.Amount.Equal(decimal.Zero) {
		m.Amount = t.Amount.String()
	}
	return m
}
