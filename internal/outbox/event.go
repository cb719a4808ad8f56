package outbox

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// Schema is the version of the events' form. Within it fields are only added.
const Schema = "tallystick.v1"

// TypePosted is the type of the event that a posted transaction is, unless its kind has one of its own in types.
const TypePosted = "transaction.posted"

// types are what receivers may wait for by name.
var types = map[ledger.Kind]string{
	ledger.KindAccrual:   "points.accrued",
	ledger.KindTier:      "tier.changed",
	ledger.KindAllotment: "allotment.granted",
	ledger.KindNotice:    "points.expiring",
}

// TypeSeatOffered is the type of the redemption by which the programme sets seats aside for who waited for them.
const TypeSeatOffered = "seat.offered"

// typeOf is the transaction's type. Nobody but the programme itself can use its client's name.
func typeOf(tx *ledger.Transaction) string {
	if name, own := types[tx.Kind]; own {
		return name
	}
	if tx.Kind == ledger.KindRedemption && tx.Client == ledger.SystemClient && tx.Reason == TypeSeatOffered {
		return TypeSeatOffered
	}
	return TypePosted
}

// Event is the body of a delivery. It holds only facts that were fixed when the transaction was posted, so every
// attempt and every replay sends the same bytes. Amounts are decimal strings, times RFC 3339 in UTC.
type Event struct {
	Schema    string         `json:"schema"`
	Type      string         `json:"type"`
	Timestamp time.Time      `json:"timestamp"` // when the transaction was recorded
	Programme EventProgramme `json:"programme"`
	// Position is where a replay has to start so that this event is the last one not sent again.
	Position EventPosition `json:"position"`
	Data     EventData     `json:"data"`
}

// EventProgramme names the programme.
type EventProgramme struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"`
}

// EventPosition is an event's number in its stripe, counted from 1.
type EventPosition struct {
	Stripe int16 `json:"stripe"`
	N      int64 `json:"n"`
}

// EventData is what happened, and where it left each member account that it moved.
type EventData struct {
	Transaction EventTransaction `json:"transaction"`
	Accounts    []EventAccount   `json:"accounts"`
}

// EventTransaction is the transaction.
type EventTransaction struct {
	ID          uuid.UUID       `json:"id"`
	Kind        ledger.Kind     `json:"kind"`
	Client      string          `json:"client"`
	Member      string          `json:"member,omitempty"`
	Amount      decimal.Decimal `json:"amount"`
	Original    *uuid.UUID      `json:"original_id,omitempty"`
	DueAt       *time.Time      `json:"due_at,omitempty"`
	Reason      string          `json:"reason,omitempty"`
	Reference   string          `json:"reference,omitempty"`
	Actor       string          `json:"actor,omitempty"`
	Channel     string          `json:"channel,omitempty"`
	Rule        string          `json:"rule,omitempty"`
	RuleVersion int64           `json:"rule_version"`
	EffectiveAt time.Time       `json:"effective_at"`
	RecordedAt  time.Time       `json:"recorded_at"`
	Legs        []EventLeg      `json:"legs"`
}

// EventLeg is one amount that moved.
type EventLeg struct {
	Unit   string          `json:"unit"`
	Amount decimal.Decimal `json:"amount"`
	Rule   string          `json:"rule,omitempty"`
	From   EventPlace      `json:"from"`
	To     EventPlace      `json:"to"`
}

// EventPlace names an account by what it is; a place such as "hold/0190…" carries the transaction that opened it.
type EventPlace struct {
	Owner string `json:"owner"`
	Place string `json:"place"`
}

// EventAccount is a member account after the event. Seq counts the account's entries without a gap; the event made
// those from FirstSeq to Seq, so the account's previous event ended at FirstSeq-1.
type EventAccount struct {
	ID       uuid.UUID       `json:"id"`
	Member   string          `json:"member"`
	Unit     string          `json:"unit"`
	Place    string          `json:"place"`
	FirstSeq int64           `json:"first_seq"`
	Seq      int64           `json:"seq"`
	Balance  decimal.Decimal `json:"balance"`
}

// body is the event that a transaction is, as JSON.
func body(programme EventProgramme, at EventPosition, tx *ledger.Transaction) ([]byte, error) {
	event := Event{
		Schema: Schema, Type: typeOf(tx), Timestamp: tx.RecordedAt, Programme: programme, Position: at,
		Data: EventData{Transaction: eventTransaction(tx), Accounts: memberAccounts(tx)},
	}
	data, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("event of transaction %s: %w", tx.ID, err)
	}
	return data, nil
}

func eventTransaction(tx *ledger.Transaction) EventTransaction {
	e := EventTransaction{
		ID: tx.ID, Kind: tx.Kind, Client: tx.Client, Member: tx.Member, Amount: tx.Amount, Reason: tx.Reason,
		Reference: tx.Reference, Actor: tx.Actor, Channel: tx.Channel, Rule: tx.Rule, RuleVersion: tx.RuleVersion,
		EffectiveAt: tx.EffectiveAt, RecordedAt: tx.RecordedAt, Legs: make([]EventLeg, len(tx.Legs)),
	}
	if tx.Original != uuid.Nil {
		e.Original = &tx.Original
	}
	if !tx.DueAt.IsZero() {
		e.DueAt = &tx.DueAt
	}
	for i, leg := range tx.Legs {
		e.Legs[i] = EventLeg{Unit: leg.Unit, Amount: leg.Amount, Rule: leg.Rule, From: eventPlace(leg.From.Account), To: eventPlace(leg.To.Account)}
	}
	return e
}

func eventPlace(a ledger.Account) EventPlace {
	return EventPlace{Owner: string(a.Owner), Place: a.PlaceText()}
}

// memberAccounts lists the member accounts of a transaction in the order in which it first touched them.
func memberAccounts(tx *ledger.Transaction) []EventAccount {
	list := []EventAccount{}
	at := make(map[uuid.UUID]int)
	for i := range tx.Legs {
		for _, entry := range [...]*ledger.Entry{&tx.Legs[i].From, &tx.Legs[i].To} {
			member, is := entry.Account.Owner.MemberRef()
			if !is {
				continue
			}
			n, known := at[entry.AccountID]
			if !known {
				n = len(list)
				at[entry.AccountID] = n
				list = append(list, EventAccount{
					ID: entry.AccountID, Member: member, Unit: entry.Account.Unit,
					Place: entry.Account.PlaceText(), FirstSeq: entry.Seq,
				})
			}
			list[n].Seq, list[n].Balance = entry.Seq, entry.Balance
		}
	}
	return list
}
