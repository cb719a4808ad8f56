package partners_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/ledger"
	"tallystick/partners"
)

// TestACodeDoesNotFollowFromItsKey: programme, client and key are names that outsiders know or guess; from them follow
// the ids of the transaction and of every account, but not the code.
func TestACodeDoesNotFollowFromItsKey(t *testing.T) {
	t.Parallel()
	m, twin := newMarket(t), newMarket(t) // the same programme on two databases
	one, other := m.issueAs(t, "order-1", "ann", "lounge"), twin.issueAs(t, "order-1", "ann", "lounge")
	if one != other {
		t.Fatalf("the same key claimed vouchers %s and %s", one, other)
	}
	if m.code(t, one) == twin.code(t, other) {
		t.Error("the same key led to the same code")
	}
	known := []string{one.String(), partners.PlaceOf("ann", "lounge", one).ID(m.Programme).String(), m.Programme.String()}
	for _, id := range known {
		plain := strings.ReplaceAll(id, "-", "")
		for from := range len(plain) - 16 {
			_, err := m.ValidateVoucher(t.Context(), m.Programme, "harbour", plain[from:from+16])
			wantRefusal(t, err, ledger.NotFoundReason)
		}
		_, err := m.ValidateVoucher(t.Context(), m.Programme, "harbour", id)
		wantRefusal(t, err, ledger.CodeMalformed)
	}
}

func TestEveryVoucherHasACodeOfItsOwn(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	form, seen := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{16}$`), make(map[string]bool)
	for range 200 {
		code := m.code(t, m.issue(t, "ann", "lounge"))
		if !form.MatchString(code) || seen[code] {
			t.Errorf("code %q is malformed, or was issued before", code)
		}
		seen[code] = true
	}
}

func TestNothingButItsVouchersRowHasACode(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	voucher := m.issue(t, "ann", "lounge")
	code := m.code(t, voucher)
	use := m.mustRedeem(t, "u1", "harbour", voucher)
	_, err := m.redeem(t, "u2", "harbour", code)
	wantRefusal(t, err, ledger.VoucherUsed)
	_, err = m.ReverseVoucher(t.Context(), m.Programme, "harbour", use.Transaction.ID, ledger.Request{Client: "till", Key: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := m.Pool.Query(t.Context(), `SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = 'public'`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 10 {
		t.Fatalf("tables %v, %v", tables, err)
	}
	for _, table := range tables {
		var may bool
		if err := m.Pool.QueryRow(t.Context(), `SELECT has_table_privilege(current_user, $1::text, 'SELECT')`, table).Scan(&may); err != nil {
			t.Fatal(err)
		}
		var n int
		if may {
			err = m.Pool.QueryRow(t.Context(), `SELECT count(*) FROM `+table+` AS x WHERE upper(x::text) LIKE '%' || $1 || '%'`, code).Scan(&n)
		}
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{true: 1}[table == "vouchers"]; n != want {
			t.Errorf("%d rows of %s have the code, want %d", n, table, want)
		}
	}
}

func TestTwoProgrammesMayHaveTheSameCode(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	voucher := m.issue(t, "ann", "lounge")
	elsewhere := uuid.New()
	insert := `INSERT INTO vouchers (id, programme_id, account_id, member, benefit, code) VALUES ($1, $2, $1, 'x', 'x', $3)`
	if _, err := m.Pool.Exec(t.Context(), insert, uuid.New(), m.Programme, m.code(t, voucher)); err == nil {
		t.Error("one programme has the same code twice")
	}
	if _, err := m.Pool.Exec(t.Context(), insert, elsewhere, elsewhere, m.code(t, voucher)); err != nil {
		t.Errorf("another programme cannot have the code: %v", err)
	}
	m.mustRedeem(t, "u1", "harbour", voucher)
}

func FuzzParseCode(f *testing.F) {
	for _, typed := range []string{
		"", "0123456789ABCDEF", "0123-4567-89ab-cdef", "GHJK MNPQ RSTV WXYZ", "oooo-llll-iiii-0000", "UUUUUUUUUUUUUUUU",
		"0123456789ABCDE", "0123456789ABCDEFG", "0123456789ABCDE\u200d", "\u0430123456789ABCDE", strings.Repeat("-", 64),
	} {
		f.Add(typed)
	}
	form := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{16}$`)
	f.Fuzz(func(t *testing.T, typed string) {
		code, err := partners.ParseCode(typed)
		if err != nil {
			wantRefusal(t, err, ledger.CodeMalformed)
			return
		}
		if !form.MatchString(string(code)) {
			t.Errorf("%q is read as %q", typed, code)
		}
		if again, err := partners.ParseCode(string(code)); err != nil || again != code {
			t.Errorf("%q is read as %q, %v", code, again, err)
		}
	})
}
