package rpc

import (
	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"tallystick/internal/auth"
	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

// write is what the requests of all ordinary writes have in common.
type write interface {
	GetIdempotencyKey() string
	GetPreview() bool
	GetReason() string
	GetReference() string
	GetEffectiveAt() *timestamppb.Timestamp
	GetChannel() string
}

// asked begins a ledger request: who asks, under which key. The holder of the credential scopes the key.
func asked(p *auth.Principal, key string) ledger.Request {
	return ledger.Request{Client: p.Holder(), Actor: p.Holder(), Key: key}
}

func common(p *auth.Principal, m write) ledger.Request {
	r := asked(p, m.GetIdempotencyKey())
	r.Reason, r.Reference, r.Channel = m.GetReason(), m.GetReference(), m.GetChannel()
	r.EffectiveAt = instant(m.GetEffectiveAt())
	return r
}

// build makes the ledger's request of a write. What a message can be refused for by itself is checked before.
func build(p *auth.Principal, m write) (ledger.Request, error) {
	switch m := m.(type) {
	case *v1.AccrueRequest:
		return accrual(p, m)
	case *v1.RedeemRequest:
		amount, err := parseAmount(m.Amount)
		return ledger.Redeem(m.MemberId, m.Unit, amount, common(p, m)), err
	case *v1.HoldRequest:
		amount, err := parseAmount(m.Amount)
		return ledger.Reserve(p.Programme, m.MemberId, m.Unit, amount, m.Timeout.AsDuration(), common(p, m)), err
	case *v1.CaptureRequest:
		amount, err := parsePart(m.Amount)
		return ledger.Capture(parseID(m.HoldId), amount, m.ReleaseRest, common(p, m)), err
	case *v1.VoidRequest:
		return ledger.Void(parseID(m.HoldId), common(p, m)), nil
	case *v1.ReverseRequest:
		amount, err := parsePart(m.Amount)
		return ledger.Reverse(parseID(m.TransactionId), amount, common(p, m)), err
	case *v1.AdjustRequest:
		return adjustment(p, m)
	case *v1.TransferRequest:
		amount, err := parseAmount(m.Amount)
		return ledger.Transfer(m.FromMemberId, m.ToMemberId, m.Unit, amount, common(p, m)), err
	case *v1.GrantAllotmentRequest:
		amount, err := parseAmount(m.Amount)
		return ledger.GrantAllotment(m.MemberId, m.Unit, amount, instant(m.ExpiresAt), common(p, m)), err
	}
	return ledger.Request{}, invalidField("write", "nothing is asked for")
}

func accrual(p *auth.Principal, m *v1.AccrueRequest) (ledger.Request, error) {
	if m.ExpiresAt != nil && m.ExpiryPolicy != "" {
		return ledger.Request{}, invalidField("expiry_policy", "give expires_at or expiry_policy, not both")
	}
	amount, err := parseAmount(m.Amount)
	return ledger.Accrual{
		Member: m.MemberId, Unit: m.Unit, Amount: amount, ActivateAt: instant(m.ActivateAt),
		ExpiresAt: instant(m.ExpiresAt), Policy: m.ExpiryPolicy, Fund: m.Fund,
	}.Into(p.Programme, common(p, m)), err
}

func adjustment(p *auth.Principal, m *v1.AdjustRequest) (ledger.Request, error) {
	amount, err := parseAmount(m.Amount)
	if err != nil {
		return ledger.Request{}, err
	}
	if amount.IsNegative() && (m.ExpiresAt != nil || m.Fund != "") {
		return ledger.Request{}, invalidField("amount", "expires_at and fund are for amounts above zero")
	}
	r := ledger.Adjust(m.MemberId, m.Unit, amount, instant(m.ExpiresAt), common(p, m))
	r.Legs[0].Fund = m.Fund
	return r, nil
}

// parseAmount reads an amount whose form validation has checked.
func parseAmount(text string) (decimal.Decimal, error) {
	amount, err := decimal.NewFromString(text)
	if err != nil {
		return decimal.Zero, invalidField("amount", "not a decimal number")
	}
	return amount, nil
}

// parsePart reads the amount of a part. Absent means all that is left, so a zero that was written must not.
func parsePart(text string) (decimal.Decimal, error) {
	if text == "" {
		return decimal.Zero, nil
	}
	amount, err := parseAmount(text)
	if err == nil && amount.IsZero() {
		err = &ledger.Refusal{Reason: ledger.AmountOutOfRange, Detail: map[string]string{"amount": text}}
	}
	return amount, err
}

// parseID reads an id whose form validation has checked; anything else is an id that nothing has.
func parseID(text string) uuid.UUID {
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.Nil
	}
	return id
}
