package outbox

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// documented is the event in docs/events.md as it is sent, without blanks.
func documented(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	text, _, found := strings.Cut(rest, "```")
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil || !found {
		t.Fatalf("no event in docs/events.md: %v", err)
	}
	return compact.String()
}

func TestAnOfferOfSeatsIsKnownByItsType(t *testing.T) {
	tx := ledger.Transaction{Kind: ledger.KindRedemption, Client: ledger.SystemClient, Reason: TypeSeatOffered}
	if got := typeOf(&tx); got != "seat.offered" {
		t.Errorf("type %s", got)
	}
	tx.Client = "app"
	if got := typeOf(&tx); got != TypePosted {
		t.Errorf("what a caller says is one is %s", got)
	}
}

// Receivers are built on these bytes: within a schema a field may be added, and nothing else may change.
func TestAnEventIsWhatItsPageSays(t *testing.T) {
	hold := uuid.MustParse("0b8e9a4c-5b0e-5f0d-8a63-5a1f6f0f7d11")
	amount := decimal.RequireFromString("12.5")
	recorded := time.Date(2026, 3, 1, 8, 0, 0, 123456000, time.UTC)
	tx := &ledger.Transaction{
		ID: uuid.MustParse("913769cd-16b1-5a30-9d64-2cc6f65de6d4"), Kind: ledger.KindCapture, Client: "billing", Member: "m-1",
		Amount: amount, Original: hold, DueAt: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), Reason: "order", Reference: "4711",
		Actor: "billing", Channel: "app", Rule: "lounge", RuleVersion: 3,
		EffectiveAt: time.Date(2026, 2, 28, 23, 0, 0, 0, time.UTC), RecordedAt: recorded,
		Legs: []ledger.PostedLeg{{
			Unit: "points", Amount: amount,
			From: ledger.Entry{
				Account:   ledger.Account{Unit: "points", Owner: ledger.Member("m-1"), Place: ledger.Hold, Of: hold},
				AccountID: uuid.MustParse("5f2f0a52-7f3c-5d0e-9b0a-0d6d1f1c2b3a"), Seq: 2, Balance: decimal.Zero,
			},
			To: ledger.Entry{Account: ledger.Account{Unit: "points", Owner: ledger.ProgrammeOwner, Place: ledger.Redeemed, Stripe: 17}, AccountID: uuid.New(), Seq: 9},
		}},
	}
	programme := EventProgramme{ID: uuid.MustParse("a3974a32-6afb-56ef-9a4e-2c897156ece1"), Name: "demo"}
	got, err := body(programme, EventPosition{Stripe: 17, N: 4211}, tx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(documented(t), string(got)); diff != "" {
		t.Errorf("documented (-) and sent (+):\n%s", diff)
	}

	clock := &ledger.Transaction{ID: tx.ID, Kind: ledger.KindClock, Client: "ops", EffectiveAt: recorded, RecordedAt: recorded}
	if got, err = body(programme, EventPosition{Stripe: 0, N: 1}, clock); err != nil {
		t.Fatal(err)
	}
	const bare = `{"schema":"tallystick.v1","type":"transaction.posted","timestamp":"2026-03-01T08:00:00.123456Z",` +
		`"programme":{"id":"a3974a32-6afb-56ef-9a4e-2c897156ece1","name":"demo"},"position":{"stripe":0,"n":1},` +
		`"data":{"transaction":{"id":"913769cd-16b1-5a30-9d64-2cc6f65de6d4","kind":"clock","client":"ops","amount":"0","rule_version":0,` +
		`"effective_at":"2026-03-01T08:00:00.123456Z","recorded_at":"2026-03-01T08:00:00.123456Z","legs":[]},"accounts":[]}}`
	if diff := cmp.Diff(bare, string(got)); diff != "" {
		t.Errorf("nothing but what there is (-), sent (+):\n%s", diff)
	}
}
