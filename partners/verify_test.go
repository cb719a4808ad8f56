package partners_test

import (
	"testing"

	"github.com/google/uuid"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
	"tallystick/partners"
)

func TestVerifyCatchesEveryVoucherThatTheBooksDoNotExplain(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	owner := devdb.Open(t, m.Database.OwnerURL, db.Options{})
	first, second := m.issue(t, "ann", "lounge"), m.issue(t, "bob", "tea")
	m.mustRedeem(t, "u1", "harbour", first)
	verify := func() ledger.Report {
		t.Helper()
		var report ledger.Report
		if err := partners.Verify(t.Context(), m.Pool, &report); err != nil {
			t.Fatal(err)
		}
		return report
	}
	if report := verify(); !report.OK() || report.Checks[0].Count != 2 {
		t.Fatalf("report: %+v", report)
	}
	exec := func(sql string, args ...any) {
		t.Helper()
		if tag, err := owner.Exec(t.Context(), sql, args...); err != nil || tag.RowsAffected() != 1 {
			t.Fatalf("%s: %v, %v", sql, tag, err)
		}
	}
	copied := `INSERT INTO vouchers (id, programme_id, account_id, member, benefit, key_id, code_mac)
		SELECT v.id, v.programme_id, v.account_id, v.member, v.benefit, v.key_id, v.code_mac FROM kept AS v`
	for name, change := range map[string]struct {
		sql  string
		args []any
		row  string
	}{
		"another member":    {`UPDATE vouchers SET member = 'eve' WHERE id = $1`, []any{first}, "vouchers " + first.String()},
		"another benefit":   {`UPDATE vouchers SET benefit = 'tea' WHERE id = $1`, []any{first}, "vouchers " + first.String()},
		"another place":     {`UPDATE vouchers SET account_id = $2 WHERE id = $1`, []any{first, partners.PlaceOf("bob", "tea", second).ID(m.Programme)}, "vouchers " + first.String()},
		"another programme": {`UPDATE vouchers SET programme_id = $2 WHERE id = $1`, []any{first, uuid.Max}, "vouchers " + first.String()},
		"another claim":     {`UPDATE vouchers SET id = $2 WHERE id = $1`, []any{first, uuid.Max}, "vouchers " + uuid.Max.String()},
		"no row":            {`DELETE FROM vouchers WHERE id = $1`, []any{second}, "transactions " + second.String()},
	} {
		if _, err := owner.Exec(t.Context(), `CREATE TABLE kept AS SELECT id, programme_id, account_id, member, benefit, key_id, code_mac FROM vouchers`); err != nil {
			t.Fatal(err)
		}
		exec(change.sql, change.args...)
		report := verify()
		if report.OK() || report.Failures[0].Row != change.row {
			t.Errorf("%s: %+v, want row %s", name, report.Failures, change.row)
		}
		if _, err := owner.Exec(t.Context(), `DELETE FROM vouchers`); err != nil {
			t.Fatal(err)
		}
		if _, err := owner.Exec(t.Context(), copied); err != nil {
			t.Fatal(err)
		}
		if _, err := owner.Exec(t.Context(), `DROP TABLE kept`); err != nil {
			t.Fatal(err)
		}
		if report := verify(); !report.OK() {
			t.Fatalf("%s: put back, and still %+v", name, report.Failures)
		}
	}
}
