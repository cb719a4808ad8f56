package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

// journalTable is a table of the journal as one who may do anything to it sees it.
type journalTable struct {
	name    string
	key     int // how many of the first columns are the key
	columns []journalColumn
}

type journalColumn struct {
	name, kind string
	null       bool
}

func columns(text string) []journalColumn {
	var list []journalColumn
	for field := range strings.FieldsSeq(text) {
		name, kind, _ := strings.Cut(field, ":")
		kind, null := strings.CutSuffix(kind, "?")
		list = append(list, journalColumn{name, kind, null})
	}
	return list
}

var journalTables = []journalTable{
	{"transactions", 1, columns(`id:uuid programme_id:uuid client:text idempotency_key:text kind:text request_hash:bytea
		rejection:text detail:text member:text amount:decimal original_id:uuid? due_at:timestamptz? reason:text
		reference:text actor:text channel:text rule:text rule_version:int8 effective_at:timestamptz
		recorded_at:timestamptz hash:bytea`)},
	{"legs", 2, columns(`transaction_id:uuid leg:int2 unit:text amount:decimal from_owner:text from_place:text
		from_stripe:int2 from_seq:int8 to_owner:text to_place:text to_stripe:int2 to_seq:int8 rule:text`)},
	{"entries", 3, columns(`account_id:uuid recorded_at:timestamptz seq:int8 transaction_id:uuid leg:int2 kind:text
		amount:decimal balance:decimal effective_at:timestamptz lots:text hash:bytea`)},
	{"seals", 3, columns(`programme_id:uuid stripe:int2 n:int8 recorded_at:timestamptz sealed_at:timestamptz
		first_event:int8 events:int8 transaction_ids:uuid[] hash:bytea`)},
	{"programme_versions", 2, columns(`programme_id:uuid version:int8 document:text applied_at:timestamptz hash:bytea
		applied_by:text`)},
}

// tampering is one way to change one row, or to swap two.
type tampering struct {
	table  *journalTable
	what   string // alter, forge, delete, insert, swap
	column int    // of alter and forge
}

func (g tampering) String() string {
	if g.what == "alter" || g.what == "forge" {
		return g.what + " " + g.table.name + "." + g.table.columns[g.column].name
	}
	return g.what + " " + g.table.name
}

// tamperings lists every column of every journal table, and every other way to change a row.
func tamperings() []tampering {
	var list []tampering
	for i := range journalTables {
		table := &journalTables[i]
		for column := range table.columns {
			list = append(list, tampering{table, "alter", column})
			if table.name == "transactions" && column > 0 && table.columns[column].name != "hash" {
				list = append(list, tampering{table, "forge", column})
			}
		}
		for _, what := range []string{"delete", "insert", "swap"} {
			list = append(list, tampering{table: table, what: what})
		}
	}
	return list
}

var errUndo = errors.New("undo")

// newSeed makes randomness that a failure names, so that it can be met again.
func newSeed(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func TestVerifyCatchesEverySingleChangeOfTheJournal(t *testing.T) {
	b := newBusy(t)
	for _, note := range []string{"# once more\n", "# and again\n"} { // versions to swap
		if _, err := b.Ledger.ApplyProgramme(t.Context(), ledgertest.Application(ledgertest.Document+note)); err != nil {
			t.Fatal(err)
		}
	}
	owner := devdb.Open(t, b.Database.OwnerURL, db.Options{})
	const flips = 1000
	list, done := tamperings(), make(map[string]int)
	if flips < 2*len(list) {
		t.Fatalf("%d flips are too few for %d ways to tamper", flips, len(list))
	}
	random := newSeed(t)
	for n := 0; n < flips; {
		way := list[n%len(list)]
		rng := rand.New(rand.NewPCG(random.Uint64(), uint64(n)))
		report, what, err := tamper(t.Context(), owner, b.Programme, way, rng)
		var refused *pgconn.PgError
		switch {
		case errors.As(err, &refused) && strings.HasPrefix(refused.Code, "23"), errors.Is(err, errSame):
			continue // the database itself refuses such a row, or it is the same: try another
		case err != nil:
			t.Fatalf("%s: %v", what, err)
		case report.OK():
			t.Errorf("not caught: %s", what)
		}
		done[way.String()]++
		n++
	}
	if report, err := ledger.Verify(t.Context(), b.Pool, nil); err != nil || !report.OK() {
		t.Errorf("the books are not as before: %v, %v", report.Failures, err)
	}
	for _, way := range list {
		if done[way.String()] == 0 {
			t.Errorf("never tried: %s", way)
		}
	}
}

var errSame = errors.New("nothing changed")

// tamper changes one row, verifies and takes the change back. what tells the change.
func tamper(ctx context.Context, owner *db.Pool, programme uuid.UUID, way tampering, rng *rand.Rand) (report ledger.Report, what string, err error) {
	err = db.InTx(ctx, owner, db.Serializable, func(tx pgx.Tx) error {
		c := change{tampering: way, tx: tx, rng: rng, programme: programme}
		if err := c.make(ctx); err != nil {
			return err
		}
		what = c.String() + ": " + c.told
		var err error
		if report, err = ledger.VerifyTx(ctx, tx, nil); err != nil {
			return err
		}
		return errUndo
	})
	if errors.Is(err, errUndo) {
		err = nil
	}
	return report, what, err
}

type change struct {
	tampering
	tx        pgx.Tx
	rng       *rand.Rand
	programme uuid.UUID
	told      string
}

func (c *change) make(ctx context.Context) error {
	row, err := c.row(ctx)
	if err != nil {
		return err
	}
	c.told = fmt.Sprint(row)
	switch c.what {
	case "delete":
		return c.exec(ctx, "DELETE FROM "+c.table.name, nil, row)
	case "insert":
		return c.insert(ctx, row)
	case "swap":
		return c.swap(ctx, row)
	}
	changed := slices.Clone(row)
	if changed[c.column], err = c.mutate(ctx, c.table.columns[c.column], row[c.column]); err != nil {
		return err
	}
	if fmt.Sprint(changed[c.column]) == fmt.Sprint(row[c.column]) {
		return errSame
	}
	c.told += fmt.Sprintf(" -> %v", changed[c.column])
	if err := c.update(ctx, row, changed); err != nil || c.what != "forge" {
		return err
	}
	digest, err := ledger.Digest(ctx, c.tx, c.programme, changed[0].([16]byte))
	if err != nil || digest == nil {
		return err
	}
	forged := slices.Clone(changed)
	forged[len(forged)-1] = digest
	return c.update(ctx, changed, forged)
}

// row reads a random row.
func (c *change) row(ctx context.Context) ([]any, error) {
	var names, keys []string
	for i, column := range c.table.columns {
		names = append(names, column.name)
		if i < c.table.key {
			keys = append(keys, column.name)
		}
	}
	var count int
	if err := c.tx.QueryRow(ctx, "SELECT count(*) FROM "+c.table.name).Scan(&count); err != nil {
		return nil, err
	}
	sql := fmt.Sprintf("SELECT %s FROM %s ORDER BY %s LIMIT 1 OFFSET %d", strings.Join(names, ", "), c.table.name,
		strings.Join(keys, ", "), c.rng.IntN(count))
	rows, err := c.tx.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
}

// exec runs a statement on the row with the given key; args come before the key.
func (c *change) exec(ctx context.Context, sql string, args []any, row []any) error {
	for i, column := range c.table.columns[:c.table.key] {
		joint := " AND "
		if i == 0 {
			joint = " WHERE "
		}
		args = append(args, row[i])
		sql += fmt.Sprintf("%s%s = $%d::%s", joint, column.name, len(args), column.kind)
	}
	tag, err := c.tx.Exec(ctx, sql, args...)
	if err == nil && tag.RowsAffected() != 1 {
		return fmt.Errorf("%s: %d rows", sql, tag.RowsAffected())
	}
	return err
}

func (c *change) update(ctx context.Context, row, changed []any) error {
	var sets []string
	for i, column := range c.table.columns {
		sets = append(sets, fmt.Sprintf("%s = $%d::%s", column.name, i+1, column.kind))
	}
	return c.exec(ctx, "UPDATE "+c.table.name+" SET "+strings.Join(sets, ", "), slices.Clone(changed), row)
}

// insert adds a copy of the row under another key; a transaction's is one that its client and key make.
func (c *change) insert(ctx context.Context, row []any) error {
	fresh := slices.Clone(row)
	var err error
	if c.table.name == "transactions" {
		fresh[3] = fmt.Sprint(fresh[3], "-again")
		fresh[0] = [16]byte(ledger.TransactionID(c.programme, fresh[2].(string), fresh[3].(string)))
	} else {
		i := c.rng.IntN(c.table.key)
		if fresh[i], err = c.mutate(ctx, c.table.columns[i], row[i]); err != nil {
			return err
		}
	}
	var places []string
	for i, column := range c.table.columns {
		places = append(places, fmt.Sprintf("$%d::%s", i+1, column.kind))
	}
	if _, err = c.tx.Exec(ctx, fmt.Sprintf("INSERT INTO %s VALUES (%s)", c.table.name, strings.Join(places, ", ")), fresh...); err != nil {
		return err
	}
	if c.table.name != "transactions" {
		return nil
	}
	digest, err := ledger.Digest(ctx, c.tx, c.programme, fresh[0].([16]byte))
	if err != nil {
		return err
	}
	forged := slices.Clone(fresh)
	forged[len(forged)-1] = digest
	return c.update(ctx, fresh, forged)
}

// swap puts two rows each in the other's place: their keys stay, all else changes hands.
func (c *change) swap(ctx context.Context, row []any) error {
	other, err := c.row(ctx)
	if err != nil {
		return err
	}
	mixed := func(key, rest []any) []any { return append(slices.Clone(key[:c.table.key]), rest[c.table.key:]...) }
	a, b := mixed(row, other), mixed(other, row)
	if fmt.Sprint(a) == fmt.Sprint(row) {
		return errSame
	}
	c.told += fmt.Sprint(" <-> ", other)
	if err := c.update(ctx, row, a); err != nil {
		return err
	}
	return c.update(ctx, other, b)
}

// mutate returns another value for a column, of a kind that a careful forger might choose.
func (c *change) mutate(ctx context.Context, column journalColumn, value any) (any, error) {
	if column.null {
		return c.mutateNull(column, value), nil
	}
	switch v := value.(type) {
	case [16]byte:
		return [16]byte(uuid.New()), nil
	case string:
		return c.mutateText(v), nil
	case int16: // the next one, or one that no stripe, leg or bucket has: where all are taken, the database takes few others
		return v + []int16{1, -1, ledger.Stripes, -ledger.Stripes}[c.rng.IntN(4)], nil
	case int64:
		return v + int64(1-2*c.rng.IntN(2)), nil
	case decimal.Decimal:
		return v.Add([]decimal.Decimal{amount(1), amount(-1), v, decimal.New(1, -2), amount(1_000_000)}[c.rng.IntN(5)]), nil
	case time.Time:
		return v.Add([]time.Duration{time.Microsecond, -time.Microsecond, time.Hour, -24 * time.Hour}[c.rng.IntN(4)]), nil
	case []byte:
		if len(v) == 0 { // a stripe's head before its first seal
			return []byte{1}, nil
		}
		changed := slices.Clone(v)
		changed[c.rng.IntN(len(changed))] ^= 1 << c.rng.IntN(8)
		return changed, nil
	case []any:
		return c.mutateList(v), nil
	}
	return nil, fmt.Errorf("column %s: %T", column.name, value)
}

// mutateNull also tries the values that hash like none at all.
func (c *change) mutateNull(column journalColumn, value any) any {
	switch {
	case value != nil && c.rng.IntN(2) == 0:
		return nil
	case column.kind == "uuid" && c.rng.IntN(2) == 0:
		return [16]byte(uuid.Nil)
	case column.kind == "uuid":
		return [16]byte(uuid.New())
	case c.rng.IntN(2) == 0:
		return time.UnixMicro(-1)
	default:
		return time.UnixMicro(c.rng.Int64N(1e15))
	}
}

func (c *change) mutateText(v string) string {
	if v == "" || c.rng.IntN(3) == 0 {
		return v + "x"
	}
	if c.rng.IntN(3) == 0 {
		return ""
	}
	b := []byte(v)
	i := c.rng.IntN(len(b))
	b[i] = "abcdefghij"[(int(b[i])+1)%10]
	return string(b)
}

func (c *change) mutateList(v []any) []any {
	changed := slices.Clone(v)
	i, j := c.rng.IntN(len(v)), c.rng.IntN(len(v))
	switch c.rng.IntN(4) {
	case 0:
		return slices.Delete(changed, i, i+1)
	case 1:
		return append(changed, v[j])
	case 2:
		changed[i] = [16]byte(uuid.New())
	default:
		if i == j {
			return slices.Insert(changed, i, any([16]byte(uuid.New())))
		}
		changed[i], changed[j] = v[j], v[i]
	}
	return changed
}

// projectionTables are what follows from the journal. Leases, and how deep a debt may be, do not.
var projectionTables = []journalTable{
	{"accounts", 1, columns(`id:uuid programme_id:uuid unit:text owner:text place:text stripe:int2 balance:decimal
		seq:int8 recorded_at:timestamptz due_at:timestamptz? head:bytea`)},
	{"lots", 3, columns(`account_id:uuid expires_at:timestamptz fund:text remaining:decimal programme_id:uuid bucket:int2`)},
	{"open_places", 4, columns(`programme_id:uuid bucket:int2 due_at:timestamptz account_id:uuid owner:text unit:text
		place:text due_kind:text`)},
	{"follow_ups", 2, columns(`original_id:uuid transaction_id:uuid kind:text amount:decimal`)},
	{"business_references", 4, columns(`programme_id:uuid client:text kind:text reference:text transaction_id:uuid`)},
	{"freezes", 2, columns(`programme_id:uuid member:text transaction_id:uuid`)},
	{"stripes", 2, columns(`programme_id:uuid stripe:int2 seals:int8 events:int8 head:bytea`)},
	{"programmes", 1, columns(`id:uuid name:text clock:timestamptz open_from:timestamptz version:int8`)},
}

func TestVerifyCatchesEverySingleChangeOfAProjection(t *testing.T) {
	b := newBusy(t)
	owner := devdb.Open(t, b.Database.OwnerURL, db.Options{})
	random := newSeed(t)
	for i := range projectionTables {
		table := &projectionTables[i]
		ways := []tampering{{table: table, what: "delete"}}
		for column := range table.columns {
			ways = append(ways, tampering{table, "alter", column})
		}
		for _, way := range ways {
			for caught, tries := 0, 0; caught < 3; tries++ {
				if tries == 300 {
					t.Fatalf("%s: the database refuses everything", way)
				}
				report, what, err := tamper(t.Context(), owner, b.Programme, way, rand.New(rand.NewPCG(random.Uint64(), uint64(tries))))
				var refused *pgconn.PgError
				switch {
				case errors.As(err, &refused) && strings.HasPrefix(refused.Code, "23"), errors.Is(err, errSame):
					continue
				case err != nil:
					t.Fatalf("%s: %v", what, err)
				case report.OK():
					t.Errorf("not caught: %s", what)
				}
				caught++
			}
		}
	}
}
