package partners_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/internal/keyring"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
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
	for _, id := range []string{one.String(), partners.PlaceOf("ann", "lounge", one).ID(m.Programme).String(), m.Programme.String()} {
		if plain := strings.ReplaceAll(id, "-", ""); strings.Contains(strings.ToLower(m.code(t, one)), plain[:4]) {
			t.Errorf("the code %s begins as the id %s", m.code(t, one), id)
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

func TestNoRowHasACode(t *testing.T) {
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
		if n != 0 {
			t.Errorf("%d rows of %s have the code", n, table)
		}
	}
}

// TestAnyMistypedSymbolAndAnyTwoThatChangedPlacesAreSeen tries all of them.
func TestAnyMistypedSymbolAndAnyTwoThatChangedPlacesAreSeen(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	code := m.code(t, m.issue(t, "ann", "lounge"))
	wrong := 0
	for i := range code {
		for _, symbol := range "0123456789ABCDEFGHJKMNPQRSTVWXYZ" {
			typed := code[:i] + string(symbol) + code[i+1:]
			if typed == code {
				continue
			}
			wrong++
			_, err := partners.ParseCode(typed)
			wantRefusal(t, err, ledger.CodeChecksum)
		}
		for j := i + 1; j < len(code); j++ {
			if code[i] == code[j] {
				continue
			}
			wrong++
			swapped := []byte(code)
			swapped[i], swapped[j] = swapped[j], swapped[i]
			_, err := partners.ParseCode(string(swapped))
			wantRefusal(t, err, ledger.CodeChecksum)
		}
	}
	if wrong < 16*31 {
		t.Errorf("only %d were tried", wrong)
	}
}

func TestACodeIsOfItsProgrammeAlone(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	voucher := m.issue(t, "ann", "lounge")
	other, err := m.Ledger.ApplyProgramme(t.Context(), ledgertest.Application(strings.Replace(document, "programme: test", "programme: other", 1)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.ValidateVoucher(t.Context(), other.ID, "harbour", m.code(t, voucher))
	wantRefusal(t, err, ledger.NotFoundReason)
	m.mustRedeem(t, "u1", "harbour", voucher)
}

func TestACodeOutlivesARotation(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	file := filepath.Join(t.TempDir(), "keys")
	ring := func() *keyring.Ring {
		if _, err := keyring.Add(file); err != nil {
			t.Fatal(err)
		}
		r, err := keyring.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	before := market{m.Books, partners.New(m.Ledger, m.Pool, ring())}
	old := before.issue(t, "ann", "lounge")
	after := market{m.Books, partners.New(m.Ledger, m.Pool, ring())}
	young := after.issue(t, "ann", "lounge")
	if before.code(t, old) != after.code(t, old) {
		t.Error("a rotation changed a code that was given out")
	}
	after.mustRedeem(t, "u1", "harbour", old)
	after.mustRedeem(t, "u2", "harbour", young)
	_, err := before.ValidateVoucher(t.Context(), m.Programme, "harbour", after.code(t, young))
	wantRefusal(t, err, ledger.NotFoundReason)
	stolen := partners.New(m.Ledger, m.Pool, nil)
	if v, err := stolen.Voucher(t.Context(), m.Programme, old); err != nil || v.Code != "" {
		t.Errorf("without keys, the database gives the code %q, %v", v.Code, err)
	}
}

func TestARotatingCodeIsGoodForTwoStepsAndOneUse(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	id, other := m.issue(t, "ann", "lounge"), m.issue(t, "ann", "lounge")
	now := time.Now()
	token := func(voucher uuid.UUID, steps int) string {
		return m.RotatingAt(t, voucher, now.Add(time.Duration(steps)*partners.RotatingStep))
	}
	for name, shown := range map[string]string{
		"two steps ago": token(id, -2), "two steps ahead": token(id, 2), "an hour ago": token(id, -240),
	} {
		answer, err := m.ValidateVoucher(t.Context(), m.Programme, "harbour", shown)
		if err != nil || answer.Refusal == nil || answer.Refusal.Reason != ledger.TokenExpired {
			t.Errorf("%s: %v, %v", name, answer.Refusal, err)
		}
		_, err = m.redeem(t, "early", "harbour", shown)
		wantRefusal(t, err, ledger.TokenExpired)
		_, err = m.ValidateVoucher(t.Context(), m.Programme, "leaf", shown)
		wantRefusal(t, err, ledger.NotFoundReason)
	}
	good := token(id, 0)
	swapped := strings.Split(good, ".")
	swapped[1] = strings.Split(token(other, 0), ".")[1]
	unknown := strings.Split(good, ".")
	unknown[3] = "0badc0de"
	for shown, want := range map[string]ledger.Reason{
		good[:len(good)-1]:         ledger.CodeMalformed,
		good + "A":                 ledger.CodeMalformed,
		"TS1.x.y.z":                ledger.CodeMalformed,
		"TS1....":                  ledger.CodeMalformed,
		strings.Join(swapped, "."): ledger.NotFoundReason,
		strings.Join(unknown, "."): ledger.NotFoundReason,
		strings.ToLower(good):      ledger.CodeMalformed,
		"TS2" + good[3:]:           ledger.CodeMalformed,
	} {
		_, err := m.ValidateVoucher(t.Context(), m.Programme, "harbour", shown)
		wantRefusal(t, err, want)
	}
	// the same picture at two tills in the same second
	var wins atomic.Int32
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			_, err := m.redeem(t, fmt.Sprint("till-", i), "harbour", good)
			if err == nil {
				wins.Add(1)
				return
			}
			wantRefusal(t, err, ledger.VoucherUsed)
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d tills took it", wins.Load())
	}
}

// TestARetryWithARotatingCodeIsAnsweredAfterItsTime: the till lost the answer, and asks again a minute later.
func TestARetryWithARotatingCodeIsAnsweredAfterItsTime(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	id := m.issue(t, "ann", "lounge")
	_, err := m.redeem(t, "u1", "harbour", m.RotatingAt(t, id, time.Now().Add(-time.Hour)))
	wantRefusal(t, err, ledger.TokenExpired)
	first, err := m.redeem(t, "u1", "harbour", m.RotatingAt(t, id, time.Now())) // a refusal did not use the key up
	if err != nil {
		t.Fatal(err)
	}
	again, err := m.redeem(t, "u1", "harbour", m.RotatingAt(t, id, time.Now().Add(-time.Hour)))
	if err != nil || !again.Replayed || again.Transaction.ID != first.Transaction.ID {
		t.Errorf("%+v, %v", again, err)
	}
}

func FuzzParseCode(f *testing.F) {
	for _, typed := range []string{
		"", "0123456789ABCDEF", "0000000000000000", "0123-4567-89ab-cdef", "GHJK MNPQ RSTV WXYZ", "oooo-llll-iiii-0000", "UUUUUUUUUUUUUUUU",
		"0123456789ABCDE", "0123456789ABCDEFG", "0123456789ABCDE\u200d", "\u0430123456789ABCDE", strings.Repeat("-", 64),
	} {
		f.Add(typed)
	}
	form := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{16}$`)
	f.Fuzz(func(t *testing.T, typed string) {
		code, err := partners.ParseCode(typed)
		if err != nil {
			if !errors.Is(err, &ledger.Refusal{Reason: ledger.CodeMalformed}) {
				wantRefusal(t, err, ledger.CodeChecksum)
			}
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
