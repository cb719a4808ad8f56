package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
)

// insiderCases alter rows in ways that no hash would show any more. Each is found by the invariant that it breaks.
var insiderCases = []struct {
	what, invariant, check string
	sql                    []string
}{
	{"a balance that does not follow", "L4", "every balance is the one before it plus the amount", []string{
		`UPDATE entries SET balance = balance + 1 WHERE account_id = $1 AND seq = 3`,
	}},
	{"a gap in seq", "L4", "the seq of an account's entries, in order of recorded_at, counts from 1 without a gap", []string{
		`UPDATE entries SET seq = seq + 1000 WHERE account_id = $1 AND seq > 3`,
		`UPDATE accounts SET seq = seq + 1000 WHERE id = $1`,
		`UPDATE legs SET from_seq = from_seq + 1000 WHERE unit = 'points' AND from_owner = 'member/m1' AND from_place = 'wallet' AND from_seq > 3`,
		`UPDATE legs SET to_seq = to_seq + 1000 WHERE unit = 'points' AND to_owner = 'member/m1' AND to_place = 'wallet' AND to_seq > 3`,
	}},
	{"an entry moved before the one before it", "L4", "the seq of an account's entries, in order of recorded_at, counts from 1 without a gap", []string{
		`UPDATE entries SET recorded_at = '1990-01-01T00:00:00Z' WHERE account_id = $1 AND seq = 3`,
	}},
	{"lot lines of another amount", "L5", "the lot lines of an entry sum to its amount, and no lot falls below zero", []string{
		`UPDATE entries SET lots = replace(lots, '|50', '|49') WHERE account_id = $1 AND seq = 2`,
	}},
	{"a lot that is overdrawn", "L5", "the lot lines of an entry sum to its amount, and no lot falls below zero", []string{
		`UPDATE entries SET lots = replace(lots, '|partner/', '|client/') WHERE account_id = $1 AND amount < 0`,
	}},
	{"a stock that was oversold", "L3", "no balance falls below its floor", []string{
		`UPDATE entries SET balance = balance - 9 WHERE account_id IN
			(SELECT id FROM accounts WHERE unit = 'lounge' AND place = 'stock')`,
		`UPDATE entries SET balance = balance + 9 WHERE account_id IN
			(SELECT id FROM accounts WHERE unit = 'lounge' AND place = 'issuance')`,
		`UPDATE entries SET amount = CASE WHEN amount < 0 THEN -1 ELSE 1 END WHERE kind = 'publication'`,
		`UPDATE legs SET amount = 1 WHERE transaction_id IN (SELECT id FROM transactions WHERE kind = 'publication')`,
		`UPDATE accounts SET floor = -100, balance = balance - 9 WHERE unit = 'lounge' AND place = 'stock'`,
		`UPDATE accounts SET balance = balance + 9 WHERE unit = 'lounge' AND place = 'issuance'`,
	}},
	{"a key that made another id", "L6", "the id of every transaction follows from its programme, client and idempotency key", []string{
		`UPDATE transactions SET idempotency_key = 'k999999' WHERE idempotency_key = 'k5'`,
	}},
	{"a rejection that moved points", "L1", "a posted transaction has legs, a rejected one has none", []string{
		`UPDATE transactions SET rejection = 'NOT_FOUND' WHERE idempotency_key = 'k5'`,
	}},
	{"points that went where they may not", "L1", "legs are numbered from 0, of a declared unit and its scale, and of an allowed flow", []string{
		`UPDATE legs SET to_place = 'payable' WHERE to_place = 'redeemed' AND from_owner = 'member/m1' AND unit = 'active'`,
	}},
	{"half a point", "L1", "legs are numbered from 0, of a declared unit and its scale, and of an allowed flow", []string{
		`UPDATE legs SET amount = amount + 0.5 WHERE from_owner = 'member/m1' AND unit = 'active' AND to_place = 'redeemed'`,
	}},
	{"an event that is not numbered", "L8", "the seals of every stripe are chained and number its events without a gap", []string{
		`UPDATE seals SET first_event = first_event + 1 WHERE n = 2`,
	}},
	{"a transaction that is not sealed", "L8", "every transaction is sealed once, and every sealed transaction is there", []string{
		`UPDATE seals SET transaction_ids = array_remove(transaction_ids, (SELECT id FROM transactions WHERE rejection <> '' ORDER BY id LIMIT 1))
			WHERE cardinality(transaction_ids) > 1`,
		`INSERT INTO transactions SELECT $1::uuid, programme_id, client, 'new', kind, request_hash, 'NO', detail, member, amount,
			original_id, due_at, reason, '', actor, channel, rule, rule_version, effective_at, recorded_at, hash
			FROM transactions WHERE idempotency_key = 'k5'`,
	}},
	{"a leg of no transaction", "L2", "no row stands outside its account or transaction", []string{
		`INSERT INTO legs SELECT $1::uuid, 0, unit, amount, from_owner, from_place, from_stripe, from_seq, to_owner, to_place, to_stripe, to_seq
			FROM legs WHERE unit = 'visits' AND leg = 0 LIMIT 1`,
	}},
	{"a leg of another amount than its entries", "L1", "every leg has its two entries, and every entry its leg", []string{
		`UPDATE legs SET amount = amount + 1 WHERE from_owner = 'member/m1' AND unit = 'active' AND to_place = 'redeemed'`,
	}},
	{"points spent after they had lapsed", "L7", "what has lapsed leaves a wallet to breakage only, and nothing else goes there", []string{
		`UPDATE entries SET lots = replace(lots, '1998-01-01T00:00:00Z', '1997-07-01T00:00:00Z') WHERE account_id IN
			(SELECT id FROM accounts WHERE unit = 'visits' AND owner = 'member/m1' AND place = 'wallet')`,
	}},
	{"more reversed than there was", "L6", "no transaction is reversed for more than it moved", []string{
		`UPDATE follow_ups SET amount = amount + 1000 WHERE kind = 'reversal'`,
	}},
}

func TestVerifyFindsWhatAnInsiderWhoMendsEveryHashCannotHide(t *testing.T) {
	b := newBusy(t)
	owner := devdb.Open(t, b.Database.OwnerURL, db.Options{})
	if report := inside(t, b, owner, nil); !report.OK() {
		t.Fatalf("mending the hashes of books that are right breaks them: %+v", report.Failures)
	}
	for _, c := range insiderCases {
		report := inside(t, b, owner, c.sql)
		if report.OK() {
			t.Errorf("not found: %s", c.what)
			continue
		}
		if f := report.Failures[0]; f.Invariant != c.invariant || f.Name != c.check {
			t.Errorf("%s: found as %+v", c.what, f)
		}
	}
}

// inside runs the statements, mends every hash, verifies, and takes everything back. $1 is a wallet.
func inside(t *testing.T, b *busy, owner *db.Pool, statements []string) (report ledger.Report) {
	t.Helper()
	err := db.InTx(t.Context(), owner, db.Serializable, func(tx pgx.Tx) error {
		for _, sql := range statements {
			var args []any
			if strings.Contains(sql, "$1") {
				args = append(args, b.id("points", "m1", ledger.Wallet))
			}
			if tag, err := tx.Exec(t.Context(), sql, args...); err != nil || tag.RowsAffected() == 0 {
				return fmt.Errorf("%s: %v, %w", sql, tag, err)
			}
		}
		if err := ledger.Reseal(t.Context(), tx); err != nil {
			return err
		}
		var err error
		if report, err = ledger.VerifyTx(t.Context(), tx, nil); err != nil {
			return err
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		t.Fatal(err)
	}
	return report
}
