package ledger

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// Owner is who an account belongs to, written "member/00042", "partner/lounge-one", "staff/li",
// "channel/app" or "programme".
type Owner string

// ProgrammeOwner owns issuance, breakage, stock and the other accounts of the programme itself.
const ProgrammeOwner Owner = "programme"

// Member is the owner that stands for a member reference.
func Member(ref string) Owner { return Owner("member/" + ref) }

// Partner is the owner that stands for a partner or a merchant.
func Partner(ref string) Owner { return Owner("partner/" + ref) }

// Staff is the owner that stands for a member of staff, such as an account manager with a budget.
func Staff(ref string) Owner { return Owner("staff/" + ref) }

// Channel is the owner that stands for a channel which collects money from members, such as the app's shop.
func Channel(ref string) Owner { return Owner("channel/" + ref) }

// MemberRef returns the member's reference and whether the owner is a member.
func (o Owner) MemberRef() (string, bool) { return strings.CutPrefix(string(o), "member/") }

// Place is where units wait. Pending, hold and voucher places exist once per transaction that opened them.
type Place string

// The places. A wallet's floor is always zero; a debt place holds what a clawback took beyond the wallet, below zero.
const (
	Wallet      Place = "wallet"
	Pending     Place = "pending"
	Hold        Place = "hold"
	Voucher     Place = "voucher"
	Debt        Place = "debt"
	Stock       Place = "stock"
	Budget      Place = "budget"
	Prepaid     Place = "prepaid"
	Issuance    Place = "issuance"
	Breakage    Place = "breakage"
	Redeemed    Place = "redeemed"
	BenefitCost Place = "benefit_cost"
	Deferred    Place = "deferred"
	Payable     Place = "payable"
	Receivable  Place = "receivable"
	Disputed    Place = "disputed"
	Suspense    Place = "suspense"
	// Cap is how much of a limit was used in one interval, below zero; its floor is the limit.
	Cap Place = "cap"
)

// Stripes is the number of rows that share the balance of a striped account: those without a floor that take part in
// almost every transaction.
const Stripes = 64

func (p Place) striped() bool {
	switch p {
	case Issuance, Breakage, Redeemed, BenefitCost, Deferred, Payable, Receivable:
		return true
	default:
		return false
	}
}

// bearsLots reports whether units in the place keep their expiry and fund.
func (p Place) bearsLots() bool {
	return p == Wallet || p.opens()
}

// opens reports whether the place exists once per transaction that opened it and is listed while it holds something.
func (p Place) opens() bool {
	return p == Pending || p == Hold || p == Voucher
}

// Account names one owner's balance of one unit in one place. It is a value: its id needs no look-up.
type Account struct {
	Unit  string
	Owner Owner
	Place Place
	// Of is the transaction that opened a pending, hold or voucher place.
	Of uuid.UUID
	// Period is the interval of a cap, such as "2026-03", or the tier that a part of a stock is kept for.
	Period string
	// Stripe is 0 for accounts that are not striped. Postings fill it in.
	Stripe int16
}

// PlaceText is the place as it is stored: "wallet", "hold/0190…", "cap/2026-03".
func (a Account) PlaceText() string {
	text := string(a.Place)
	if a.Place.opens() {
		text += "/" + a.Of.String()
	}
	if a.Period != "" {
		text += "/" + a.Period
	}
	return text
}

// ParsePlace is the inverse of PlaceText: an account of which only the place is known.
func ParsePlace(text string) (Account, error) {
	name, which, several := strings.Cut(text, "/")
	a := Account{Place: Place(name)}
	switch {
	case !several:
		return a, nil
	case a.Place == Cap || a.Place == Stock:
		a.Period = which
		return a, nil
	}
	var err error
	if a.Of, err = uuid.Parse(which); err != nil {
		return Account{}, fmt.Errorf("ledger: place %q: %w", text, err)
	}
	return a, nil
}

// ID is the UUIDv5 of (programme, unit, owner, place, stripe).
func (a Account) ID(programme uuid.UUID) uuid.UUID {
	name := make([]byte, 0, 96)
	for _, part := range [...]string{a.Unit, string(a.Owner), a.PlaceText()} {
		name = append(name, part...)
		name = append(name, 0)
	}
	return uuid.NewSHA1(programme, append(name, byte(a.Stripe)))
}

// floor returns the balance that the account may not fall below, and whether it has one at all.
func (a Account) floor(u Unit) (decimal.Decimal, bool) {
	switch a.Place {
	case Debt:
		return u.DebtLimit.Neg(), true
	case Cap:
		return u.Most.Neg(), true
	case Wallet, Pending, Hold, Voucher, Stock, Budget, Prepaid:
		return decimal.Zero, true
	default:
		return decimal.Zero, false
	}
}
