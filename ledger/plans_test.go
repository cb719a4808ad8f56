package ledger_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

// whole matches the parts of a plan that read a whole table for a few of its rows.
var whole = regexp.MustCompile(`Seq Scan on|Hash Join|Merge Join|Hash Semi|Hash Anti`)

// PostgreSQL guesses the length of an array, and with stale statistics reads whole tables for a batch of a hundred rows,
// which makes it three times as slow. So the plans of what runs all the time are asserted, on the poster's connections.
func TestHotStatementsReadByIndexOnly(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	if b.Pool.Dialect() != db.PostgreSQL {
		t.Skip("SKIPPED: the plans are PostgreSQL's; this is", b.Pool.Dialect())
	}
	var list []ledger.Request
	for i := range 500 {
		list = append(list, ledger.Accrual{Member: fmt.Sprint("m", i), Unit: "points", Amount: amount(9)}.
			Into(b.Programme, key(fmt.Sprint("k", i))))
	}
	if _, err := b.Ledger.PostBatch(t.Context(), b.Programme, list, false); err != nil {
		t.Fatal(err)
	}
	for name, sql := range ledger.HotStatements {
		plan, err := genericPlan(t.Context(), b.Pool, sql)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if part := whole.FindString(plan); part != "" {
			t.Errorf("%s: %s in its plan:\n%s", name, part, plan)
		}
	}
}

// A session that begins on empty books keeps the plans it made then until the tables are analyzed.
func TestOpenPlacesAreReadByOwnerFromTheFirstDayOn(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	if b.Pool.Dialect() != db.PostgreSQL {
		t.Skip("SKIPPED: the plans are PostgreSQL's; this is", b.Pool.Dialect())
	}
	plan, err := genericPlan(t.Context(), b.Pool, ledger.HotStatements["sqlReadOpenBalances"])
	if err != nil || !strings.Contains(plan, "(owner = u.owner)") {
		t.Errorf("%v: reads open places otherwise than by owner:\n%s", err, plan)
	}
}

var parameter = regexp.MustCompile(`\$\d+`)

// genericPlan is the plan that the server keeps for a prepared statement, whatever its arguments.
func genericPlan(ctx context.Context, pool *db.Pool, sql string) (string, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "PREPARE plan AS "+sql); err != nil {
		return "", err
	}
	distinct := make(map[string]bool)
	for _, p := range parameter.FindAllString(sql, -1) {
		distinct[p] = true
	}
	explain := "EXPLAIN EXECUTE plan"
	if n := len(distinct); n > 0 {
		explain += "(" + strings.Repeat("NULL, ", n-1) + "NULL)"
	}
	rows, err := conn.Query(ctx, explain)
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, "DEALLOCATE plan")
	return strings.Join(lines, "\n"), err
}

// A check that finds nothing wrong has to find what is.
func TestAPlanThatReadsAWholeTableIsFound(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	if b.Pool.Dialect() != db.PostgreSQL {
		t.Skip("SKIPPED: the plans are PostgreSQL's; this is", b.Pool.Dialect())
	}
	plan, err := genericPlan(t.Context(), b.Pool, `SELECT a.id FROM accounts AS a WHERE a.owner = $1`)
	if err != nil || !whole.MatchString(plan) {
		t.Errorf("%v in\n%s", err, plan)
	}
}
