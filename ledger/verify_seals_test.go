package ledger_test

import (
	"testing"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

func TestASealBeforeAllOthersIsMet(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	owner := devdb.Open(t, b.Database.OwnerURL, db.Options{})
	for _, key := range []string{
		"'00000000-0000-0000-0000-000000000000'::uuid, -2, 0", "'00000000-0000-0000-0000-000000000000'::uuid, -32768, -9223372036854775808",
	} {
		if _, err := owner.Exec(t.Context(), `INSERT INTO seals (programme_id, stripe, n, recorded_at, sealed_at, first_event, events, transaction_ids, hash)
			VALUES (`+key+`, now(), now(), 0, 0, ARRAY[gen_random_uuid()], '')`); err != nil {
			t.Fatal(err)
		}
		if report, err := ledger.Verify(t.Context(), b.Pool, nil); err != nil || report.OK() {
			t.Errorf("a seal %s is not met, %v", key, err)
		}
		if _, err := owner.Exec(t.Context(), `DELETE FROM seals WHERE stripe < 0`); err != nil {
			t.Fatal(err)
		}
	}
}
